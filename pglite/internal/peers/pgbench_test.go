package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// overtime is how much longer than its measurement pgbench may take.
const overtime = 15 * time.Second

// runLength are pgbench's arguments for the length of a run that makes its
// connections in a known time, which -T includes.
func runLength(connecting time.Duration) []string {
	if testing.Short() {
		return []string{"-t", "20"}
	}
	return []string{"-T", strconv.Itoa(*seconds + int(connecting.Round(time.Second).Seconds()))}
}

// errNotMeasured leaves a cell of the table empty.
var errNotMeasured = errors.New("not measured")

// measured is what a load gives on the server, as a cell of the table. A server
// that fails is replaced for the next load.
func (s *server) measured(b *testing.B, l load) cell {
	if err := s.ready(b); err != nil {
		if absent := errAbsent(""); errors.As(err, &absent) {
			return cell{note: s.name + ": " + err.Error()}
		}
		b.Error(err)
		return cell{failed: true, note: err.Error()}
	}
	measure := s.measure
	if measure == nil {
		measure = func(l load) (result, error) { return s.pgbench(b, l) }
	}
	r, err := measure(l)
	switch {
	case errors.Is(err, errNotMeasured):
		return cell{}
	case err != nil:
		s.restart()
		return cell{failed: true, note: fmt.Sprintf("%s: %v", s.name, err)}
	}
	s.loadedMB = max(s.loadedMB, treeMB(s.pid, "Pss"))
	return cell{result: r}
}

// result is what was measured.
type result struct {
	rate float64 // transactions/s
	cpu  float64 // µs of the server's per transaction; 0 where it can't be told
}

// pgbench measures the server when a few transactions have warmed up its
// backends.
func (s *server) pgbench(b *testing.B, l load) (result, error) {
	file := filepath.Join(work, l.script.name)
	if err := os.WriteFile(file, []byte(l.script.text), 0o600); err != nil {
		return result{}, err
	}
	args := []string{"-n", "-f", file, "-M", l.mode, "-c", strconv.Itoa(l.clients)}
	var warmUp report
	if !testing.Short() && !s.oneSession {
		var err error
		if warmUp, err = pgbench(b, s.url, append(args, "-t", "5")...); err != nil {
			return result{}, err
		}
	}
	before := treeCPU(s.pid)
	run, err := pgbench(b, s.url, append(args, runLength(warmUp.connecting)...)...)
	if err != nil {
		return result{}, err
	}
	return result{run.rate, (treeCPU(s.pid) - before).Seconds() * 1e6 / run.transactions}, nil
}

// fill makes pgbench's tables on the server's side, since pglite-socket can't
// COPY.
func fill(t testing.TB, s *server) error {
	if _, err := pgbench(t, s.url, "-i", "-q", "-I", "dtGvp"); !errors.Is(err, errNoResult) {
		return err
	}
	return nil
}

var (
	tpsLine     = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)
	countLine   = regexp.MustCompile(`(?m)^number of transactions actually processed: (\d+)`)
	connectLine = regexp.MustCompile(`(?m)^initial connection time = ([0-9.]+) ms`)
	errNoResult = errors.New("pgbench reports no transactions")
)

// report is what pgbench says of its run.
type report struct {
	rate, transactions float64
	connecting         time.Duration // of all clients, one after the other
}

// pgbench runs it. Clients that fail make the run fail, even if pgbench goes on
// without them.
func pgbench(t testing.TB, url string, args ...string) (report, error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(*seconds)*time.Second+overtime)
	defer cancel()
	cmd := exec.CommandContext(ctx, need.Pgbench(t), append(args, url)...)
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "PGCONNECT_TIMEOUT=10")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return report{}, fmt.Errorf("hangs: %w", ctx.Err())
	}
	if err != nil {
		return report{}, fmt.Errorf("%w: %s", err, complaint(string(out)))
	}
	var (
		r       report
		connect float64
	)
	for _, x := range []struct {
		line *regexp.Regexp
		to   *float64
	}{{tpsLine, &r.rate}, {countLine, &r.transactions}, {connectLine, &connect}} {
		m := x.line.FindSubmatch(out)
		if m == nil {
			return report{}, errNoResult
		}
		if *x.to, err = strconv.ParseFloat(string(m[1]), 64); err != nil {
			return report{}, err
		}
	}
	r.connecting = time.Duration(connect * float64(time.Millisecond))
	return r, nil
}

// complaint is the line of pgbench's output that says most.
func complaint(out string) string {
	var last string
	for line := range strings.Lines(strings.TrimSpace(out)) {
		last = strings.TrimSpace(line)
		if strings.Contains(strings.ToLower(last), "error") {
			break
		}
	}
	return last
}
