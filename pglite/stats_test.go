package pglite_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
)

// TestStatsTransactions: what is counted at the boundary is what Postgres
// counts, however a transaction begins and ends.
func TestStatsTransactions(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 4 })
	exec(t, connect(t, c, nil), "create database counted")
	conn := connect(t, c, func(cfg *pgx.ConnConfig) { cfg.Database = "counted" })
	// counted tells what both have counted up to the same moment: the query's
	// own transaction is none of what it tells.
	counted := func() (s pglite.Stats, commits, rollbacks int) {
		exec(t, conn, "select pg_stat_force_next_flush()")
		s = c.Stats()
		commits, rollbacks = pair(t, value(t, conn, "select (xact_commit, xact_rollback) from pg_stat_database where datname = 'counted'"))
		return s, commits, rollbacks
	}
	exec(t, conn, "create table t (n int primary key); create procedure two() language plpgsql as $$ begin insert into t values (1); commit; insert into t values (2); rollback; end $$")
	before, commits, rollbacks := counted()
	for _, sql := range []string{
		"select 1", "begin", "insert into t values (10)", "commit",
		"begin; insert into t values (11); commit; begin; insert into t values (12); rollback; select 1",
		"call two()", "begin; savepoint a; insert into t values (20); rollback to a; commit",
		"insert into t values (10)", "begin", "select 1/0", "commit", "select 1; select 1/0", "", "savepoint no",
	} {
		_, _ = conn.Exec(t.Context(), sql) // some fail
		for range 2 {
			_, _ = conn.Exec(t.Context(), sql, pgx.QueryExecModeExec)
		}
	}
	_, _ = conn.Exec(t.Context(), "rollback")
	after, commits2, rollbacks2 := counted()
	if got, want := int(after.Commits-before.Commits), commits2-commits; got != want {
		t.Errorf("%d commits, Postgres has %d", got, want)
	}
	if got, want := int(after.Rollbacks-before.Rollbacks), rollbacks2-rollbacks; got != want || want == 0 {
		t.Errorf("%d rollbacks, Postgres has %d", got, want)
	}
}

// pair reads "(a,b)".
func pair(t *testing.T, s string) (a, b int) {
	t.Helper()
	for k := range s {
		if s[k] == ',' {
			x, errA := strconv.Atoi(s[1:k])
			y, errB := strconv.Atoi(s[k+1 : len(s)-1])
			if err := errors.Join(errA, errB); err != nil {
				t.Fatal(err)
			}
			return x, y
		}
	}
	t.Fatalf("%q is no pair", s)
	return 0, 0
}

// TestStatsDirectory: WAL, syncs and checkpoints are counted, and a start after
// a kill is a recovery.
func TestStatsDirectory(t *testing.T) {
	dir := t.TempDir() + "/data"
	c := openCluster(t, func(o *pglite.Options) { o.Dir, o.MaxBackends = dir, 2 })
	conn := connect(t, c, nil)
	exec(t, conn, "create table t (v text)")
	before := c.Stats()
	exec(t, conn, "insert into t select repeat('x', 1000) from generate_series(1, 1000)")
	after := c.Stats()
	if n := after.WALBytes - before.WALBytes; n < 1000*1000 {
		t.Errorf("%d bytes of WAL for a megabyte of rows", n)
	}
	if after.WALSinceCheckpoint <= before.WALSinceCheckpoint || after.WALSinceCheckpoint > after.WALBytes+1<<20 {
		t.Errorf("%d bytes since the checkpoint, %d before, %d written in all", after.WALSinceCheckpoint, before.WALSinceCheckpoint, after.WALBytes)
	}
	if after.Syncs.Count() <= before.Syncs.Count() || after.Syncs.Sum <= before.Syncs.Sum {
		t.Errorf("a commit, and syncs went from %v to %v", before.Syncs, after.Syncs)
	}
	exec(t, conn, "checkpoint")
	if n := c.Stats().Checkpoints - after.Checkpoints; n != 1 {
		t.Errorf("%d checkpoints, 1 was asked for", n)
	}
	if left := c.Stats().WALSinceCheckpoint; left >= after.WALSinceCheckpoint {
		t.Errorf("%d bytes of WAL since a checkpoint just made", left)
	}
	if n := after.Recoveries; n != 0 {
		t.Errorf("%d recoveries of a new cluster", n)
	}
	_ = conn.Close(context.Background())
	pglite.Kill(c)
	if n := openCluster(t, func(o *pglite.Options) { o.Dir = dir }).Stats().Recoveries; n != 1 {
		t.Errorf("%d recoveries after a kill", n)
	}
}

// TestStatsSessions: who is connected, served, waiting, refused, and what they
// take.
func TestStatsSessions(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 2; o.QueueTimeout = time.Hour })
	a, b, d := connect(t, c, nil), connect(t, c, nil), connect(t, c, nil)
	exec(t, a, "begin")
	exec(t, b, "begin")
	done := make(chan error, 1)
	go func() {
		_, err := d.Exec(context.Background(), "select 1")
		done <- err
	}()
	for c.Stats().SessionsWaiting != 1 {
		time.Sleep(time.Millisecond)
	}
	s := c.Stats()
	if s.Sessions != 3 || s.SessionsServed != 2 || s.SessionsOpened != 3 || s.PoolWaits != 1 {
		t.Errorf("%d sessions of %d, %d served, %d waits", s.Sessions, s.SessionsOpened, s.SessionsServed, s.PoolWaits)
	}
	if s.Backends < 2 || s.BackendsBooted < 2 || s.PrivateMemory == 0 || s.SharedMemory == 0 || s.FileMemory == 0 {
		t.Errorf("%d backends of %d with %d+%d bytes, %d of files", s.Backends, s.BackendsBooted, s.PrivateMemory, s.SharedMemory, s.FileMemory)
	}
	exec(t, a, "commit")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if c.Stats().PoolWaited == 0 {
		t.Error("a wait that took no time")
	}
	exec(t, b, "commit")
	if _, err := c.NewSession(t.Context(), pglite.SessionOptions{User: "nobody"}); err == nil {
		t.Fatal("a role that does not exist has got in")
	}
	if n := c.Stats().SessionsRefused; n != 1 {
		t.Errorf("%d refused", n)
	}
}

// TestStatsCrash: a crash is counted, and so is the recovery.
func TestStatsCrash(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 2 })
	conn := connect(t, c, nil)
	exec(t, conn, "begin")
	if err := pglite.TrapNext(c, conn.PgConn().PID()); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "select 1"); err == nil {
		t.Fatal("a guest that aborts has answered")
	}
	exec(t, connect(t, c, nil), "select 1")
	if s := c.Stats(); s.Crashes != 1 || s.Recoveries != 1 {
		t.Errorf("%d crashes, %d recoveries", s.Crashes, s.Recoveries)
	}
}

// TestStatsAlways: figures can be read while backends come and go.
func TestStatsAlways(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 2 })
	ctx, stop := context.WithCancel(t.Context())
	read := make(chan uint64)
	go func() {
		var last uint64
		for ctx.Err() == nil {
			last = c.Stats().BackendsBooted
		}
		read <- last
	}()
	exec(t, connect(t, c, nil), "create role a login; create role b login; create role c login")
	before := c.Stats().BackendsBooted
	for _, role := range []string{"a", "b", "c", "a", "b", "c"} {
		conn := connect(t, c, func(cfg *pgx.ConnConfig) { cfg.User = role })
		exec(t, conn, "select 1")
		_ = conn.Close(t.Context())
	}
	stop()
	if last := <-read; last < before {
		t.Errorf("%d backends booted, %d before", last, before)
	}
	if c.Stats().BackendsBooted < before+3 {
		t.Error("no backends came and went")
	}
}

// TestPing: a cluster that can't answer makes nobody wait beyond their time,
// and nobody after that.
func TestPing(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 2 })
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	release, err := pglite.Hold(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := c.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while nothing runs: %v", err)
		}
		cancel()
	}
	release()
	if err := c.Ping(t.Context()); err != nil {
		t.Error("after that:", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context()); !errors.Is(err, pglite.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
