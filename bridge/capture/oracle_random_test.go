package capture_test

import (
	"flag"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/capture"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

var seedFlag = flag.Uint64("seed", 0, "seed of random tests; 0 takes one from the clock")

// seed is that of this run, logged.
func seed(t *testing.T) uint64 {
	s := *seedFlag
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", s)
	return s
}

// message is what one of several sessions sends.
type message struct {
	session int
	sql     string
}

// interleaved makes up what several writers send, one after the other.
func interleaved(seed uint64, writers, messages int) (all []message) {
	w := make([]*writer, writers)
	for i := range w {
		w[i] = newWriter(seed, i)
	}
	rng := rand.New(rand.NewPCG(seed, 1<<40))
	for range messages {
		i := rng.IntN(writers)
		all = append(all, message{i, w[i].next()})
	}
	for i := range w {
		all = append(all, message{i, w[i].finish()})
	}
	return all
}

// play sends messages, each when the one before is answered. What fails is rolled
// back, and counted.
func (c *captured) play(writers int, all []message) (failed int) {
	c.t.Helper()
	conns := make([]*pgx.Conn, writers)
	for i := range conns {
		conns[i] = c.connect()
	}
	exec(c.t, conns[0], prepare...)
	for _, m := range all {
		if _, err := conns[m.session].PgConn().Exec(c.t.Context(), m.sql).ReadAll(); err != nil {
			if failed++; failed == 1 {
				c.t.Logf("fails: %.200s: %v", m.sql, err)
			}
			exec(c.t, conns[m.session], "rollback")
		}
	}
	return failed
}

// TestRandomNative: the sets of interleaved transactions are what test_decoding makes
// of them, and the same on a cluster here.
func TestRandomNative(t *testing.T) {
	const writers = 4
	seed := seed(t)
	all := interleaved(seed, writers, need.Choose(800, 15000))
	n := startNative(t)
	failed := n.play(writers, all)
	n.flushed(n.connect())
	got := decoding(n.sets("postgres", 0))
	sameLines(t, "native, against test_decoding", got, n.decoded())
	t.Logf("%d messages, of which %d failed: %d lines", len(all), failed, len(got))
	if failed*5 > len(all) || len(got)*2 < len(all) {
		t.Error("the workload is none")
	}

	here := openCaptured(t, "", func(o *pglite.Options, _ *capture.Options) { o.NoHousekeeping = true })
	here.play(writers, all)
	exec(t, here.connect(), "checkpoint")
	sameLines(t, "PGlite, against native", pagesSorted(decoding(here.sets("postgres", 0))), pagesSorted(got))
}

// changedRows begins the lines of rows that a statement has found.
var changedRows = regexp.MustCompile(`^table \S+: (UPDATE|DELETE):`)

// pagesSorted sorts such lines where several follow one another.
func pagesSorted(lines []string) []string {
	lines = slices.Clone(lines)
	for from := 0; from < len(lines); {
		head, to := changedRows.FindString(lines[from]), from+1
		for head != "" && to < len(lines) && strings.HasPrefix(lines[to], head) {
			to++
		}
		slices.Sort(lines[from:to])
		from = to
	}
	return lines
}

// TestConcurrentNative has the writers send at the same time, to a server whose
// capture is told of the log meanwhile.
func TestConcurrentNative(t *testing.T) {
	const writers = 6
	seed := seed(t)
	n := startNative(t)
	exec(t, n.connect(), prepare...)
	var all sync.WaitGroup
	for i := range writers {
		conn := n.connect()
		all.Go(func() {
			w := newWriter(seed, i)
			for range need.Choose(150, 3000) {
				if _, err := conn.PgConn().Exec(t.Context(), w.next()).ReadAll(); err != nil {
					w.failed()
					if _, err := conn.PgConn().Exec(t.Context(), "rollback").ReadAll(); err != nil {
						t.Error(err)
						return
					}
				}
			}
			if _, err := conn.PgConn().Exec(t.Context(), w.finish()).ReadAll(); err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	go func() { defer close(done); all.Wait() }()
	conn := n.connect()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(5 * time.Millisecond):
		}
		n.tell(conn)
	}
	n.flushed(conn)
	got := decoding(n.sets("postgres", 0))
	sameLines(t, "native, against test_decoding", got, n.decoded())
	t.Logf("%d lines", len(got))
}
