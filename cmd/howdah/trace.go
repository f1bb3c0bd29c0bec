package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// traceFlags are common to the commands that serve a database.
type traceFlags struct {
	TraceStart bool `env:"HOWDAH_TRACE_START" help:"Print where the time went to standard error, from the start of the process to the answer of the first query."`
}

// startTrace collects the steps of a start. A nil one collects nothing.
type startTrace struct {
	out   io.Writer
	began time.Time // the process

	mu struct {
		sync.Mutex
		steps   []startStep
		printed bool
	}
}

type startStep struct {
	name     string
	from, to time.Time
}

// mainBegan is when the process got as far as this program.
var mainBegan = time.Now()

// firstQuery is the step that ends a start.
const firstQuery = "first query"

func (f *traceFlags) trace() *startTrace {
	if !f.TraceStart {
		return nil
	}
	t := &startTrace{out: os.Stderr, began: mainBegan}
	if began, ok := processBegan(); ok && began.Before(mainBegan) {
		t.began = began
		t.mu.steps = append(t.mu.steps, startStep{"load the program", began, mainBegan})
	}
	return t
}

// tell gives what pglite.Options and wire.Options have for a trace, nil for none.
func (t *startTrace) tell() func(step string, began time.Time) {
	if t == nil {
		return nil
	}
	return t.add
}

// add notes a step that has ended. After the first query the table is printed.
func (t *startTrace) add(step string, began time.Time) {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.mu.steps = append(t.mu.steps, startStep{step, began, time.Now()})
	t.mu.Unlock()
	if step == firstQuery {
		t.print()
	}
}

// print prints what there is, once.
func (t *startTrace) print() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.printed {
		return
	}
	t.mu.printed = true
	io.WriteString(t.out, t.table())
}

// table has a line per step, by when they began, and marks with a bar where each
// lies; its width is 80 columns. REQUIRES: mu.
func (t *startTrace) table() string {
	steps := slices.Clone(t.mu.steps)
	slices.SortStableFunc(steps, func(a, b startStep) int { return a.from.Compare(b.from) })
	end := t.began
	for _, s := range steps {
		if s.to.After(end) {
			end = s.to
		}
	}
	total := max(end.Sub(t.began), 1)
	const name, bar = 25, 36
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s %7s %7s  0%*s\n", name, "start", "at ms", "took", bar-1, ms(total)+" ms")
	for _, s := range steps {
		at, took := s.from.Sub(t.began), s.to.Sub(s.from)
		from := int(at * bar / total)
		to := max(int((at+took)*bar/total), from+1)
		fmt.Fprintf(&b, "%-*s %7s %7s  %s%s\n", name, s.name, ms(at), ms(took), strings.Repeat(" ", from), strings.Repeat("#", to-from))
	}
	return b.String()
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/1e6) }
