package feed_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
)

// orders is a table of ten columns, and order a row of it.
var orders = func() *change.Table {
	t := &change.Table{OID: 16400, Schema: "public", Name: "orders", Identity: change.IdentityDefault}
	for k := range 10 {
		t.Columns = append(t.Columns, change.Column{Name: fmt.Sprintf("column_%d", k), Number: int16(k + 1), Type: text, Typmod: -1, Key: k == 0})
	}
	return t
}()

func order(n int) change.Change {
	row := []any{fmt.Sprint(n)}
	for k := range 9 {
		row = append(row, fmt.Sprintf("value %d of %d", k, n*7919))
	}
	return change.Change{Kind: change.Insert, Table: orders, New: row}
}

// commits are sets of one row each.
func commits(n int) []*change.Set {
	sets := make([]*change.Set, n)
	for k := range sets {
		sets[k] = set(wal.LSN(8*k+8), order(k))
		sets[k].Time = time.Unix(1_700_000_000, int64(k)*1000)
	}
	return sets
}

func benchOpen(b *testing.B, o feed.Options) *feed.Log {
	l, err := feed.Open(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

// BenchmarkAppend appends commits of one row, without a sync.
func BenchmarkAppend(b *testing.B) {
	for _, where := range []string{"memory", "disk"} {
		b.Run(where, func(b *testing.B) {
			o := feed.Options{}
			if where == "disk" {
				o.Dir = b.TempDir()
			}
			l := benchOpen(b, o)
			sets := commits(10_000)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				s := *sets[n%len(sets)]
				n++
				s.LSN = wal.LSN(8 * n)
				if err := l.Append(&s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDrain reads commits of one row from a log that was written before.
func BenchmarkDrain(b *testing.B) {
	o := feed.Options{Dir: b.TempDir()}
	l := benchOpen(b, o)
	const sets = 100_000
	for _, s := range commits(sets) {
		if err := l.Append(s); err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(l.Sync(), l.Close()); err != nil {
		b.Fatal(err)
	}
	l = benchOpen(b, o)
	b.ReportAllocs()
	for b.Loop() {
		s, err := l.Subscribe(b.Context(), feed.SubscribeOptions{Database: "app", From: feed.Start})
		if err != nil {
			b.Fatal(err)
		}
		for range sets {
			if _, err := s.Next(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		s.Close()
	}
	b.ReportMetric(float64(b.N)*sets/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkLatency measures from before Append to after Next on another goroutine,
// with other subscribers beside it.
func BenchmarkLatency(b *testing.B) {
	for _, others := range []int{0, 15} {
		b.Run(fmt.Sprintf("%d-others", others), func(b *testing.B) {
			l := benchOpen(b, feed.Options{})
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			begun := make(chan time.Time, 1)
			took := make(chan time.Duration)
			for k := range 1 + others {
				s, err := l.Subscribe(ctx, feed.SubscribeOptions{Database: "app"})
				if err != nil {
					b.Fatal(err)
				}
				go func() {
					for {
						if _, err := s.Next(ctx); err != nil {
							return
						}
						if k == 0 {
							took <- time.Since(<-begun)
						}
					}
				}()
			}
			sets := commits(1000)
			var all []time.Duration
			n := 0
			for b.Loop() {
				s := *sets[n%len(sets)]
				n++
				s.LSN = wal.LSN(8 * n)
				begun <- time.Now()
				if err := l.Append(&s); err != nil {
					b.Fatal(err)
				}
				all = append(all, <-took)
			}
			slices.Sort(all)
			for _, p := range []int{50, 99} {
				b.ReportMetric(float64(all[len(all)*p/100].Nanoseconds())/1e3, fmt.Sprintf("p%d-µs", p))
			}
		})
	}
}
