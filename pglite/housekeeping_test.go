package pglite_test

import (
	"testing"
	"time"

	"github.com/howdahdb/howdah/pglite"
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
