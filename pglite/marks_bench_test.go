package pglite

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// bulk are statements that leave so much data.
var bulk = []struct{ name, sql string }{
	{"empty", "select 1"},
	{"100MB", "create table public.t as select i as id, repeat('x', 1000) as v from generate_series(1, 90000) i"},
}

// BenchmarkMark takes a mark of a cluster that has not changed since the last.
func BenchmarkMark(b *testing.B) {
	for _, size := range bulk {
		b.Run(size.name, func(b *testing.B) {
			c := openFilled(b, size.sql)
			for n := 0; b.Loop(); n++ {
				name := fmt.Sprint("m", n)
				if err := c.Mark(b.Context(), name); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := c.Unmark(name); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkRewind goes back to a mark, from the call to the cluster's answer to a
// statement, after another session has changed as much as there is.
func BenchmarkRewind(b *testing.B) {
	for _, size := range bulk {
		b.Run(size.name, func(b *testing.B) {
			c := openFilled(b, size.sql)
			if err := c.Mark(b.Context(), "m"); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			var longest time.Duration
			for b.Loop() {
				b.StopTimer()
				if _, err := c.asHost(b.Context(), "create table if not exists public.t (id int, v text); update public.t set v = v || 'y'"); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				began := time.Now()
				if err := c.Rewind(b.Context(), "m"); err != nil {
					b.Fatal(err)
				}
				longest = max(longest, time.Since(began))
			}
			b.ReportMetric(longest.Seconds()*1e3, "max-ms")
		})
	}
}

func openFilled(b *testing.B, sql string) *Cluster {
	c, err := Open(b.Context(), Options{NoHousekeeping: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	if _, err := c.asHost(b.Context(), sql); err != nil {
		b.Fatal(err)
	}
	return c
}
