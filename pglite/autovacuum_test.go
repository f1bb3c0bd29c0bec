package pglite_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/pglite"
)

// byHand opens a cluster that does not vacuum by itself.
func byHand(t *testing.T, settings ...pglite.Setting) *pglite.Cluster {
	return openCluster(t, func(o *pglite.Options) {
		o.MaxBackends, o.NoHousekeeping, o.Settings = 4, true, settings
	})
}

func round(t *testing.T, c *pglite.Cluster) {
	t.Helper()
	if err := pglite.VacuumRound(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// flushStats makes what a connection has counted known to others.
func flushStats(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	exec(t, conn, "select pg_stat_force_next_flush()")
}

// reach waits until a query's one value is want.
func reach(t *testing.T, conn *pgx.Conn, sql, want string) {
	t.Helper()
	got := ""
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got = value(t, conn, sql); got == want {
			return
		}
	}
	t.Fatalf("%s: %q, want %q", sql, got, want)
}

// TestAutovacuum: tables that have changed beyond their thresholds are vacuumed
// and analyzed by themselves, in whatever database, and Postgres counts that as
// autovacuum's.
func TestAutovacuum(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) {
		o.MaxBackends, o.Settings = 4, []pglite.Setting{{Name: "autovacuum_naptime", Value: "1s"}}
	})
	exec(t, connect(t, c, nil), "create database other")
	for _, db := range []string{"postgres", "other"} {
		conn := connect(t, c, func(cfg *pgx.ConnConfig) { cfg.Database = db })
		exec(t, conn, "create table many (n int primary key, v text); create table few (n int); create table off (n int) with (autovacuum_enabled = off)")
		exec(t, conn, "insert into many select g, g from generate_series(1, 500) g; insert into few select generate_series(1, 20); insert into off select generate_series(1, 5000)")
		exec(t, conn, "delete from many where n % 2 = 0; delete from few; delete from off")
		reach(t, conn, "select autovacuum_count > 0 and autoanalyze_count > 0 and last_autovacuum is not null and n_dead_tup = 0 from pg_stat_all_tables where relname = 'many'", "t")
		if got := value(t, conn, "select count(*) from pg_stats where tablename = 'many'"); got != "2" {
			t.Errorf("%s: statistics of %s columns", db, got)
		}
		if got := value(t, conn, "select string_agg(relname || vacuum_count || autovacuum_count || autoanalyze_count, ' ' order by relname) from pg_stat_user_tables where relname <> 'many'"); got != "few000 off000" {
			t.Errorf("%s: %s", db, got)
		}
	}
	if s := c.Stats(); s.Autovacuums < 2 || s.Autoanalyzes < 2 || s.AutovacuumTime == 0 || s.AutovacuumsFailed != 0 {
		t.Errorf("%d vacuums, %d analyzes, %v, %d failures", s.Autovacuums, s.Autoanalyzes, s.AutovacuumTime, s.AutovacuumsFailed)
	}
}

// TestAutovacuumOff: settings count as they are at each round.
func TestAutovacuumOff(t *testing.T) {
	c := byHand(t)
	conn := connect(t, c, nil)
	exec(t, conn, "create table t (n int); insert into t select generate_series(1, 500); delete from t")
	flushStats(t, conn)
	const count = "select autovacuum_count from pg_stat_all_tables where relname = 't'"
	for _, off := range []string{"autovacuum", "track_counts"} {
		exec(t, conn, "alter system set "+off+" = off")
		exec(t, conn, "select pg_reload_conf()")
		round(t, c)
		if got := value(t, conn, count); got != "0" {
			t.Errorf("%s vacuums with %s off", got, off)
		}
		exec(t, conn, "alter system reset "+off)
		exec(t, conn, "select pg_reload_conf()")
	}
	exec(t, conn, "insert into t select generate_series(1, 500); delete from t")
	flushStats(t, conn)
	round(t, c)
	if got := value(t, conn, count); got != "1" {
		t.Errorf("%s vacuums after that", got)
	}
}

// TestAutovacuumFreezes: what comes close to wraparound is frozen, with
// autovacuum off too and in the database that allows no connections.
func TestAutovacuumFreezes(t *testing.T) {
	c := byHand(t, pglite.Setting{Name: "autovacuum", Value: "off"}, pglite.Setting{Name: "autovacuum_freeze_max_age", Value: "100000"},
		pglite.Setting{Name: "vacuum_freeze_min_age", Value: "1000"})
	conn := connect(t, c, nil)
	exec(t, conn, "create table t (n int); insert into t values (1); create table off (n int) with (autovacuum_enabled = off); create unlogged table u (n int)")
	round(t, c)
	const old = "select count(*) from pg_database where age(datfrozenxid) > 100000"
	exec(t, conn, `do $$ begin for k in 1..101000 loop
		begin insert into u values (k); exception when division_by_zero then end;
	end loop; end $$`)
	if got := value(t, conn, old); got != "3" {
		t.Fatalf("%s of three databases are old", got)
	}
	round(t, c)
	if got := value(t, conn, old); got != "0" {
		t.Errorf("%s databases are still old", got)
	}
	if got := value(t, conn, "select count(*) from pg_class where relname in ('t', 'off') and age(relfrozenxid) < 100000"); got != "2" {
		t.Errorf("%s of two tables are frozen", got)
	}
}

// TestAutovacuumFreezesMultixacts: so is what comes close to the wraparound of
// multixacts, though its transactions are young.
func TestAutovacuumFreezesMultixacts(t *testing.T) {
	c := byHand(t, pglite.Setting{Name: "autovacuum_multixact_freeze_max_age", Value: "10000"},
		pglite.Setting{Name: "vacuum_multixact_freeze_min_age", Value: "1000"})
	a, b := connect(t, c, nil), connect(t, c, nil)
	exec(t, a, "create table m (n int primary key); insert into m select generate_series(1, 10100); create table still (n int)")
	exec(t, a, "begin; select count(*) from (select 1 from m for key share) rows")
	// Each row's lockers are another set: a, and a subtransaction of b's.
	exec(t, b, `do $$ begin for k in 1..10100 loop
		begin perform 1 from m where n = k for share; exception when division_by_zero then end;
	end loop; end $$`)
	exec(t, a, "commit")
	const old = "select count(*) from pg_database where mxid_age(datminmxid) > 10000"
	if got := value(t, a, old); got != "3" {
		t.Fatalf("%s of three databases are old", got)
	}
	round(t, c)
	if got := value(t, a, old); got != "0" {
		t.Errorf("%s databases are still old", got)
	}
	if got := value(t, a, "select count(*) from pg_class where relname in ('m', 'still') and mxid_age(relminmxid) <= 1000"); got != "2" {
		t.Errorf("%s of two tables are frozen", got)
	}
	if got := value(t, a, "select count(*) from m"); got != "10100" {
		t.Errorf("%s rows are left", got)
	}
}

// slow makes a table of which a vacuum takes minutes, and begins it. ended
// tells how the round has gone.
func slow(t *testing.T, c *pglite.Cluster, conn *pgx.Conn) (ended chan error) {
	t.Helper()
	exec(t, conn, "create table slow (n int, v text) with (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)")
	exec(t, conn, "insert into slow select g, repeat('x', 1500) from generate_series(1, 4000) g; delete from slow")
	flushStats(t, conn)
	ended = make(chan error, 1)
	go func() { ended <- pglite.VacuumRound(context.Background(), c) }()
	reach(t, conn, "select count(*) > 0 from pg_stat_activity a join pg_locks l using (pid) where backend_type = 'autovacuum worker' and l.relation = 'slow'::regclass", "t")
	return ended
}

// TestAutovacuumGivesWay: who wants a lock of a table gets it, and the next
// table its vacuum. One backend for all clients is enough: the worker is none of
// theirs.
func TestAutovacuumGivesWay(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) {
		o.MaxBackends, o.NoHousekeeping, o.Settings = 1, true, []pglite.Setting{{Name: "deadlock_timeout", Value: "50ms"}}
	})
	conn := connect(t, c, nil)
	ended := slow(t, c, conn)
	exec(t, conn, "create table next (n int); insert into next select generate_series(1, 500); delete from next")
	exec(t, conn, "begin; lock table slow; drop table slow; commit")
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if s := c.Stats(); s.AutovacuumsCanceled != 1 || s.AutovacuumsFailed != 0 {
		t.Errorf("%d cancelled, %d failed", s.AutovacuumsCanceled, s.AutovacuumsFailed)
	}
	flushStats(t, conn)
	round(t, c)
	if got := value(t, conn, "select autovacuum_count from pg_stat_all_tables where relname = 'next'"); got != "1" {
		t.Errorf("%s vacuums", got)
	}
}

// TestAutovacuumLeavesDatabase: a database can be dropped under the worker.
func TestAutovacuumLeavesDatabase(t *testing.T) {
	c := byHand(t)
	super := connect(t, c, nil)
	exec(t, super, "create database busy")
	conn := connect(t, c, func(cfg *pgx.ConnConfig) { cfg.Database = "busy" })
	ended := slow(t, c, conn)
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(t, super, "drop database busy")
	<-ended // with an error: the worker was terminated
	exec(t, super, "select 1")
}

// TestAutovacuumCrash: a crash of another backend ends the worker, and the next
// one does what is due.
func TestAutovacuumCrash(t *testing.T) {
	c := byHand(t)
	conn := connect(t, c, nil)
	ended := slow(t, c, conn)
	if err := pglite.TrapNext(c, conn.PgConn().PID()); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "select 1"); err == nil {
		t.Fatal("a guest that aborts has answered")
	}
	if err := <-ended; err == nil {
		t.Error("the round has gone well")
	}
	conn = connect(t, c, nil)
	exec(t, conn, "drop table slow; create table t (n int); insert into t select generate_series(1, 500); delete from t")
	flushStats(t, conn)
	round(t, c)
	if got := value(t, conn, "select autovacuum_count from pg_stat_all_tables where relname = 't'"); got != "1" {
		t.Errorf("%s vacuums after the crash", got)
	}
}

// TestAutovacuumLogs what takes as long as log_autovacuum_min_duration says.
func TestAutovacuumLogs(t *testing.T) {
	var log bytes.Buffer // written by the round's goroutine, and by backends within it
	c := openCluster(t, func(o *pglite.Options) {
		o.MaxBackends, o.NoHousekeeping, o.Settings = 1, true, []pglite.Setting{{Name: "log_autovacuum_min_duration", Value: "0"}}
		o.Logger = zerolog.New(zerolog.SyncWriter(&log)).Level(zerolog.InfoLevel)
	})
	conn := connect(t, c, nil)
	exec(t, conn, `create table "T t" (n int); create table quiet (n int) with (log_autovacuum_min_duration = -1)`)
	exec(t, conn, `insert into "T t" select generate_series(1, 500); insert into quiet table "T t"; delete from "T t"; delete from quiet`)
	flushStats(t, conn)
	round(t, c)
	for text, want := range map[string]bool{`"table":"public.\"T t\"","vacuum":true,"analyze":true`: true, `"dead":"500"`: true, "quiet": false} {
		if got := strings.Contains(log.String(), text); got != want {
			t.Errorf("%s in the log: %v\n%s", text, got, log.String())
		}
	}
	if got := value(t, conn, "select autovacuum_count from pg_stat_all_tables where relname = 'quiet'"); got != "1" {
		t.Errorf("%s vacuums of the quiet table", got)
	}
}

// TestAutovacuumClose: a cluster closes in the middle of a vacuum.
func TestAutovacuumClose(t *testing.T) {
	dir := t.TempDir() + "/data"
	c := openCluster(t, func(o *pglite.Options) {
		o.Dir = dir
		o.MaxBackends, o.Settings = 2, []pglite.Setting{{Name: "autovacuum_naptime", Value: "1s"}}
	})
	conn := connect(t, c, nil)
	exec(t, conn, "create table slow (n int, v text) with (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)")
	exec(t, conn, "insert into slow select g, repeat('x', 1500) from generate_series(1, 4000) g; delete from slow")
	reach(t, conn, "select count(*) > 0 from pg_stat_activity a join pg_locks l using (pid) where backend_type = 'autovacuum worker' and l.relation = 'slow'::regclass", "t")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	again := openCluster(t, func(o *pglite.Options) { o.Dir = dir })
	if n := again.Stats().Recoveries; n != 0 {
		t.Error("it was not shut down")
	}
}

// TestAutovacuumIdle: without transactions of clients nothing is looked at, but
// for once more after the last.
func TestAutovacuumIdle(t *testing.T) {
	c := byHand(t)
	stirred := pglite.Stirrer(c)
	conn := connect(t, c, nil)
	for k, want := range []bool{true, false, false} {
		if got := stirred(); got != want {
			t.Errorf("at first, nap %d: %v", k, got)
		}
	}
	exec(t, conn, "select 1")
	for k, want := range []bool{true, true, false, false} {
		if got := stirred(); got != want {
			t.Errorf("after a transaction, nap %d: %v", k, got)
		}
	}
}

// TestVacuumSleeps: a VACUUM that sleeps for its costs lets others run, and ends.
func TestVacuumSleeps(t *testing.T) {
	c := byHand(t)
	conn := connect(t, c, nil)
	exec(t, conn, "create table t (v text); insert into t select repeat('x', 1500) from generate_series(1, 200)")
	exec(t, conn, "set vacuum_cost_delay = 1; set vacuum_cost_limit = 1")
	exec(t, conn, "vacuum t")
	exec(t, conn, "analyze t")
}
