package peers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
)

// BenchmarkFurtherBackend is what one more session costs while the others hold
// their backends in transactions: time from dialling to its first answer, and
// private memory, right after that and when it has worked. connection is the
// same time for a session that finds an idle backend (natively there is none).
func BenchmarkFurtherBackend(b *testing.B) {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\tconnection ms\tfurther backend, median\tmaximum ms\tprivate MB\twhen it has worked\t\n")
	for _, s := range chosen(howdah("howdah"), native18("native18", "fsync=off")) {
		b.Run(s.name, func(sub *testing.B) {
			if err := s.ready(b); errors.As(err, new(errAbsent)) {
				sub.Skip(err)
			} else if err != nil {
				sub.Fatal(err)
			}
			c, err := furtherBackends(sub, s)
			if err != nil {
				fmt.Fprintf(w, "%s\tfails\t\t\t\t\t\n", s.name)
				sub.Error(err)
				return
			}
			fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", s.name, c.connection.at(0.5), c.further.at(0.5), c.further.at(1), c.fresh, c.worked)
			sub.ReportMetric(0, "ns/op")
			sub.ReportMetric(c.further.at(0.5), "ms")
			sub.ReportMetric(c.worked, "MB")
		})
	}
	w.Flush()
	fmt.Printf("\none more session while others are in transactions\n%s\n", out.String())
}

type backendCost struct {
	connection, further latencies
	fresh, worked       float64 // private memory of one, in 10⁶ bytes
}

// work20 is 20 rounds of what TPC-B does.
var work20 = strings.Repeat(`update pgbench_accounts set abalance = abalance + 1 where aid = %[1]d;
select abalance from pgbench_accounts where aid = %[1]d;
insert into pgbench_history (tid, bid, aid, delta, mtime) values (1, 1, %[1]d, 1, current_timestamp);
`, 20)

func furtherBackends(b *testing.B, s *server) (*backendCost, error) {
	n := 16
	if testing.Short() {
		n = 4
	}
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	open := func(first string) (*pgx.Conn, time.Duration, error) {
		start := time.Now()
		conn, err := pgx.Connect(ctx, s.url)
		if err != nil {
			return nil, 0, err
		}
		b.Cleanup(func() { conn.Close(context.Background()) })
		_, err = conn.PgConn().Exec(ctx, first).ReadAll()
		return conn, time.Since(start), err
	}
	var c backendCost
	for range n {
		conn, took, err := open("select 1")
		if err != nil {
			return nil, err
		}
		conn.Close(ctx)
		c.connection = append(c.connection, took)
	}
	// Takes the backend that is there.
	if _, _, err := open("begin; select 1"); err != nil {
		return nil, err
	}
	before := privateMB(s.pid)
	each := func() float64 { return (privateMB(s.pid) - before) / float64(n) }
	var conns []*pgx.Conn
	for range n {
		conn, took, err := open("begin; select 1")
		if err != nil {
			return nil, fmt.Errorf("session %d in a transaction: %w", len(conns)+2, err)
		}
		conns = append(conns, conn)
		c.further = append(c.further, took)
	}
	c.fresh = each()
	for k, conn := range conns {
		if _, err := conn.PgConn().Exec(ctx, fmt.Sprintf(work20, k+1)).ReadAll(); err != nil {
			return nil, err
		}
	}
	c.worked = each()
	slices.Sort(c.connection)
	slices.Sort(c.further)
	return &c, nil
}
