package pglite_test

import (
	"testing"
	"time"

	"github.com/howdahdb/howdah/pglite"
)

// TestAsynchronousCommits: what is committed without waiting for the disk is written
// soon, though nobody commits another way.
func TestAsynchronousCommits(t *testing.T) {
	for name, dir := range map[string]string{"memory": "", "directory": t.TempDir() + "/data"} {
		t.Run(name, func(t *testing.T) {
			c := openCluster(t, func(o *pglite.Options) { o.Dir = dir })
			conn := connect(t, c, nil)
			exec(t, conn, "create table t (n int); set synchronous_commit = off; insert into t values (1)")
			at := value(t, conn, "select pg_current_wal_insert_lsn()")
			flushed := "select pg_current_wal_flush_lsn() >= '" + at + "'"
			for deadline := time.Now().Add(60 * time.Second); value(t, conn, flushed) != "t"; {
				if time.Now().After(deadline) {
					t.Fatalf("the WAL up to %s is not flushed", at)
				}
				exec(t, conn, "select pg_sleep(0.02)")
			}
		})
	}
}
