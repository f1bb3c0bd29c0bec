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

	"github.com/howdahdb/howdah/pglite/internal/need"
)

// overtime is how much longer than its measurement pgbench may take.
const overtime = 30 * time.Second

// runLength are pgbench's arguments for the length of a run.
func runLength() []string {
	if testing.Short() {
		return []string{"-t", "20"}
	}
	return []string{"-T", strconv.Itoa(*seconds)}
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
	rate, err := s.rate(b, l)
	switch {
	case errors.Is(err, errNotMeasured):
		return cell{}
	case err != nil:
		s.restart()
		return cell{failed: true, note: fmt.Sprintf("%s: %v", s.name, err)}
	}
	return cell{rate: rate}
}

func (s *server) rate(b *testing.B, l load) (float64, error) {
	if s.measure != nil {
		return s.measure(b.Context(), l)
	}
	file := filepath.Join(work, l.script.name)
	if err := os.WriteFile(file, []byte(l.script.text), 0o600); err != nil {
		return 0, err
	}
	args := append(runLength(), "-n", "-f", file, "-M", l.mode, "-c", strconv.Itoa(l.clients))
	return pgbench(b, s.url, args...)
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
	errNoResult = errors.New("pgbench reports no transactions")
)

// pgbench runs it and returns transactions a second. Clients that fail make the
// run fail, even if pgbench goes on without them.
func pgbench(t testing.TB, url string, args ...string) (float64, error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(*seconds)*time.Second+overtime)
	defer cancel()
	cmd := exec.CommandContext(ctx, need.Pgbench(t), append(args, url)...)
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "PGCONNECT_TIMEOUT=10")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return 0, fmt.Errorf("hangs: %w", ctx.Err())
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, complaint(string(out)))
	}
	m := tpsLine.FindSubmatch(out)
	if m == nil {
		return 0, errNoResult
	}
	return strconv.ParseFloat(string(m[1]), 64)
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
