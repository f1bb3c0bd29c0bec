package pglite_test

import (
	"context"
	"regexp"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// afterTrap looks whether a cluster has got over the loss of a backend: all
// sessions have ended, the client whose statement it was is told why, and what
// was acknowledged is there for new ones.
func afterTrap(t *testing.T, c *pglite.Cluster, trapped, other *pgx.Conn, err error) {
	t.Helper()
	if code(err) != "57P02" {
		t.Errorf("the statement gets %v, want 57P02", err)
	}
	if !trapped.IsClosed() {
		t.Error("the session goes on")
	}
	if _, err := other.Exec(t.Context(), "select 1"); err == nil {
		t.Error("another session goes on")
	}
	fresh := connect(t, c, nil)
	if got := value(t, fresh, "select string_agg(v, ',' order by id) from t"); got != "one,two" {
		t.Errorf("a new session finds %q", got)
	}
	exec(t, fresh, "insert into t values (3, 'three')")
	if got := value(t, fresh, "select count(*) from t"); got != "3" {
		t.Errorf("a new session finds %s rows", got)
	}
	if !running(c) {
		t.Error("the cluster has stopped:", c.Err())
	}
}

func TestTrapInMemory(t *testing.T) {
	c := openCluster(t, nil)
	a := connect(t, c, nil)
	exec(t, a, "create table t (id int primary key, v text); insert into t values (1, 'one')")
	exec(t, a, "insert into t values (2, 'two')")
	for range 3 {
		other, victim := connect(t, c, nil), connect(t, c, nil)
		exec(t, victim, "begin")
		if err := pglite.TrapNext(c, victim.PgConn().PID()); err != nil {
			t.Fatal(err)
		}
		_, err := victim.Exec(t.Context(), "insert into t values (0, 'lost')")
		afterTrap(t, c, victim, other, err)
		exec(t, connect(t, c, nil), "delete from t where id = 3")
	}
}

// TestTrapInTransaction: the host fails in the middle of a statement, after
// others of the same transaction.
func TestTrapInTransaction(t *testing.T) {
	for name, at := range map[string]struct {
		op   vfs.Op
		path string
	}{
		"before-the-commit-is-written": {vfs.OpWrite, `^/pg_wal/`},
		"new-file":                     {vfs.OpCreate, `^/base/`},
	} {
		t.Run(name, func(t *testing.T) {
			f := openFaulty(t)
			exec(t, f.conn, "update t set v = 'one'; insert into t values (2, 'two')")
			other := connect(t, f.c, nil)
			exec(t, f.conn, "begin; insert into t values (0, 'lost')")
			match := regexp.MustCompile(at.path)
			f.calls.SetRule(func(c vfs.Call) vfs.Break {
				if c.Op == at.op && match.MatchString(c.Path) {
					panic("the host has a bug")
				}
				return vfs.Break{}
			})
			_, err := f.conn.Exec(context.WithoutCancel(t.Context()), "create table u (a int); commit")
			f.calls.SetRule(nil)
			afterTrap(t, f.c, f.conn, other, err)
		})
	}
}

// TestPanic: Postgres gives up by itself.
func TestPanic(t *testing.T) {
	f := openFaulty(t)
	exec(t, f.conn, "update t set v = 'one'; insert into t values (2, 'two')")
	other := connect(t, f.c, nil)
	f.calls.SetRule(on(vfs.OpCreate, `^/pg_wal/`, syscall.ENOSPC))
	_, err := f.conn.Exec(t.Context(), "select pg_switch_wal(); insert into t values (0, 'lost')")
	f.calls.SetRule(nil)
	afterTrap(t, f.c, f.conn, other, err)
}
