package pglite_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// TestCheckpointsByVolume: much WAL brings a checkpoint about, which nobody has
// asked for, in memory and on a directory, and old WAL is used again.
func TestCheckpointsByVolume(t *testing.T) {
	for name, dir := range map[string]string{"memory": "", "directory": t.TempDir() + "/data"} {
		t.Run(name, func(t *testing.T) {
			c := openCluster(t, func(o *pglite.Options) {
				o.Dir = dir
				o.MaxBackends = 4
				o.Settings = []pglite.Setting{{Name: "max_wal_size", Value: "48MB"}, {Name: "min_wal_size", Value: "32MB"}}
			})
			conn := connect(t, c, nil)
			const redo = "select redo_lsn from pg_control_checkpoint()"
			before := value(t, conn, redo)
			exec(t, conn, "create table t (v text)")
			for deadline := time.Now().Add(60 * time.Second); value(t, conn, redo) == before; {
				if time.Now().After(deadline) {
					t.Fatal("no checkpoint")
				}
				exec(t, conn, "insert into t select repeat('x', 1000) from generate_series(1, 2000); truncate t")
			}
			if s := c.Stats(); s.Checkpoints == 0 || s.CheckpointsByVolume == 0 || s.CheckpointsByTime != 0 || s.CheckpointsFailed != 0 {
				t.Errorf("%d checkpoints, %d by volume, %d by time, %d failed", s.Checkpoints, s.CheckpointsByVolume, s.CheckpointsByTime, s.CheckpointsFailed)
			}
		})
	}
}

// TestWALIsRecycled: under load the log takes up little more than it may, in the
// same files again and again.
func TestWALIsRecycled(t *testing.T) {
	const segment, clients = 16 << 20, 3
	for name, dir := range map[string]string{"memory": "", "directory": t.TempDir() + "/data"} {
		t.Run(name, func(t *testing.T) {
			if dir != "" {
				need.Soak(t)
			}
			c := openCluster(t, func(o *pglite.Options) {
				o.Dir = dir
				o.MaxBackends = clients + 1
				o.Settings = []pglite.Setting{{Name: "max_wal_size", Value: "48MB"}, {Name: "min_wal_size", Value: "32MB"}}
			})
			control := connect(t, c, nil)
			ctx, stop := context.WithCancel(t.Context())
			var load sync.WaitGroup
			defer load.Wait()
			defer stop()
			for k := range clients {
				conn := connect(t, c, nil)
				exec(t, conn, fmt.Sprintf("create table t%d (v text)", k))
				load.Go(func() {
					for ctx.Err() == nil {
						if _, err := conn.Exec(context.Background(), fmt.Sprintf("insert into t%d select repeat('x', 1000) from generate_series(1, 1000); truncate t%[1]d", k)); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			most, size := 0, need.Choose(20, 300)
			begun := c.Stats().WALBytes
			for written := uint64(0); written < uint64(size)*segment && !t.Failed(); written = c.Stats().WALBytes - begun {
				n, err := strconv.Atoi(value(t, control, "select count(*) from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$'"))
				if err != nil {
					t.Fatal(err)
				}
				most = max(most, n)
				time.Sleep(10 * time.Millisecond)
			}
			stop()
			load.Wait()
			exec(t, control, "checkpoint")
			left := value(t, control, "select count(*) from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$'")
			s := c.Stats()
			t.Logf("%d MB of WAL, %d checkpoints, at most %d segments, %s at the end", (s.WALBytes-begun)>>20, s.Checkpoints, most, left)
			// max_wal_size is three; the rest comes while a checkpoint is awaited and made.
			if most > 17 {
				t.Errorf("there were %d segments", most)
			}
			if n, err := strconv.Atoi(left); err != nil || n > 4 {
				t.Errorf("%s segments are left after a checkpoint", left)
			}
		})
	}
}

// TestNoHousekeeping: it can be left to others.
func TestNoHousekeeping(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) {
		o.NoHousekeeping = true
		o.Settings = []pglite.Setting{{Name: "max_wal_size", Value: "32MB"}, {Name: "min_wal_size", Value: "32MB"}}
	})
	conn := connect(t, c, nil)
	const redo = "select redo_lsn from pg_control_checkpoint()"
	before := value(t, conn, redo)
	exec(t, conn, "create table t as select repeat('x', 1000) v from generate_series(1, 60000)")
	exec(t, conn, "select pg_sleep(2.5)") // twice the time after which it looks
	if got := value(t, conn, redo); got != before {
		t.Errorf("a checkpoint at %s, the last one was %s", got, before)
	}
}
