package pglite_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/howdahdb/howdah/pglite"
)

// TestCumulativeStatistics: what autovacuum goes by outlives a clean restart, and
// a crash makes it begin anew, as in Postgres.
func TestCumulativeStatistics(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	open := func() *pglite.Cluster {
		c, err := pglite.Open(t.Context(), pglite.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	insert := func(c *pglite.Cluster) (counted string) {
		conn := connect(t, c, nil)
		exec(t, conn, "insert into t select generate_series(1, 50)")
		exec(t, conn, "select pg_stat_force_next_flush()")
		return value(t, conn, "select pg_stat_get_tuples_inserted('t'::regclass)")
	}
	c := open()
	exec(t, connect(t, c, nil), "create table t (a int)")
	for _, want := range []string{"50", "100", "150"} {
		if got := insert(c); got != want {
			t.Errorf("%s tuples are counted, expected %s", got, want)
		}
		if err := c.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		c = open()
	}
	pglite.Kill(c)
	c = open()
	if got := insert(c); got != "50" {
		t.Errorf("after a crash %s tuples are counted, expected 50", got)
	}
	if err := c.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}
