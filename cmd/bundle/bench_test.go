package bundle_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/bridge/capture"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/cmd/bundle"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// openBench opens a database until the benchmark ends.
func openBench(b *testing.B, o bundle.Options) *bundle.Database {
	b.Helper()
	d, err := bundle.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := d.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return d
}

func dial(b *testing.B, d *bundle.Database) *pgconn.PgConn {
	b.Helper()
	config, err := driver.ConnConfig(d.Cluster)
	if err != nil {
		b.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close(context.Background()) })
	return conn.PgConn()
}

func run(b *testing.B, conn *pgconn.PgConn, sql string) {
	b.Helper()
	if _, err := conn.Exec(b.Context(), sql).ReadAll(); err != nil {
		b.Fatal(err)
	}
}

// drink takes all that comes, until the benchmark ends.
func drink(b *testing.B, d *bundle.Database) {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := d.Subscribe(ctx, feed.SubscribeOptions{Database: "postgres"})
	if err != nil {
		b.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			set, err := s.Next(ctx)
			if err != nil {
				return
			}
			s.Ack(set.LSN)
		}
	})
	b.Cleanup(func() {
		cancel()
		done.Wait()
		s.Close()
	})
}

// pairs is how often both are measured, one after the other.
func pairs() int {
	if testing.Short() {
		return 1
	}
	return 11
}

// BenchmarkOverhead compares writing with capture and a live subscriber to writing
// without, in pairs: "kept" is the median of the ratios, 1 if capture costs nothing.
func BenchmarkOverhead(b *testing.B) {
	for _, place := range []string{"memory", "directory"} {
		for _, load := range []struct {
			name     string
			sessions int
			do       func(*testing.B, *pgconn.PgConn, int)
		}{
			{"insert/1", 1, insertRows}, {"insert/16", 16, insertRows}, {"copy", 1, copyRows},
		} {
			b.Run(place+"/"+load.name, func(b *testing.B) {
				var with, without []*pgconn.PgConn
				for i := range 2 {
					o := bundle.Options{NoFeed: i == 0}
					if place == "directory" {
						o.Cluster.Dir = filepath.Join(b.TempDir(), "data")
					}
					d := openBench(b, o)
					if i == 1 {
						drink(b, d)
					}
					var conns []*pgconn.PgConn
					for range load.sessions {
						conns = append(conns, dial(b, d))
					}
					run(b, conns[0], "create table t (id bigint generated always as identity primary key, v text)")
					if i == 0 {
						without = conns
					} else {
						with = conns
					}
				}
				n := 4000 / load.sessions
				if testing.Short() {
					n /= 20
				}
				round := func(conns []*pgconn.PgConn) time.Duration {
					began := time.Now()
					var all sync.WaitGroup
					for _, c := range conns {
						all.Go(func() { load.do(b, c, n) })
					}
					all.Wait()
					return time.Since(began)
				}
				round(with)
				round(without)
				for b.Loop() {
					var ratios []float64
					for range pairs() {
						off := round(without)
						ratios = append(ratios, off.Seconds()/round(with).Seconds())
					}
					slices.Sort(ratios)
					b.ReportMetric(ratios[len(ratios)/2], "kept")
					b.ReportMetric(ratios[0], "kept-min")
				}
			})
		}
	}
}

func insertRows(b *testing.B, c *pgconn.PgConn, n int) {
	for range n {
		if _, err := c.Exec(b.Context(), "insert into t (v) values ('a row of a usual length, more or less')").ReadAll(); err != nil {
			b.Error(err)
			return
		}
	}
}

func copyRows(b *testing.B, c *pgconn.PgConn, n int) {
	if _, err := c.Exec(b.Context(), fmt.Sprintf("insert into t (v) select 'a row of a usual length, number ' || i from generate_series(1, %d) i", 10*n)).ReadAll(); err != nil {
		b.Error(err)
	}
}

// BenchmarkDelivery measures from before a client sends an INSERT until a subscriber
// has it: the statement, its commit and the way through the feed.
func BenchmarkDelivery(b *testing.B) {
	for _, place := range []string{"memory", "directory"} {
		b.Run(place, func(b *testing.B) {
			o := bundle.Options{}
			if place == "directory" {
				o.Cluster.Dir = filepath.Join(b.TempDir(), "data")
			}
			d := openBench(b, o)
			conn := dial(b, d)
			run(b, conn, "create table t (id int primary key)")
			if err := d.Capture().Drain(b.Context()); err != nil {
				b.Fatal(err)
			}
			s, err := d.Subscribe(b.Context(), feed.SubscribeOptions{Database: "postgres"})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			got := make(chan time.Time, 1)
			var done sync.WaitGroup
			defer done.Wait()
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			done.Go(func() {
				for {
					if _, err := s.Next(ctx); err != nil {
						return
					}
					got <- time.Now()
				}
			})
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				began := time.Now()
				run(b, conn, fmt.Sprintf("insert into t values (%d)", i))
				took = append(took, (<-got).Sub(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// BenchmarkCapture reads a log that was written before, until its sets are in a feed
// in memory.
func BenchmarkCapture(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "data")
	state := filepath.Join(b.TempDir(), "state")
	watch := func(c *capture.Capture) {
		cluster, err := pglite.Open(b.Context(), pglite.Options{Dir: dir, Watcher: c})
		if err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(cluster.Close(b.Context()), c.Close()); err != nil {
			b.Fatal(err)
		}
	}
	// The state is of before the rows are written, and the log is kept from there.
	watch(newCapture(state))
	rows := write(b, dir)
	files, err := vfs.OpenDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer files.Close()
	var bytes int64
	for b.Loop() {
		again := filepath.Join(b.TempDir(), "state")
		if err := os.CopyFS(again, os.DirFS(state)); err != nil {
			b.Fatal(err)
		}
		c := newCapture(again)
		began := time.Now()
		if err := c.Files(files, "/", false); err != nil {
			b.Fatal(err)
		}
		from := c.Position()
		if err := c.Drain(b.Context()); err != nil {
			b.Fatal(err)
		}
		took := time.Since(began).Seconds()
		bytes = int64(c.Position() - from)
		b.ReportMetric(float64(bytes)/1e6/took, "MB/s")
		b.ReportMetric(float64(rows)/took, "rows/s")
		if err := errors.Join(c.Close(), c.Feed().Close()); err != nil {
			b.Fatal(err)
		}
	}
}

func newCapture(state string) *capture.Capture {
	return capture.New(capture.Options{Dir: state, Feed: func(id feed.ID, start wal.LSN) (*feed.Log, error) {
		return feed.Open(feed.Options{ID: id, Start: start})
	}})
}

// write writes rows by transactions of one and of many, on a cluster without a feed
// that keeps its log, and tells how many.
func write(b *testing.B, dir string) (rows int) {
	d, err := bundle.Open(b.Context(), bundle.Options{NoFeed: true, Cluster: pglite.Options{
		Dir: dir, NoHousekeeping: true, Settings: []pglite.Setting{{Name: "wal_keep_size", Value: "4GB"}, {Name: "synchronous_commit", Value: "off"}},
	}})
	if err != nil {
		b.Fatal(err)
	}
	conn := dial(b, d)
	run(b, conn, "create table t (id bigint generated always as identity primary key, v text, n numeric, at timestamptz default now())")
	many, single := 400_000, 20_000
	if testing.Short() {
		many, single = many/20, single/20
	}
	run(b, conn, fmt.Sprintf("insert into t (v, n) select 'a row of a usual length, number ' || i, i / 7.0 from generate_series(1, %d) i", many))
	insertRows(b, conn, single)
	run(b, conn, "update t set v = v || '!' where id % 4 = 0")
	if err := errors.Join(conn.Close(b.Context()), d.Close(b.Context())); err != nil {
		b.Fatal(err)
	}
	return many + single + (many+single)/4
}
