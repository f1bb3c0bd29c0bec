package pglite_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
)

// manyBackends gives each session a backend of its own.
func manyBackends(o *pglite.Options) { o.MaxBackends = 16 }

// TestSessionsHaveBackends: an open transaction of one stops nobody.
func TestSessionsHaveBackends(t *testing.T) {
	c := openCluster(t, manyBackends)
	a := connect(t, c, nil)
	exec(t, a, "create table t (id int primary key, v int)")
	exec(t, a, "insert into t values (1, 10)")
	b := connect(t, c, nil)
	exec(t, a, "begin")
	exec(t, a, "update t set v = 11")
	if got := value(t, b, "select v from t"); got != "10" {
		t.Errorf("before the commit: %s", got)
	}
	exec(t, a, "commit")
	if got := value(t, b, "select v from t"); got != "11" {
		t.Errorf("after the commit: %s", got)
	}
	if p, q := value(t, a, "select pg_backend_pid()"), value(t, b, "select pg_backend_pid()"); p == q {
		t.Errorf("both have pid %s", p)
	}
}

// blocked waits until a session waits for a lock.
func blocked(t *testing.T, control *pgx.Conn, pid uint32) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for value(t, control, fmt.Sprintf("select coalesce(cardinality(pg_blocking_pids(%d)), 0)", pid)) == "0" {
		if time.Now().After(deadline) {
			t.Fatalf("%d does not block", pid)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestDeadlock: one of two gives way, the other goes on.
func TestDeadlock(t *testing.T) {
	c := openCluster(t, manyBackends)
	a, b, control := connect(t, c, nil), connect(t, c, nil), connect(t, c, nil)
	exec(t, a, "create table t (id int primary key, v int); insert into t values (1, 0), (2, 0)")
	exec(t, a, "set deadlock_timeout = '50ms'")
	exec(t, b, "set deadlock_timeout = '10s'")
	exec(t, a, "begin; update t set v = 1 where id = 1")
	exec(t, b, "begin; update t set v = 2 where id = 2")
	done := make(chan error, 1)
	go func() {
		_, err := b.Exec(context.Background(), "update t set v = 2 where id = 1")
		done <- err
	}()
	blocked(t, control, b.PgConn().PID())
	if _, err := a.Exec(t.Context(), "update t set v = 1 where id = 2"); code(err) != "40P01" {
		t.Errorf("the deadlock gives %v", err)
	}
	exec(t, a, "rollback")
	if err := <-done; err != nil {
		t.Error(err)
	}
	exec(t, b, "commit")
	if got := value(t, control, "select sum(v) from t"); got != "4" {
		t.Errorf("the sum is %s", got)
	}
}

// TestNotifyIdle: notifications come to a client that asks for nothing.
func TestNotifyIdle(t *testing.T) {
	c := openCluster(t, manyBackends)
	listener, other := connect(t, c, nil), connect(t, c, nil)
	exec(t, listener, "listen news")
	for k := range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		payload := fmt.Sprint("n", k)
		exec(t, other, "notify news, '"+payload+"'")
		n, err := listener.WaitForNotification(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if n.Payload != payload || n.PID != other.PgConn().PID() {
			t.Errorf("got %+v", n)
		}
	}
	if got := value(t, listener, "select 1"); got != "1" {
		t.Errorf("got %q", got)
	}
}

// TestTerminateOther: a session ends another, idle, in a transaction or
// waiting.
func TestTerminateOther(t *testing.T) {
	c := openCluster(t, manyBackends)
	control := connect(t, c, nil)
	exec(t, control, "create table t (a int)")
	for name, prepare := range map[string]string{"idle": "select 1", "in transaction": "begin; insert into t values (1)"} {
		t.Run(name, func(t *testing.T) {
			victim := connect(t, c, nil)
			exec(t, victim, prepare)
			pid := victim.PgConn().PID()
			if got := value(t, control, fmt.Sprintf("select pg_terminate_backend(%d, 5000)", pid)); got != "t" && got != "true" {
				t.Errorf("pg_terminate_backend gives %s", got)
			}
			_, err := victim.Exec(t.Context(), "select 1")
			if err == nil {
				t.Error("the session goes on")
			}
			if got := value(t, control, "select count(*) from t"); got != "0" {
				t.Errorf("%s rows are left", got)
			}
			if got := value(t, control, fmt.Sprintf("select count(*) from pg_stat_activity where pid = %d", pid)); got != "0" {
				t.Errorf("it is still there")
			}
		})
	}
	t.Run("sleeping", func(t *testing.T) {
		victim := connect(t, c, nil)
		done := make(chan error, 1)
		go func() {
			_, err := victim.Exec(context.Background(), "select pg_sleep(60)")
			done <- err
		}()
		pid := victim.PgConn().PID()
		for value(t, control, fmt.Sprintf("select count(*) from pg_stat_activity where pid = %d and wait_event = 'PgSleep'", pid)) == "0" {
			time.Sleep(time.Millisecond)
		}
		exec(t, control, fmt.Sprintf("select pg_cancel_backend(%d)", pid))
		if err := <-done; code(err) != "57014" {
			t.Errorf("cancelled: %v", err)
		}
		if got := value(t, victim, "select 1"); got != "1" {
			t.Errorf("got %q", got)
		}
	})
}

// TestDatabases: sessions in several databases of one cluster, made and dropped
// while others work.
func TestDatabases(t *testing.T) {
	c := openCluster(t, manyBackends)
	a := connect(t, c, nil)
	idle := connect(t, c, nil)
	exec(t, idle, "select 1")
	exec(t, a, "create database two")
	to := func(cfg *pgx.ConnConfig) { cfg.Database = "two" }
	b := connect(t, c, to)
	exec(t, b, "create table only_here (a int); insert into only_here values (1)")
	if got := value(t, a, "select count(*) from pg_class where relname = 'only_here'"); got != "0" {
		t.Error("a table is in two databases")
	}
	if _, err := a.Exec(t.Context(), "drop database two"); code(err) != "55006" {
		t.Errorf("dropping a database in use gives %v", err)
	}
	_ = b.Close(t.Context())
	exec(t, a, "drop database two")
	exec(t, a, "create database two")
	b = connect(t, c, to)
	exec(t, b, "select 1")
	exec(t, a, "drop database two with (force)")
	if _, err := b.Exec(t.Context(), "select 1"); err == nil {
		t.Error("a session of a dropped database goes on")
	}
}

// TestLongQueryBesideShortOnes: nobody waits for a long query, and it ends.
func TestLongQueryBesideShortOnes(t *testing.T) {
	c := openCluster(t, manyBackends)
	long, short := connect(t, c, nil), connect(t, c, nil)
	ended := make(chan string, 1)
	var wg sync.WaitGroup
	wg.Go(func() { ended <- value(t, long, "select count(*) from generate_series(1, 3000000) g where g % 7 = 0") })
	during := 0
	for running := true; running; {
		exec(t, short, "select 1")
		select {
		case got := <-ended:
			running = false
			if got != "428571" {
				t.Errorf("the long query gives %s", got)
			}
		default:
			during++
		}
	}
	wg.Wait()
	if during < 10 {
		t.Errorf("%d short queries beside the long one", during)
	}
}

// TestManyWriters: sessions that meet on a few rows lose no update.
func TestManyWriters(t *testing.T) {
	const sessions, rounds, rows = 12, 40, 3
	c := openCluster(t, manyBackends)
	a := connect(t, c, nil)
	exec(t, a, fmt.Sprintf("create table t (id int primary key, v int); insert into t select g, 0 from generate_series(1, %d) g", rows))
	var wg sync.WaitGroup
	for k := range sessions {
		conn := connect(t, c, nil)
		wg.Go(func() {
			for r := range rounds {
				sql := fmt.Sprintf("begin; update t set v = v + 1 where id = %d; commit", 1+(k+r)%rows)
				if _, err := conn.Exec(context.Background(), sql); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := value(t, a, "select sum(v) from t"); got != fmt.Sprint(sessions*rounds) {
		t.Errorf("the sum is %s", got)
	}
}

// TestSegmentOutlivesBackends: shared memory stays when all backends have gone.
func TestSegmentOutlivesBackends(t *testing.T) {
	c := openCluster(t, manyBackends)
	for range 3 {
		a := connect(t, c, nil)
		exec(t, a, "create temp table x (a int)") // ends its backend with it
		exec(t, a, "set idle_session_timeout = 1")
		for a.PgConn().CheckConn() == nil {
			time.Sleep(time.Millisecond)
		}
	}
	a := connect(t, c, nil)
	if got := value(t, a, "select count(*) from pg_stat_activity where state is not null"); strings.TrimSpace(got) == "0" {
		t.Error("nobody is there")
	}
}

// TestConnectAtOnce: backends that boot at the same time do not meet in their
// lock file.
func TestConnectAtOnce(t *testing.T) {
	c := openCluster(t, manyBackends)
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			cfg, err := driver.ConnConfig(c)
			if err != nil {
				t.Error(err)
				return
			}
			conn, err := pgx.ConnectConfig(context.Background(), cfg)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close(context.Background())
			if _, err := conn.Exec(context.Background(), "select pg_sleep(0.1)"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestTemplateOfHost: the host's own backend is in nobody's way.
func TestTemplateOfHost(t *testing.T) {
	c := openCluster(t, manyBackends)
	conn := connect(t, c, func(cfg *pgx.ConnConfig) { cfg.Database = "template1" })
	exec(t, conn, "create database copy template postgres")
	exec(t, conn, "drop database copy")
}
