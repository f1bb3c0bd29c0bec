package pglite_test

import (
	"context"
	"fmt"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// faulty is a cluster on files that can fail, with a table t of one row.
type faulty struct {
	c     *pglite.Cluster
	conn  *pgx.Conn
	calls *vfs.Fault
}

func openFaulty(t *testing.T) *faulty {
	t.Helper()
	tree, err := pglite.Fresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := &faulty{calls: vfs.NewFault(tree)}
	f.open(t)
	exec(t, f.conn, "create table t (id int primary key, v text)")
	exec(t, f.conn, "insert into t values (1, 'kept')")
	t.Cleanup(func() {
		pglite.Kill(f.c)
		_ = tree.Close()
	})
	return f
}

func (f *faulty) open(t *testing.T) {
	t.Helper()
	c, err := pglite.OpenOn(t.Context(), pglite.Options{Settings: crashSettings}, f.calls)
	if err != nil {
		t.Fatal(err)
	}
	f.c, f.conn = c, connect(t, c, nil)
}

// on breaks every call of op on names that match.
func on(op vfs.Op, pattern string, errno syscall.Errno) vfs.Rule {
	return vfs.FailPath(op, regexp.MustCompile(pattern).MatchString, errno)
}

// tryConnect is connect where it may fail.
func tryConnect(ctx context.Context, c *pglite.Cluster) (*pgx.Conn, error) {
	cfg, err := driver.ConnConfig(c)
	if err != nil {
		return nil, err
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	return pgx.ConnectConfig(ctx, cfg)
}

func running(c *pglite.Cluster) bool {
	select {
	case <-c.Done():
		return false
	default:
		return true
	}
}

// TestNoSpaceForData: the statement gets 53100 and the server goes on.
func TestNoSpaceForData(t *testing.T) {
	f := openFaulty(t)
	full := map[string]vfs.Rule{
		"write":    on(vfs.OpWrite, `^/base/`, syscall.ENOSPC),
		"allocate": on(vfs.OpAllocate, `^/base/`, syscall.ENOSPC),
		"create":   on(vfs.OpCreate, `^/base/`, syscall.ENOSPC),
	}
	f.calls.SetRule(func(c vfs.Call) vfs.Break {
		for _, r := range full {
			if b := r(c); b.Err != nil {
				return b
			}
		}
		return vfs.Break{}
	})
	for _, sql := range []string{
		"insert into t select g, repeat('x', 500) from generate_series(2, 20000) g",
		"create table u (a int)",
		"select count(*) from (select g from generate_series(1, 2000000) g order by g desc) s",
	} {
		if _, err := f.conn.Exec(t.Context(), sql); code(err) != "53100" {
			t.Errorf("%s: %v, want 53100", sql, err)
		}
	}
	if !running(f.c) {
		t.Fatal("the cluster has stopped:", f.c.Err())
	}
	f.calls.SetRule(nil)
	exec(t, f.conn, "insert into t select g, repeat('x', 500) from generate_series(2, 20000) g; create table u (a int); checkpoint")
	if got := value(t, f.conn, "select count(*) from t"); got != "20000" {
		t.Errorf("%s rows", got)
	}
}

// TestNoSpaceForLog: Postgres panics where it can't write WAL. As soon as
// there is space again the next backend recovers.
func TestNoSpaceForLog(t *testing.T) {
	for name, rule := range map[string]vfs.Rule{
		"new-segment": on(vfs.OpWrite, `^/pg_wal/xlogtemp`, syscall.ENOSPC),
		"new-name":    on(vfs.OpCreate, `^/pg_wal/`, syscall.ENOSPC),
		"any-write":   on(vfs.OpWrite, ``, syscall.ENOSPC),
	} {
		t.Run(name, func(t *testing.T) {
			f := openFaulty(t)
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			f.calls.SetRule(rule)
			acked, refused := 1, error(nil)
			for refused == nil && acked < 20 {
				if _, refused = f.conn.Exec(ctx, "select pg_switch_wal()"); refused != nil {
					break
				}
				if _, refused = f.conn.Exec(ctx, "insert into t values ($1, 'more')", acked+1); refused == nil {
					acked++
				}
			}
			t.Logf("after %d rows: %v", acked, refused)
			if refused == nil {
				t.Fatal("nothing was refused")
			}
			if conn, err := tryConnect(ctx, f.c); err != nil {
				t.Logf("connect: %v", err)
			} else {
				_, err := conn.Exec(ctx, "insert into t values (-1, 'lost')")
				t.Logf("insert: %v", err)
				if err == nil {
					t.Error("a commit is acknowledged without space for its WAL")
				}
				_ = conn.Close(ctx)
			}
			if !running(f.c) {
				t.Fatal("the cluster has stopped:", f.c.Err())
			}
			f.calls.SetRule(nil)
			conn := connect(t, f.c, nil)
			exec(t, conn, "insert into t values (0, 'new')")
			if got := value(t, conn, "select count(*) filter (where id > 0) from t"); got != fmt.Sprint(acked) && got != fmt.Sprint(acked+1) {
				t.Errorf("%s rows, %d were acknowledged", got, acked)
			}
		})
	}
}

// TestBrokenDisk: after EIO or a failed sync nothing is acknowledged any more.
func TestBrokenDisk(t *testing.T) {
	for _, f := range []struct {
		name string
		rule vfs.Rule
		sql  string
	}{
		{"log-sync", on(vfs.OpSync, `^/pg_wal/`, syscall.EIO), "insert into t values (2, 'lost')"},
		{"log-sync-without-space", on(vfs.OpSync, `^/pg_wal/`, syscall.ENOSPC), "insert into t values (2, 'lost')"},
		{"log-write", on(vfs.OpWrite, `^/pg_wal/`, syscall.EIO), "insert into t values (2, 'lost')"},
		{"data-write-at-eviction", on(vfs.OpWrite, `^/base/`, syscall.EIO), "insert into t select g, repeat('x', 1000) from generate_series(2, 2000) g"},
		{"data-write-at-checkpoint", on(vfs.OpWrite, `^/base/`, syscall.EIO), "insert into t values (2, 'may be kept'); checkpoint"},
		{"data-sync-at-checkpoint", on(vfs.OpSync, `^/base/`, syscall.EIO), "insert into t values (2, 'may be kept'); checkpoint"},
		{"directory-sync-at-checkpoint", on(vfs.OpSyncDir, `^/base/`, syscall.EIO), "create table u (a int); checkpoint"},
		{"fates-sync-at-checkpoint", on(vfs.OpSync, `^/pg_xact/`, syscall.EIO), "insert into t values (2, 'may be kept'); checkpoint"},
		{"control-write", on(vfs.OpWrite, `^/global/pg_control`, syscall.EIO), "checkpoint"},
		{"control-sync", on(vfs.OpSync, `^/global/pg_control`, syscall.EIO), "checkpoint"},
		{"new-table", on(vfs.OpCreate, `^/base/`, syscall.EIO), "create table u (a int)"},
		{"error-is-caught", on(vfs.OpWrite, `^/base/`, syscall.EIO), `do $$ begin
			begin insert into t select g, repeat('x', 1000) from generate_series(3, 2000) g; exception when others then null; end;
			insert into t values (2, 'lost'); end $$`},
	} {
		t.Run(f.name, func(t *testing.T) {
			y := openFaulty(t)
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			other := connect(t, y.c, nil)
			y.calls.SetRule(f.rule)
			_, err := y.conn.Exec(ctx, f.sql)
			t.Logf("statement: %v", err)
			if err == nil {
				t.Error("the statement is acknowledged")
			}
			select {
			case <-y.c.Done():
				t.Log("cluster:", y.c.Err())
			case <-ctx.Done():
				t.Fatal("the cluster goes on")
			}
			if y.c.Err() == nil {
				t.Error("the cluster does not say why it has stopped")
			}
			y.calls.SetRule(nil) // once in doubt, always in doubt
			for who, conn := range map[string]*pgx.Conn{"the same": y.conn, "another": other} {
				for _, sql := range []string{"select 1", "insert into t values (-1, 'lost')"} {
					if _, err := conn.Exec(ctx, sql); err == nil {
						t.Errorf("%s is answered to %s client", sql, who)
					} else {
						t.Logf("%s client: %v", who, err)
					}
				}
			}
			if conn, err := tryConnect(ctx, y.c); err == nil {
				t.Error("a new client is let in")
				_ = conn.Close(ctx)
			}
			if err := y.c.Close(ctx); err != nil {
				t.Error(err)
			}
			y.open(t)
			if got := value(t, y.conn, "select string_agg(v, ',') from t where id <= 2 and v <> 'may be kept'"); got != "kept" && f.name != "log-sync" && f.name != "log-sync-without-space" {
				t.Errorf("found %q", got)
			}
			exec(t, y.conn, "insert into t values (-2, 'works'); checkpoint")
		})
	}
}
