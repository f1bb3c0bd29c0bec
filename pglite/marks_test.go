package pglite_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// ended tells how a session has ended that was open.
func ended(t testing.TB, conn *pgx.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := conn.PgConn().WaitForNotification(ctx) // writes nothing, which would fail first
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err.Error()
	}
	return e.Severity + " " + e.Code
}

// stall is what a COPY reads: a row, and nothing more until it ends.
type stall struct{ begun, over chan struct{} }

func (r stall) Read(p []byte) (int, error) {
	select {
	case <-r.begun:
		<-r.over
		return 0, io.EOF
	default:
		close(r.begun)
		return copy(p, "1\n"), nil
	}
}

// until waits until a query of the host's gives a value.
func until(t testing.TB, c *pglite.Cluster, sql, want string) {
	t.Helper()
	for tries := 0; ; tries++ {
		rows, err := c.AsHost(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 1 && rows[0][0] == want {
			return
		}
		if tries == 10000 {
			t.Fatalf("%s never gives %s", sql, want)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestRewind goes back, forth to a later mark, and back again.
func TestRewind(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) {
		o.MaxBackends, o.Settings = 16, []pglite.Setting{{Name: "max_prepared_transactions", Value: "8"}}
	})
	mark := func(name string) {
		t.Helper()
		if err := c.Mark(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	a, b, idle := connect(t, c, nil), connect(t, c, nil), connect(t, c, nil)
	exec(t, a, "create table t (id serial primary key, v text); insert into t (v) select 'early' from generate_series(1, 1000)")
	exec(t, a, "create unlogged table u as select 1 as id; create role anna")
	exec(t, a, "create database other")
	exec(t, a, "begin; insert into t (v) values ('prepared'); prepare transaction 'p'")
	exec(t, b, "begin; insert into t (v) values ('open')")
	mark("early")
	exec(t, b, "commit")
	exec(t, a, "commit prepared 'p'")
	exec(t, a, "drop role anna; insert into t (v) select 'late' from generate_series(1, 10); alter table t add extra int")
	mark("late.1")
	exec(t, b, "begin; delete from t")
	for round, step := range []struct{ to, want string }{
		{"early", "1000 0 1 1"}, {"late.1", "1012 10 0 0"}, {"late.1", "1012 10 0 0"}, {"early", "1000 0 1 1"},
	} {
		if err := c.Rewind(t.Context(), step.to); err != nil {
			t.Fatal(err)
		}
		for k, conn := range []*pgx.Conn{a, b, idle} {
			if got := ended(t, conn); got != "FATAL 57P01" {
				t.Errorf("round %d: session %d has ended: %s", round, k, got)
			}
		}
		a, b, idle = connect(t, c, nil), connect(t, c, nil), connect(t, c, nil)
		if got := value(t, a, `select concat_ws(' ', count(*), count(*) filter (where v = 'late'), (select count(*) from pg_prepared_xacts),
			(select count(*) from pg_roles where rolname = 'anna')) from t`); got != step.want {
			t.Errorf("round %d: at %s there is %q, not %q", round, step.to, got, step.want)
		}
		if got := value(t, a, "select count(*) from u"); got != "0" {
			t.Errorf("round %d: %s rows in the unlogged table", round, got)
		}
		sound(t, c)
		exec(t, a, "delete from t where id < 500; create table more ()")
		exec(t, a, "drop database other")
		exec(t, b, "begin; lock table u")
	}
	if n := c.Stats(); n.Rewinds != 4 || n.Crashes != 0 {
		t.Errorf("%d rewinds, %d crashes", n.Rewinds, n.Crashes)
	}
	var names []string
	for _, m := range c.Marks() {
		names = append(names, m.Name)
		if m.Bytes < 10<<20 || m.OwnBytes > m.Bytes {
			t.Errorf("%s takes %d bytes, %d of them alone", m.Name, m.Bytes, m.OwnBytes)
		}
	}
	if got := strings.Join(names, " "); got != "early late.1" {
		t.Errorf("there are marks %q", got)
	}
}

// TestMarkNames: what is no mark, or a second one, is refused, and nothing ends.
func TestMarkNames(t *testing.T) {
	c := openCluster(t, nil)
	conn := connect(t, c, nil)
	ctx := t.Context()
	if err := c.Mark(ctx, "m"); err != nil {
		t.Fatal(err)
	}
	if err := c.Mark(ctx, "m"); !errors.Is(err, pglite.ErrMarkExists) {
		t.Errorf("a second one: %v", err)
	}
	for _, name := range []string{"", ".", "..", "-x", "a/b", "a b", "ä", "x\x00", strings.Repeat("x", 64)} {
		if err := c.Mark(ctx, name); !errors.Is(err, pglite.ErrMarkName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := c.Rewind(ctx, "n"); !errors.Is(err, pglite.ErrNoMark) {
		t.Errorf("back to nothing: %v", err)
	}
	if err := c.Unmark("n"); !errors.Is(err, pglite.ErrNoMark) {
		t.Errorf("drop nothing: %v", err)
	}
	var err error
	n := 1
	for ; err == nil && n < 1000; n++ {
		err = c.Mark(ctx, fmt.Sprint("m", n))
	}
	if !errors.Is(err, pglite.ErrTooManyMarks) {
		t.Errorf("%d marks: %v", n, err)
	}
	if err := c.Unmark("m"); err != nil {
		t.Error(err)
	}
	if err := c.Mark(ctx, "again"); err != nil {
		t.Error(err)
	}
	exec(t, conn, "select 1")
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{c.Mark(ctx, "late"), c.Rewind(ctx, "again")} {
		if !errors.Is(err, pglite.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	}
}

// TestMarksOnDirectory are refused, with what to do instead.
func TestMarksOnDirectory(t *testing.T) {
	c := openOnDirectory(t)
	for _, err := range []error{c.Mark(t.Context(), "m"), c.Rewind(t.Context(), "m")} {
		if err == nil || !strings.Contains(err.Error(), "snapshot") {
			t.Errorf("%v", err)
		}
	}
	conn := connect(t, c, nil)
	if _, err := conn.Exec(t.Context(), "select howdah_mark('m')"); code(err) != "42501" || !strings.Contains(err.Error(), "Read-only file system") {
		t.Errorf("by SQL: %v", err)
	}
	if got := value(t, conn, "select count(*) from howdah_marks"); got != "0" {
		t.Errorf("%s marks", got)
	}
}

// TestMarksSQL: marks by SQL, of those who may.
func TestMarksSQL(t *testing.T) {
	c := openCluster(t, manyBackends)
	super, bystander := connect(t, c, nil), connect(t, c, nil)
	exec(t, super, "create table t as select 1 as id; create role anna login; create role ben login; grant pg_read_server_files to ben")
	exec(t, super, "grant execute on function howdah_rewind to anna")
	exec(t, super, "select howdah_mark('clean')")
	exec(t, super, "insert into t values (2)")
	if got := value(t, super, "select concat_ws(' ', name, taken between now() - interval '1 minute' and clock_timestamp(), bytes > 1e7, own_bytes < bytes) from howdah_marks"); got != "clean t t t" {
		t.Errorf("the view has %s", got)
	}
	anna := connect(t, c, func(o *pgx.ConnConfig) { o.User, o.Database = "anna", "postgres" })
	ben := connect(t, c, func(o *pgx.ConnConfig) { o.User, o.Database = "ben", "postgres" })
	for _, x := range []struct {
		conn      *pgx.Conn
		sql, code string
	}{
		{super, "select howdah_mark('clean')", "58P02"},
		{super, "select howdah_mark('a/b')", "XX000"},
		{super, "select howdah_rewind('nothing')", "58P01"},
		{super, "select howdah_unmark('nothing')", "58P01"},
		{anna, "select howdah_mark('annas')", "42501"},
		{anna, "select howdah_unmark('clean')", "42501"},
		{ben, "select howdah_rewind('clean')", "42501"},
		{ben, "select pg_read_file('/howdah/rewind/clean')", "42501"},
		{ben, "select pg_read_file('/howdah/mark/new')", "42501"},
	} {
		if _, err := x.conn.Exec(t.Context(), x.sql); code(err) != x.code {
			t.Errorf("%s: %v", x.sql, err)
		}
	}
	_, err := anna.Exec(t.Context(), "select howdah_rewind('clean')")
	if e := (*pgconn.PgError)(nil); !errors.As(err, &e) || e.Severity+e.Code != "FATAL57P01" || !strings.Contains(e.Detail, `"clean"`) {
		t.Errorf("who goes back is told %v", err)
	}
	// At once, and without waiting for Rewind to return.
	after := connect(t, c, nil)
	if got := value(t, after, "select count(*) from t"); got != "1" {
		t.Errorf("%s rows", got)
	}
	for _, conn := range []*pgx.Conn{super, bystander, ben} {
		if got := ended(t, conn); got != "FATAL 57P01" {
			t.Errorf("another session has ended: %s", got)
		}
	}
	exec(t, after, "select howdah_unmark('clean')")
	if got := value(t, after, "select count(*) from howdah_marks"); got != "0" {
		t.Errorf("%s marks", got)
	}
}

// TestRewindEverybody: whatever a session is in the middle of, it is told.
func TestRewindEverybody(t *testing.T) {
	c := openCluster(t, manyBackends)
	exec(t, connect(t, c, nil), "create table t (id int primary key)")
	if err := c.Mark(t.Context(), "m"); err != nil {
		t.Fatal(err)
	}
	for name, sql := range map[string]string{
		"sleeps":   "select pg_sleep(1000)",
		"computes": "select count(*) from generate_series(1, 1000000000000)",
		"waits":    "begin; lock table t",
		"listens":  "listen x; do $$begin loop perform pg_sleep(0.001); end loop; end$$",
	} {
		t.Run(name, func(t *testing.T) {
			holder, conn := connect(t, c, nil), connect(t, c, nil)
			exec(t, holder, "begin; lock table t")
			said := make(chan error, 1)
			go func() { _, err := conn.Exec(context.Background(), sql); said <- err }()
			until(t, c, fmt.Sprintf("select count(*) from pg_stat_activity where pid = %d and state = 'active'", conn.PgConn().PID()), "1")
			if err := c.Rewind(t.Context(), "m"); err != nil {
				t.Fatal(err)
			}
			if err := <-said; code(err) != "57P01" {
				t.Errorf("it is told %v", err)
			}
		})
	}
	t.Run("copies", func(t *testing.T) {
		conn := connect(t, c, nil)
		r := stall{make(chan struct{}), make(chan struct{})}
		said := make(chan error, 1)
		go func() { _, err := conn.PgConn().CopyFrom(context.Background(), r, "copy t from stdin"); said <- err }()
		<-r.begun
		if err := c.Rewind(t.Context(), "m"); err != nil {
			t.Fatal(err)
		}
		close(r.over)
		if err := <-said; code(err) != "57P01" {
			t.Errorf("it is told %v", err)
		}
	})
	sound(t, c)
}

// TestRewindInTrouble goes back while backends crash, clients come and go, others
// go back too, and whoever has asked for it gives up: in the end the cluster is at
// a mark, whole.
func TestRewindInTrouble(t *testing.T) {
	c := openCluster(t, manyBackends)
	exec(t, connect(t, c, nil), "create table t as select 'mark' as v, i from generate_series(1, 1000) i; create index on t (v, i)")
	for _, name := range []string{"m", "n"} {
		if err := c.Mark(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		exec(t, connect(t, c, nil), "insert into t values ('second', 0)")
	}
	seed := pickSeed(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range need.Choose(8, 200) {
		victim, writer := connect(t, c, nil), connect(t, c, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		after := func(do func()) {
			pause := time.Duration(rng.IntN(20)) * time.Millisecond
			wg.Go(func() { time.Sleep(pause); do() })
		}
		if err := pglite.TrapNext(c, victim.PgConn().PID()); err == nil {
			after(func() { _, _ = victim.Exec(context.Background(), "select 1") })
		}
		after(func() {
			for k := range 20 {
				if _, err := writer.Exec(context.Background(), fmt.Sprintf("insert into t values ('late', %d)", k)); err != nil {
					return
				}
			}
		})
		for _, name := range []string{"m", "n"} {
			after(func() {
				if err := c.Rewind(ctx, name); err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		after(func() {
			config, err := driver.ConnConfig(c)
			if err != nil {
				t.Error(err)
				return
			}
			if conn, err := pgx.ConnectConfig(context.Background(), config); err == nil {
				_ = conn.Close(context.Background())
			} else if s := code(err); s != "57P01" && s != "57P02" {
				t.Errorf("round %d: a login fails with %v", round, err)
			}
		})
		if rng.IntN(3) == 0 {
			after(cancel)
		}
		wg.Wait()
		cancel()
		before := c.Stats().Rewinds
		if err := c.Rewind(t.Context(), "m"); err != nil { // waits for those that were given up
			t.Fatal(err)
		}
		if after := c.Stats().Rewinds; after <= before {
			t.Errorf("round %d: %d rewinds after %d", round, after, before)
		}
		if got := value(t, connect(t, c, nil), "select concat_ws(' ', count(*), min(v), max(v)) from t"); got != "1000 mark mark" {
			t.Errorf("round %d: there is %s", round, got)
		}
	}
	sound(t, c)
}
