package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// longQueries don't end by themselves.
var longQueries = []struct{ name, sql string }{
	{"count", "select count(*) from generate_series(1, 10000) a, generate_series(1, 10000) b, generate_series(1, 10000) c"},
	{"sort", "do $$ begin loop perform aid from pgbench_accounts order by md5(aid::text); end loop; end $$"},
}

// BenchmarkLongQuery is how long 8 clients wait for point reads (pgbench,
// prepared) while nothing else runs, and beside a query that runs all the time.
// PGlite is not among the servers: it runs one statement at a time.
func BenchmarkLongQuery(b *testing.B) {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\tbeside\treads/s\tp50\tp99\tmaximum ms\t\n")
	queries := append(longQueries[:0:0], longQueries...)
	if testing.Short() {
		queries = queries[:1]
	}
	for _, s := range chosen(howdah("howdah"), native18("native18", "fsync=off")) {
		measure := func(beside string, read func(b *testing.B) (latencies, error)) {
			b.Run(s.name+"/"+beside, func(sub *testing.B) {
				if err := s.ready(b); errors.As(err, new(errAbsent)) {
					sub.Skip(err)
				} else if err != nil {
					sub.Fatal(err)
				}
				l, err := read(sub)
				if err != nil {
					fmt.Fprintf(w, "%s\t%s\tfails\t\t\t\t\n", s.name, beside)
					sub.Errorf("%s beside %s: %v", s.name, beside, err)
					return
				}
				fmt.Fprintf(w, "%s\t%s\t%.0f\t%.2f\t%.2f\t%.2f\t\n", s.name, beside, l.rate(), l.at(0.5), l.at(0.99), l.at(1))
				sub.ReportMetric(0, "ns/op")
				sub.ReportMetric(l.at(0.5), "p50-ms")
				sub.ReportMetric(l.at(0.99), "p99-ms")
				sub.ReportMetric(l.at(1), "max-ms")
			})
		}
		measure("nothing", func(b *testing.B) (latencies, error) { return pointReads(b, s) })
		for _, q := range queries {
			measure(q.name, func(b *testing.B) (l latencies, err error) {
				alongside := beside(b.Context(), s.url, q.sql, func() { l, err = pointReads(b, s) })
				return l, errors.Join(alongside, err)
			})
		}
	}
	w.Flush()
	fmt.Printf("\npoint reads of %d clients beside a long query\n%s\n", aimClients, out.String())
}

// beside runs f while a client runs sql, which does not end, and then cancels it.
func beside(ctx context.Context, url, sql string, f func()) error {
	const name, patience = "long query", 10 * time.Second
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	config.RuntimeParams["application_name"] = name
	long, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer long.Close(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() {
		_, err := long.PgConn().Exec(ctx, sql).ReadAll()
		ended <- err
	}()
	if err := awaitActive(ctx, url, name, patience); err != nil {
		return err
	}
	f()
	select {
	case err := <-ended:
		return fmt.Errorf("the long query has ended too early: %w", err)
	default:
	}
	if err := long.PgConn().CancelRequest(ctx); err != nil {
		return err
	}
	select {
	case err := <-ended:
		if e := (*pgconn.PgError)(nil); !errors.As(err, &e) || e.Code != "57014" {
			return fmt.Errorf("the long query was cancelled and says %w", err)
		}
	case <-time.After(patience):
		return errors.New("the long query can't be cancelled")
	}
	return nil
}

// awaitActive waits until a client of this application runs a statement.
func awaitActive(ctx context.Context, url, application string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for active := false; !active; {
		if err := conn.QueryRow(ctx, "select exists (select from pg_stat_activity where application_name = $1 and state = 'active')", application).Scan(&active); err != nil {
			return fmt.Errorf("wait for the long query to run: %w", err)
		}
	}
	return nil
}

// latencies are sorted.
type latencies []time.Duration

// at is a quantile in milliseconds.
func (l latencies) at(q float64) float64 {
	if len(l) == 0 {
		return 0
	}
	return l[int(q*float64(len(l)-1))].Seconds() * 1e3
}

// rate is that of aimClients clients which do nothing else.
func (l latencies) rate() float64 {
	var sum time.Duration
	for _, d := range l {
		sum += d
	}
	return aimClients * float64(len(l)) / sum.Seconds()
}

// pointReads runs pgbench with a log of each transaction (pgbench(1),
// "Per-Transaction Logging"): client, number, µs, and more. The first of each
// client is left out, since it also prepares the statement.
func pointReads(b *testing.B, s *server) (latencies, error) {
	file := filepath.Join(work, selectOnly.name)
	if err := os.WriteFile(file, []byte(selectOnly.text), 0o600); err != nil {
		return nil, err
	}
	logs := b.TempDir()
	args := append(runLength(0), "-n", "-f", file, "-M", "prepared", "-c", strconv.Itoa(aimClients), "-l", "--log-prefix="+filepath.Join(logs, "log"))
	if _, err := pgbench(b, s.url, args...); err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(logs, "log*"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("pgbench left %d logs", len(found))
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		return nil, err
	}
	var l latencies
	seen := map[string]bool{}
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) < 3 {
			return nil, fmt.Errorf("pgbench's log says %q", line)
		}
		us, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("pgbench's log: %w", err)
		}
		if !seen[fields[0]] {
			seen[fields[0]] = true
			continue
		}
		l = append(l, time.Duration(us)*time.Microsecond)
	}
	slices.Sort(l)
	return l, nil
}
