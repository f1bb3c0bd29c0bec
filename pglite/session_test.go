package pglite_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
)

// openCluster opens a cluster in memory that ends with the test. Its sessions
// share one backend unless change says otherwise.
func openCluster(t testing.TB, change func(*pglite.Options)) *pglite.Cluster {
	t.Helper()
	o := pglite.Options{MaxBackends: 1}
	if os.Getenv("HOWDAH_TEST_LOG") != "" {
		o.Logger = zerolog.New(zerolog.NewTestWriter(t))
	}
	if change != nil {
		change(&o)
	}
	c, err := pglite.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error("close:", err)
		}
	})
	return c
}

// connect opens a connection that sends simple queries and ends with the test.
func connect(t testing.TB, c *pglite.Cluster, change func(*pgx.ConnConfig)) *pgx.Conn {
	t.Helper()
	cfg, err := driver.ConnConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	if change != nil {
		change(cfg)
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// value runs a query for one value, as text.
func value(t testing.TB, conn *pgx.Conn, sql string) string {
	t.Helper()
	r, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	last := r[len(r)-1]
	if len(last.Rows) != 1 || len(last.Rows[0]) != 1 {
		t.Fatalf("%s: %d rows", sql, len(last.Rows))
	}
	return string(last.Rows[0][0])
}

func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

func TestSettingsAreCarried(t *testing.T) {
	c := openCluster(t, nil)
	a, b := connect(t, c, nil), connect(t, c, nil)
	exec(t, a, "set datestyle = 'german, dmy'; set app.me = 'it''s \\a'; set work_mem = '7MB'; set search_path = pg_catalog, \"Odd\"")
	for range 2 {
		if got := value(t, b, "select current_setting('datestyle') || '/' || coalesce(current_setting('app.me', true), '-') || '/' || current_setting('work_mem')"); got != "ISO, MDY/-/4MB" && got != "ISO, MDY//4MB" {
			t.Errorf("b sees %q", got)
		}
		if got := value(t, a, "select current_setting('datestyle') || '/' || current_setting('app.me') || '/' || current_setting('work_mem') || '/' || current_setting('search_path')"); got != `German, DMY/it's \a/7MB/pg_catalog, "Odd"` {
			t.Errorf("a sees %q", got)
		}
	}
	exec(t, a, "reset all")
	if got := value(t, a, "show work_mem"); got != "4MB" {
		t.Errorf("after reset all, work_mem is %q", got)
	}
}

func TestStartupParametersAreTheSessions(t *testing.T) {
	c := openCluster(t, nil)
	a := connect(t, c, func(cfg *pgx.ConnConfig) {
		cfg.RuntimeParams["application_name"] = "one"
		cfg.RuntimeParams["options"] = `-c work_mem=9MB -c search_path=\"a\ b\"`
		cfg.RuntimeParams["DateStyle"] = "SQL, DMY"
	})
	b := connect(t, c, nil)
	for range 2 {
		if got := value(t, a, "select concat_ws('/', current_setting('application_name'), current_setting('work_mem'), current_setting('search_path'), current_setting('datestyle'))"); got != "one/9MB/\"a b\"/SQL, DMY" {
			t.Errorf("a sees %q", got)
		}
		if got := value(t, b, "select concat_ws('/', current_setting('application_name'), current_setting('work_mem'), current_setting('datestyle'))"); got != "/4MB/ISO, MDY" {
			t.Errorf("b sees %q", got)
		}
	}
	exec(t, a, "set work_mem = '5MB'; reset work_mem")
	if got := value(t, a, "show work_mem"); got != "9MB" {
		t.Errorf("RESET goes to %q, not to what the client asked for", got)
	}
	if got := a.PgConn().ParameterStatus("DateStyle"); got != "SQL, DMY" {
		t.Errorf("reported DateStyle is %q", got)
	}
	cfg, _ := driver.ConnConfig(c)
	cfg.RuntimeParams["work_mem"] = "a lot"
	if _, err := pgx.ConnectConfig(t.Context(), cfg); code(err) != "22023" {
		t.Errorf("a bad startup parameter gives %v", err)
	}
	cfg.RuntimeParams = map[string]string{"no_such": "1"}
	if _, err := pgx.ConnectConfig(t.Context(), cfg); code(err) != "42704" {
		t.Errorf("an unknown startup parameter gives %v", err)
	}
}

func TestPreparedStatementsAreTheClients(t *testing.T) {
	c := openCluster(t, nil)
	a, b := connect(t, c, nil), connect(t, c, nil)
	ctx := t.Context()
	prepare := func(conn *pgx.Conn, sql string) {
		t.Helper()
		if _, err := conn.PgConn().Prepare(ctx, "s", sql, nil); err != nil {
			t.Fatal(err)
		}
	}
	run := func(conn *pgx.Conn, want string) {
		t.Helper()
		r := conn.PgConn().ExecPrepared(ctx, "s", nil, nil, nil).Read()
		if r.Err != nil || len(r.Rows) != 1 || string(r.Rows[0][0]) != want {
			t.Errorf("s gives %v %v, expected %q", r.Rows, r.Err, want)
		}
	}
	prepare(a, "select 'a'")
	prepare(b, "select 'b'")
	for range 3 {
		run(a, "a")
		run(b, "b")
	}
	exec(t, a, "deallocate s")
	if err := a.PgConn().ExecPrepared(ctx, "s", nil, nil, nil).Read().Err; code(err) != "26000" {
		t.Errorf("a deallocated statement gives %v", err)
	}
	run(b, "b")
	if got := value(t, b, "execute s"); got != "b" {
		t.Errorf("SQL EXECUTE of a protocol statement gives %q", got)
	}
	prepare(a, "select 'a2'")
	if got := value(t, a, "select string_agg(name || '=' || statement, ',') from pg_prepared_statements"); got != "s=select 'a2'" {
		t.Errorf("a sees prepared statements %q", got)
	}
	run(b, "b")
	exec(t, b, "discard all")
	if err := b.PgConn().ExecPrepared(ctx, "s", nil, nil, nil).Read().Err; code(err) != "26000" {
		t.Errorf("after DISCARD ALL: %v", err)
	}
	run(a, "a2")
}

func TestSequencesAreTheSessions(t *testing.T) {
	c := openCluster(t, nil)
	a, b := connect(t, c, nil), connect(t, c, nil)
	exec(t, a, "create sequence s; create sequence s2 cache 10")
	value(t, a, "select nextval('s')")
	if _, err := b.Exec(t.Context(), "select currval('s')"); code(err) != "55000" {
		t.Errorf("currval of another's nextval: %v", err)
	}
	if _, err := b.Exec(t.Context(), "select lastval()"); code(err) != "55000" {
		t.Errorf("lastval of another's nextval: %v", err)
	}
	if got := value(t, b, "select nextval('s')"); got != "2" {
		t.Errorf("nextval is %s", got)
	}
	if got := value(t, a, "select currval('s') || '/' || lastval()"); got != "1/1" {
		t.Errorf("a's currval and lastval are %s", got)
	}
	got := []string{value(t, a, "select nextval('s2')"), value(t, b, "select nextval('s2')"), value(t, a, "select nextval('s2')"), value(t, b, "select lastval()")}
	if s := strings.Join(got, " "); s != "1 11 2 11" {
		t.Errorf("cached sequence gives %s", s)
	}
}

func TestPinnedBackendFailsOthersAfterTimeout(t *testing.T) {
	for name, pin := range map[string][2]string{
		"transaction":        {"begin", "rollback"},
		"temp table":         {"create temp table x(a int)", "discard temp"},
		"listen":             {"listen x", "unlisten *"},
		"advisory lock":      {"select pg_advisory_lock(1)", "select pg_advisory_unlock(1)"},
		"held cursor":        {"begin; declare c cursor with hold for select 1; commit", "close c"},
		"sql prepare":        {"prepare p as select 1", "deallocate p"},
		"failed transaction": {"begin; select 1/0", "rollback"},
	} {
		t.Run(name, func(t *testing.T) {
			c := openCluster(t, func(o *pglite.Options) { o.QueueTimeout = 100 * time.Millisecond })
			a, b := connect(t, c, nil), connect(t, c, nil)
			_, _ = a.Exec(t.Context(), pin[0])
			if _, err := b.Exec(t.Context(), "select 1"); code(err) != "53300" {
				t.Errorf("beside %s: %v", name, err)
			}
			if pin[0] == "create temp table x(a int)" {
				// a temporary schema stays the backend's until its session ends
				_ = a.Close(t.Context())
			} else {
				exec(t, a, pin[1])
			}
			deadline := time.Now().Add(10 * time.Second)
			for {
				_, err := b.Exec(t.Context(), "select 1")
				if err == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("after %s: %v", pin[1], err)
				}
			}
		})
	}
}

func TestLeaveRollsBack(t *testing.T) {
	c := openCluster(t, nil)
	a := connect(t, c, nil)
	exec(t, a, "create table t(a int)")
	for name, leave := range map[string]string{
		"transaction": "begin; insert into t values(1)",
		"temp":        "create temp table x(a int); set work_mem='1MB'; listen y; select pg_advisory_lock(3)",
	} {
		b := connect(t, c, nil)
		exec(t, b, leave)
		_ = b.PgConn().Conn().Close() // without a Terminate
		if got := value(t, a, "select count(*) || '/' || current_setting('work_mem') || '/' || (select count(*) from pg_locks where locktype='advisory') || '/' || (select count(*) from pg_class where relname='x') from t"); got != "0/4MB/0/0" {
			t.Errorf("%s left %s behind", name, got)
		}
	}
}

func TestRolesAreReal(t *testing.T) {
	c := openCluster(t, nil)
	a := connect(t, c, nil)
	exec(t, a, `create role app login; create role nologin; create table secret(a int); alter role app set work_mem='3MB'; `)
	exec(t, a, "create database other")
	exec(t, a, "revoke connect on database other from public")
	b := connect(t, c, func(cfg *pgx.ConnConfig) { cfg.User = "app" })
	if got := value(t, b, "select concat_ws('/', session_user, current_user, current_setting('is_superuser'), current_setting('work_mem'))"); got != "app/app/off/3MB" {
		t.Errorf("app is %s", got)
	}
	for sql, want := range map[string]string{
		"select * from secret":                              "42501",
		"set session authorization postgres":                "42501",
		"set role postgres":                                 "42501",
		"copy (select 1) to '/tmp/x'":                       "42501",
		"reset session authorization; select * from secret": "42501",
		"alter system set work_mem = '1MB'":                 "42501",
	} {
		if _, err := b.Exec(t.Context(), sql); code(err) != want {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, x := range []struct{ user, db, want string }{
		{"nobody", "postgres", "28000"}, {"nologin", "postgres", "28000"},
		{"app", "nowhere", "3D000"}, {"app", "template0", "55000"}, {"app", "other", "42501"},
	} {
		cfg, _ := driver.ConnConfig(c)
		cfg.User, cfg.Database = x.user, x.db
		if _, err := pgx.ConnectConfig(t.Context(), cfg); code(err) != x.want {
			t.Errorf("%s to %s: %v", x.user, x.db, err)
		}
	}
	d := connect(t, c, func(cfg *pgx.ConnConfig) { cfg.Database = "other" })
	if got := value(t, d, "select current_database()"); got != "other" {
		t.Errorf("database is %s", got)
	}
	if got := value(t, a, "select current_database()"); got != "postgres" {
		t.Errorf("database is %s", got)
	}
}

func TestTimeouts(t *testing.T) {
	c := openCluster(t, nil)
	for name, x := range map[string]struct{ sql, want string }{
		"statement, sleeping": {"set statement_timeout = 30; select pg_sleep(10)", "57014"},
		"statement, running":  {"set statement_timeout = 30; select count(*) from generate_series(1, 1000000000)", "57014"},
		"transaction":         {"set transaction_timeout = 30; begin; select pg_sleep(10)", "25P04"},
		"terminate oneself":   {"select pg_terminate_backend(pg_backend_pid())", "57P01"},
		"cancel oneself":      {"select pg_cancel_backend(pg_backend_pid()), pg_sleep(10)", "57014"},
	} {
		conn := connect(t, c, nil)
		if _, err := conn.Exec(t.Context(), x.sql); code(err) != x.want {
			t.Errorf("%s: %v", name, err)
		}
		_ = conn.Close(t.Context())
	}
	idle := connect(t, c, nil)
	exec(t, idle, "set idle_in_transaction_session_timeout = 30; begin")
	var err error
	for k := 0; k < 100 && err == nil; k++ {
		time.Sleep(20 * time.Millisecond)
		err = idle.PgConn().CheckConn()
	}
	if _, err := idle.Exec(t.Context(), "select 1"); err == nil {
		t.Error("an idle transaction outlives its timeout")
	}
	if got := value(t, connect(t, c, nil), "select 1"); got != "1" {
		t.Error("the cluster is gone")
	}
}

func TestCancel(t *testing.T) {
	c := openCluster(t, nil)
	conn := connect(t, c, nil)
	for _, sql := range []string{"select pg_sleep(100)", "select count(*) from generate_series(1, 10000000000)"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		mrr := conn.PgConn().Exec(context.Background(), sql)
		stop := context.AfterFunc(ctx, func() { _ = conn.PgConn().CancelRequest(context.Background()) })
		_, err := mrr.ReadAll()
		stop()
		cancel()
		if code(err) != "57014" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if got := value(t, conn, "select 1"); got != "1" {
		t.Error("the session did not survive")
	}
}

func TestCopyBothWays(t *testing.T) {
	c := openCluster(t, nil)
	a := connect(t, c, nil)
	exec(t, a, "create table t(a int, b text)")
	const n = 200_000
	rows := n
	r := pgx.CopyFromFunc(func() ([]any, error) {
		if rows == 0 {
			return nil, nil
		}
		rows--
		return []any{rows, "some text that is copied in"}, nil
	})
	if got, err := a.CopyFrom(t.Context(), pgx.Identifier{"t"}, []string{"a", "b"}, r); err != nil || got != n {
		t.Fatalf("copied %d: %v", got, err)
	}
	count := 0
	w := writerFunc(func(p []byte) (int, error) { count += strings.Count(string(p), "\n"); return len(p), nil })
	if _, err := a.PgConn().CopyTo(t.Context(), w, "copy t to stdout"); err != nil || count != n {
		t.Fatalf("copied %d out: %v", count, err)
	}
	_, err := a.PgConn().CopyFrom(t.Context(), strings.NewReader("1\tx\nfoo\ty\n"), "copy t from stdin")
	if code(err) != "22P02" {
		t.Errorf("bad data: %v", err)
	}
	_, err = a.PgConn().CopyFrom(t.Context(), io.MultiReader(strings.NewReader("1\tx\n"), errReader{}), "copy t from stdin")
	if code(err) != "57014" {
		t.Errorf("a client that gives up: %v", err)
	}
	if got := value(t, a, "select count(*) from t"); got != fmt.Sprint(n) {
		t.Errorf("%s rows", got)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("given up") }

func TestHugeValues(t *testing.T) {
	c := openCluster(t, nil)
	a := connect(t, c, nil)
	const n = 100 << 20
	if got := len(value(t, a, fmt.Sprintf("select repeat('x', %d)", n))); got != n {
		t.Errorf("got %d bytes", got)
	}
	r := a.PgConn().ExecParams(t.Context(), "select length($1)", [][]byte{[]byte(strings.Repeat("y", n))}, []uint32{25}, nil, nil).Read()
	if r.Err != nil || string(r.Rows[0][0]) != fmt.Sprint(n) {
		t.Errorf("%v %v", r.Rows, r.Err)
	}
}

func TestPIDsAreTheSessions(t *testing.T) {
	c := openCluster(t, nil)
	a, b := connect(t, c, nil), connect(t, c, nil)
	for _, conn := range []*pgx.Conn{a, b, a} {
		want := fmt.Sprint(conn.PgConn().PID())
		for _, sql := range []string{
			"select pg_backend_pid()",
			"select pid from pg_stat_activity where state = 'active'",
			"select distinct pid from pg_locks",
		} {
			if got := value(t, conn, sql); got != want {
				t.Errorf("%s: %s, the client was told %s", sql, got, want)
			}
		}
	}
}

func TestNotifySelf(t *testing.T) {
	c := openCluster(t, nil)
	a := connect(t, c, nil)
	exec(t, a, "listen ch; notify ch, 'hello'")
	n, err := a.WaitForNotification(t.Context())
	if err != nil || n.Payload != "hello" || n.PID != a.PgConn().PID() {
		t.Errorf("%v %v", n, err)
	}
}
