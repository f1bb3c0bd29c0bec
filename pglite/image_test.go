package pglite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/runtime/snapshot"
)

// openImage starts a cluster from an image until the end of t.
func openImage(t testing.TB, i *pglite.Image, change func(*pglite.Options)) *pglite.Cluster {
	t.Helper()
	o := pglite.Options{MaxBackends: 4}
	if change != nil {
		change(&o)
	}
	c, err := i.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

func closeImage(t testing.TB, i *pglite.Image) {
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
}

// sound has amcheck look at every B-tree.
func sound(t testing.TB, c *pglite.Cluster) {
	t.Helper()
	conn := connect(t, c, nil)
	exec(t, conn, "create extension if not exists amcheck")
	if got := value(t, conn, `select count(bt_index_check(c.oid, true)) > 100 from pg_class c join pg_am a on a.oid = c.relam
		where a.amname = 'btree' and c.relkind = 'i' and c.relpersistence = 'p'`); got != "t" {
		t.Errorf("amcheck has looked at too few: %s", got)
	}
}

const identifier = "select system_identifier from pg_control_system()"

func TestFork(t *testing.T) {
	c := openCluster(t, manyBackends)
	a, b := connect(t, c, nil), connect(t, c, nil)
	exec(t, a, "create table t (id serial primary key, v text); insert into t (v) select 'committed' from generate_series(1, 1000)")
	exec(t, a, "create unlogged table u (id int); insert into u values (1)")
	exec(t, b, "begin; insert into t (v) values ('open'); update t set v = 'open' where id = 1")
	i, err := c.Fork(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeImage(t, i)
	exec(t, b, "commit")
	exec(t, a, "delete from t where id > 10")
	const state = "select count(*) || ' ' || count(*) filter (where v = 'open') from t"
	forks := []*pglite.Cluster{openImage(t, i, nil), openImage(t, i, nil)}
	for k, f := range forks {
		conn := connect(t, f, nil)
		if got := value(t, conn, state); got != "1000 0" {
			t.Errorf("fork %d has %s rows", k, got)
		}
		if got := value(t, conn, "select count(*) from u"); got != "0" {
			t.Errorf("fork %d has %s rows in an unlogged table", k, got)
		}
		exec(t, conn, fmt.Sprintf("insert into t (v) values ('fork %d'); create table own%d ()", k, k))
		if got, want := value(t, conn, identifier), value(t, a, identifier); got != want {
			t.Errorf("fork %d is system %s, not %s", k, got, want)
		}
	}
	if got := value(t, a, state); got != "10 1" {
		t.Errorf("the cluster has %s rows", got)
	}
	for k, f := range forks {
		conn := connect(t, f, nil)
		if got := value(t, conn, "select string_agg(v, ',') || ' ' || count(*) from t where v like 'fork%'"); got != fmt.Sprintf("fork %d 1", k) {
			t.Errorf("fork %d has %s", k, got)
		}
		if got := value(t, conn, "select string_agg(relname, ',') from pg_class where relname like 'own%'"); got != fmt.Sprint("own", k) {
			t.Errorf("fork %d has tables %s", k, got)
		}
		sound(t, f)
	}
}

// TestFreeze starts clusters from one that was shut down, in memory, on a
// directory, and from the image as it was written.
func TestFreeze(t *testing.T) {
	c := openCluster(t, nil)
	conn := connect(t, c, nil)
	exec(t, conn, "create table t as select i as id from generate_series(1, 1000) i; create index on t (id)")
	exec(t, conn, "create unlogged table u as select 1 as id; create extension hstore; create role anna login")
	exec(t, conn, "create database other")
	id := value(t, conn, identifier)
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	i, err := c.Freeze(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeImage(t, i)
	if _, err := c.Freeze(t.Context()); !errors.Is(err, pglite.ErrClosed) {
		t.Errorf("frozen twice: %v", err)
	}
	var b bytes.Buffer
	if err := i.Write(&b); err != nil {
		t.Fatal(err)
	}
	again, err := pglite.ReadImage(t.Context(), bytes.NewReader(b.Bytes()), pglite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	closeImage(t, again)
	dir := t.TempDir()
	for name, open := range map[string]func(testing.TB) *pglite.Cluster{
		"memory":    func(t testing.TB) *pglite.Cluster { return openImage(t, i, nil) },
		"written":   func(t testing.TB) *pglite.Cluster { return openImage(t, again, nil) },
		"directory": func(t testing.TB) *pglite.Cluster { return openImage(t, i, func(o *pglite.Options) { o.Dir = dir }) },
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t)
			conn := connect(t, c, nil)
			for sql, want := range map[string]string{
				"select count(*) from t": "1000", "select count(*) from u": "1", identifier: id,
				"select 'a=>1'::hstore -> 'a'":                                                           "1",
				"select count(*) from pg_roles where rolname = 'anna'":                                   "1",
				"select count(*) from pg_database where datname = 'other'":                               "1",
				"select (pg_control_recovery()).min_recovery_end_lsn::text || pg_is_in_recovery()::text": "0/0false",
			} {
				if got := value(t, conn, sql); got != want {
					t.Errorf("%s gives %s, want %s", sql, got, want)
				}
			}
			sound(t, c)
		})
	}
	if _, err := i.Open(t.Context(), pglite.Options{Dir: dir}); !errors.Is(err, pglite.ErrNotCluster) {
		t.Errorf("on a directory with a cluster: %v", err)
	}
	if _, err := pglite.ReadImage(t.Context(), bytes.NewReader(b.Bytes()[:b.Len()/2]), pglite.Options{}); !errors.Is(err, snapshot.ErrCorrupt) {
		t.Errorf("half an image: %v", err)
	}
	if _, err := openOnDirectory(t).Freeze(t.Context()); err == nil {
		t.Error("a cluster on a directory is frozen")
	}
}

func openOnDirectory(t *testing.T) *pglite.Cluster {
	return openCluster(t, func(o *pglite.Options) { o.Dir = t.TempDir() })
}

// TestNewClustersDiffer: those that initdb has not made one by one have
// identifiers of their own, and what recovers by them.
func TestNewClustersDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		c := openCluster(t, nil)
		conn := connect(t, c, nil)
		id := value(t, conn, identifier)
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
		exec(t, conn, "create table t as select i as id from generate_series(1, 10000) i")
		if err := pglite.TrapNext(c, conn.PgConn().PID()); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "select 1"); err == nil {
			t.Error("the backend has not crashed")
		}
		after := connect(t, c, nil)
		if got := value(t, after, "select count(*) from t"); got != "10000" {
			t.Errorf("%s rows after the crash", got)
		}
		if got := value(t, after, identifier); got != id {
			t.Errorf("%s was system %s before the crash", got, id)
		}
	}
}

// TestThaw: clones that go on from a running server share neither pids nor what
// is random, and crash and recover alone.
func TestThaw(t *testing.T) {
	c := openCluster(t, manyBackends)
	a, b := connect(t, c, nil), connect(t, c, nil)
	exec(t, a, "create table t as select i as id from generate_series(1, 10000) i; create unlogged table u as select 1 as id")
	exec(t, b, "select setseed(0.5); listen x; create temp table mine ()")
	a.Close(t.Context())
	b.Close(t.Context())
	i, err := c.Freeze(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeImage(t, i)
	seen := map[string]bool{}
	for range 3 {
		c := openImage(t, i, manyBackends)
		if n := c.Stats(); n.BackendsThawed != 1 || n.BackendsBooted != 1 {
			t.Errorf("%d backends have started, %d from the image", n.BackendsBooted, n.BackendsThawed)
		}
		a, b := connect(t, c, nil), connect(t, c, nil)
		for _, sql := range []string{
			"select random()", "select gen_random_uuid()", "select pg_backend_pid()", "select pg_postmaster_start_time()",
		} {
			got := sql + " " + value(t, a, sql)
			if seen[got] {
				t.Errorf("twice %s", got)
			}
			seen[got] = true
		}
		exec(t, a, "begin; insert into t values (0)")
		exec(t, b, "insert into t values (-1)")
		if got := value(t, b, "select count(*) from t"); got != "10001" {
			t.Errorf("%s rows beside an open transaction", got)
		}
		if got := value(t, b, "select count(*) from u"); got != "1" {
			t.Errorf("%s rows in the unlogged table", got)
		}
		if err := pglite.TrapNext(c, a.PgConn().PID()); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Exec(t.Context(), "select 1"); err == nil {
			t.Error("the backend has not crashed")
		}
		after := connect(t, c, nil)
		if got := value(t, after, "select count(*) || ' ' || (select count(*) from u) from t"); got != "10001 0" {
			t.Errorf("rows after the crash: %s", got)
		}
		sound(t, c)
	}
	other := openImage(t, i, func(o *pglite.Options) { o.MaxBackends = 3 })
	if n := other.Stats().BackendsThawed; n != 0 {
		t.Error("a cluster of another size goes on from the image")
	}
	if got := value(t, connect(t, other, nil), "select count(*) from t"); got != "10000" {
		t.Errorf("it has %s rows", got)
	}
}

// TestClonesAtOnce opens, uses and drops clones of one image on several
// goroutines.
func TestClonesAtOnce(t *testing.T) {
	c := openCluster(t, nil)
	conn := connect(t, c, nil)
	exec(t, conn, "create table t (id serial primary key, v int)")
	conn.Close(t.Context())
	i, err := c.Freeze(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeImage(t, i)
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for n := range 5 {
				c, err := i.Open(t.Context(), pglite.Options{MaxBackends: 2})
				if err != nil {
					t.Error(err)
					return
				}
				rows, err := c.AsHost(t.Context(), fmt.Sprintf("insert into t (v) values (%d) returning id, v, (select count(*) from t)", 10*k+n))
				if err != nil || fmt.Sprint(rows) != fmt.Sprintf("[[1 %d 0]]", 10*k+n) {
					t.Errorf("clone %d.%d has %v, %v", k, n, rows, err)
				}
				if err := c.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
