// Package peers measures Howdah beside its peers: PGlite with its socket
// server on Node, and a native PostgreSQL. It has no code of its own.
package peers

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/howdahdb/howdah/pglite/internal/need"
)

var seconds = flag.Int("seconds", 3, "length of each run of pgbench")

// BenchmarkPgbench runs pgbench against all servers in turn, mode by mode, and
// prints one table: transactions a second, and how many times as many Howdah
// does. A peer that is not at hand is left out with the reason; a mode that a
// server can't run "fails". Absolute figures are the machine's; the ratios of
// one table can be compared.
func BenchmarkPgbench(b *testing.B) {
	pgbench := need.Pgbench(b)
	has := func(peer string, check func(b *testing.B)) (ok bool) {
		b.Run("has/"+peer, func(b *testing.B) {
			check(b)
			ok = true
		})
		return ok
	}
	hasNative := has("native", func(b *testing.B) { need.NativePostgres(b) })
	hasNode := has("pglite-socket", func(b *testing.B) { need.Node(b); need.Npm(b) })

	fast := []*server{howdah(b, "")}
	durable := []*server{howdah(b, b.TempDir())}
	if hasNode {
		fast = append(fast, pgliteSocket(b))
	}
	if hasNative {
		fast = append(fast, native(b, "fsync=off"))
		durable = append(durable, native(b, "fsync=on"))
	}
	for _, group := range []struct {
		title   string
		servers []*server
	}{{"without fsync", fast}, {"durable", durable}} {
		table := compare(b, pgbench, group.servers)
		fmt.Printf("\npgbench, scale 1, %d s a run, %s: transactions/s\n%s\n", *seconds, group.title, table)
	}
}

// compare runs every mode on every server.
func compare(b *testing.B, pgbench string, servers []*server) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\t\tclients\t")
	for _, s := range servers {
		fmt.Fprint(w, s.name, "\t")
	}
	for _, s := range servers[1:] {
		fmt.Fprint(w, "/ ", s.name, "\t")
	}
	fmt.Fprintln(w)
	idle := make([]float64, len(servers))
	for k, s := range servers {
		if err := s.start(s); err != nil {
			b.Fatalf("%s: %v", s.name, err)
		}
		idle[k] = s.residentMB()
		load(b, pgbench, s)
	}
	for _, script := range []struct{ name, flag string }{{"select", "-S"}, {"tpc-b", "-btpcb-like"}} {
		for _, mode := range []string{"simple", "extended", "prepared"} {
			for _, clients := range []int{1, 8} {
				fmt.Fprintf(w, "%s\t%s\t%d\t", script.name, mode, clients)
				tps := make([]float64, len(servers))
				for k, s := range servers {
					var err error
					if tps[k], err = run(b.Context(), pgbench, s, "-n", script.flag, "-M", mode, "-c", strconv.Itoa(clients), "-T", strconv.Itoa(*seconds)); err != nil {
						b.Logf("%s, %s %s, %d clients: %v", s.name, script.name, mode, clients, err)
						fmt.Fprint(w, "fails\t")
						again(b, pgbench, s)
						continue
					}
					fmt.Fprintf(w, "%.0f\t", tps[k])
				}
				for k := range servers[1:] {
					ratio := "–"
					if tps[k+1] > 0 {
						ratio = fmt.Sprintf("%.2f", tps[0]/tps[k+1])
					}
					fmt.Fprint(w, ratio, "\t")
				}
				fmt.Fprintln(w)
			}
		}
	}
	fmt.Fprint(w, "resident\tidle, loaded\tMB\t")
	for k, s := range servers {
		if idle[k] == 0 {
			fmt.Fprint(w, "–\t")
			continue
		}
		fmt.Fprintf(w, "%.0f, %.0f\t", idle[k], s.residentMB())
	}
	fmt.Fprintln(w, strings.Repeat("\t", len(servers)-1))
	w.Flush()
	for _, s := range servers {
		s.stop()
	}
	return out.String()
}

// load fills the tables on the server's side, since pglite-socket can't COPY.
func load(b *testing.B, pgbench string, s *server) {
	b.Helper()
	if _, err := run(b.Context(), pgbench, s, "-i", "-q", "-I", "dtGvp"); err != nil && !errors.Is(err, errNoResult) {
		b.Fatalf("%s: %v", s.name, err)
	}
}

// again replaces a server that has failed: an error jams pglite-socket's queue.
func again(b *testing.B, pgbench string, s *server) {
	b.Helper()
	s.stop()
	if err := s.start(s); err != nil {
		b.Fatalf("%s: %v", s.name, err)
	}
	load(b, pgbench, s)
}

var (
	tpsLine     = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)
	errNoResult = errors.New("pgbench reports no transactions")
)

// run runs pgbench and returns transactions a second.
func run(ctx context.Context, pgbench string, s *server, args ...string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(*seconds)*time.Second+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, pgbench, append(args, s.url)...)
	cmd.Env = append(os.Environ(), "PGCONNECT_TIMEOUT=10")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, lastLine(out))
	}
	m := tpsLine.FindSubmatch(out)
	if m == nil {
		return 0, errNoResult
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
