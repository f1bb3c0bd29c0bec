package pglite_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/pglite"
)

// TestLogicalSlots: slots of both plugins can be made, are advanced and outlive a
// restart; SQL is refused their changes, and the server goes on.
func TestLogicalSlots(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	open := func() *pglite.Cluster {
		c, err := pglite.Open(t.Context(), pglite.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open()
	conn := connect(t, c, nil)
	exec(t, conn, "create table t (a int)")
	for _, plugin := range []string{"pgoutput", "howdah"} {
		exec(t, conn, "select pg_create_logical_replication_slot('s_"+plugin+"', '"+plugin+"')")
	}
	exec(t, conn, "insert into t select generate_series(1, 100)")
	_, err := conn.Exec(t.Context(), "select * from pg_logical_slot_get_binary_changes('s_pgoutput', null, null)")
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) || refusal.Code != "0A000" {
		t.Errorf("SQL that asks for changes: %v, expected 0A000", err)
	}
	exec(t, conn, "select pg_replication_slot_advance('s_pgoutput', pg_current_wal_lsn())")
	if err := c.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}

	c = open()
	conn = connect(t, c, nil)
	const slots = `select string_agg(format('%s %s %s', slot_name, plugin, confirmed_flush_lsn > restart_lsn), ', ' order by slot_name) from pg_replication_slots`
	if got, want := value(t, conn, slots), "s_howdah howdah t, s_pgoutput pgoutput t"; got != want {
		t.Errorf("slots after a restart: %s, expected %s", got, want)
	}
	if got := value(t, conn, `select pg_wal_lsn_diff(max(confirmed_flush_lsn), min(confirmed_flush_lsn)) > 1000 from pg_replication_slots`); got != "t" {
		t.Error("the slot that was advanced is where it was")
	}
	if err := c.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

// TestTemporarySlots: a temporary slot ends with its session.
func TestTemporarySlots(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 2 })
	conn := connect(t, c, nil)
	exec(t, conn, "listen pinned")
	exec(t, conn, "select pg_create_logical_replication_slot('s', 'howdah', true)")
	other := connect(t, c, nil)
	const slots = "select count(*) from pg_replication_slots"
	if got := value(t, other, slots); got != "1" {
		t.Fatalf("%s slots while the session is there, expected 1", got)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := value(t, other, slots); got != "0" {
		t.Errorf("%s slots after its end, expected none", got)
	}
}
