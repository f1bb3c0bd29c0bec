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

// BenchmarkStart starts a server in memory with nothing but what its earlier
// starts have cached: the time from the start of its process to the answer of the
// first query, and what it keeps of memory when it has rested from that.
func BenchmarkStart(b *testing.B) {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\tmedian ms\tfastest\tslowest\tidle MB\t\n")
	for _, s := range chosen(howdah("howdah"), node(), bun()) {
		b.Run(s.name, func(sub *testing.B) {
			c, err := starts(b, s)
			if errors.As(err, new(errAbsent)) {
				sub.Skip(err)
			}
			if err != nil {
				fmt.Fprintf(w, "%s\tfails\t\t\t\t\n", s.name)
				sub.Fatal(err)
			}
			fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.0f\t%.0f\t\n", s.name, c.times.at(0.5), c.times.at(0), c.times.at(1), c.idle)
			sub.ReportMetric(0, "ns/op")
			sub.ReportMetric(c.times.at(0.5), "ms")
			sub.ReportMetric(c.idle, "MB")
		})
	}
	w.Flush()
	fmt.Printf("\nstart to the first answer, in memory\n%s\n", out.String())
}

type startCost struct {
	times latencies
	idle  float64 // in 10⁶ bytes
}

// rest is more than a server needs to notice that nobody asks it for anything.
const rest = 3 * time.Second

func starts(b *testing.B, s *server) (*startCost, error) {
	n := 7
	if testing.Short() {
		n = 1
	}
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	var err error
	if absent := attempt(b, func(t testing.TB) { err = s.start(t) }); absent != "" { // installs and compiles
		return nil, errAbsent(absent)
	}
	if err != nil {
		return nil, err
	}
	s.stop()
	var c startCost
	for k := range n {
		began := time.Now()
		if err := s.start(b); err != nil {
			return nil, err
		}
		conn, err := pgx.Connect(ctx, s.url)
		if err == nil {
			_, err = conn.PgConn().Exec(ctx, "select 1").ReadAll()
			c.times = append(c.times, time.Since(began))
			err = errors.Join(err, conn.Close(ctx))
		}
		if err != nil {
			return nil, err
		}
		if k == 0 {
			time.Sleep(rest)
			c.idle = treeMB(s.pid, "Pss")
		}
		s.stop()
	}
	slices.Sort(c.times)
	return &c, nil
}
