package pglite_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// What a client without a backend looks like to others must be what a native
// server's idle client does. Here there is one backend, so whoever is asked about
// has none.

// connector opens connections to a server by role and database.
type connector func(t *testing.T, role, db string) *pgx.Conn

func oneBackend(t *testing.T) connector {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 1 })
	return func(t *testing.T, role, db string) *pgx.Conn {
		return connect(t, c, func(cfg *pgx.ConnConfig) { cfg.User, cfg.Database = role, db })
	}
}

func nativeServer(t *testing.T) connector {
	n := need.StartNative(t)
	return func(t *testing.T, role, db string) *pgx.Conn {
		t.Helper()
		cfg, err := pgx.ParseConfig(n.URL(db) + "&default_query_exec_mode=simple_protocol")
		if err != nil {
			t.Fatal(err)
		}
		cfg.User = role
		conn, err := pgx.ConnectConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		return conn
	}
}

// asNative plays a script on a native server and here, and compares what it has said.
func asNative(t *testing.T, play func(t *testing.T, open connector) []string) {
	t.Helper()
	var want, got []string
	t.Run("servers", func(t *testing.T) {
		t.Run("native", func(t *testing.T) { t.Parallel(); want = play(t, nativeServer(t)) })
		t.Run("here", func(t *testing.T) { t.Parallel(); got = play(t, oneBackend(t)) })
	})
	if want == nil || t.Failed() {
		return // the native server is missing, which has been said
	}
	for k := range max(len(got), len(want)) {
		if k >= len(got) || k >= len(want) || got[k] != want[k] {
			t.Fatalf("here:\n\t%s\nnative:\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
}

// says is what a statement answers: its rows, or its error.
func says(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil {
		var e *pgconn.PgError
		if !errors.As(err, &e) {
			return "lost"
		}
		return strings.Join([]string{e.Severity, e.Code, e.Message, e.Detail}, "|")
	}
	var rows []string
	for _, r := range results {
		for _, row := range r.Rows {
			var fields []string
			for _, v := range row {
				if v == nil {
					fields = append(fields, "NULL")
				} else {
					fields = append(fields, string(v))
				}
			}
			rows = append(rows, strings.Join(fields, "|"))
		}
	}
	return strings.Join(rows, ";")
}

// farewell is the last word to a client that has asked for nothing.
func farewell(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := conn.PgConn().ReceiveMessage(ctx)
	return code(err)
}

func TestAbsentIsSeen(t *testing.T) {
	asNative(t, func(t *testing.T, open connector) (said []string) {
		control := open(t, "postgres", "postgres")
		exec(t, control, "create role plain login; create role other login")
		exec(t, control, "create database side")
		busy, fresh, side, plain := open(t, "postgres", "postgres"), open(t, "postgres", "postgres"), open(t, "postgres", "side"), open(t, "plain", "postgres")
		exec(t, busy, "set application_name = 'the \"app\"'; create table t (a int)")
		exec(t, busy, "begin; insert into t values (1)")
		exec(t, busy, "commit")
		exec(t, side, "select 'what side has asked'")
		_, _ = plain.Exec(t.Context(), "select 1/0")
		watch := open(t, "other", "postgres")
		// A native one waits for its client a moment after it has answered.
		reach(t, control, "select count(*) from pg_stat_activity where wait_event = 'ClientRead'", "5")
		see := `select datname, usename, application_name, state, query, wait_event_type, wait_event, backend_type, leader_pid, query_id, backend_xid, backend_xmin,
			xact_start, backend_start <= clock_timestamp(), state_change between backend_start and clock_timestamp(), query_start between backend_start and state_change
			from pg_stat_activity where pid = %d`
		for _, who := range []*pgx.Conn{busy, fresh, side, plain} {
			pid := who.PgConn().PID()
			said = append(said, says(t, control, fmt.Sprintf(see, pid)))
			said = append(said, says(t, watch, fmt.Sprintf(see, pid)))
			said = append(said, says(t, control, fmt.Sprintf(`select pg_stat_get_backend_pid(id) = %d, pg_stat_get_backend_activity(id), pg_stat_get_backend_wait_event(id),
				pg_stat_get_backend_start(id) = (select backend_start from pg_stat_activity where pid = %[1]d)
				from pg_stat_get_backend_idset() id where pg_stat_get_backend_pid(id) = %[1]d`, pid)))
		}
		said = append(said,
			says(t, control, "select datname, numbackends from pg_stat_database where datname in ('side', 'postgres') order by 1"),
			says(t, control, "select count(*), count(distinct pid), count(state) from pg_stat_activity where backend_type = 'client backend'"),
			says(t, control, "select count(*) from pg_stat_get_activity("+fmt.Sprint(side.PgConn().PID())+")"),
			says(t, control, "select count(*) from pg_stat_get_activity(1)"),
		)
		// Twice in one transaction it is the same.
		exec(t, control, "begin; select count(*) from pg_stat_activity")
		_ = side.Close(t.Context())
		said = append(said, says(t, control, "select count(*) from pg_stat_activity where datname = 'side'"))
		exec(t, control, "commit")
		reach(t, control, "select count(*) from pg_stat_activity where datname = 'side'", "0")
		return said
	})
}

// TestAbsentGoesOn: what pg_stat_activity says of a session stays what it was when
// it moves, and when the host looks for something in its backend.
func TestAbsentGoesOn(t *testing.T) {
	open := oneBackend(t)
	a, b := open(t, "postgres", "postgres"), open(t, "postgres", "postgres")
	mine := "select backend_start, pg_backend_pid() = pid from pg_stat_activity where pid = " + fmt.Sprint(a.PgConn().PID())
	first := says(t, a, mine)
	for range 3 {
		exec(t, b, "select 'b'")
		if got := says(t, a, mine); got != first {
			t.Errorf("it says %s, at first %s", got, first)
		}
	}
	if _, err := a.Prepare(t.Context(), "p", "select 1"); err != nil {
		t.Fatal(err)
	}
	exec(t, a, "deallocate p")
	want := "deallocate p"
	if got := says(t, b, "select query from pg_stat_activity where pid = "+fmt.Sprint(a.PgConn().PID())); got != want {
		t.Errorf("its query is %q, want %q", got, want)
	}
}

// TestAbsentEnds: cancel and terminate reach a session by its pid, with Postgres'
// privileges.
func TestAbsentEnds(t *testing.T) {
	asNative(t, func(t *testing.T, open connector) (said []string) {
		control := open(t, "postgres", "postgres")
		exec(t, control, "create role one login; create role two login; create role signal login; grant pg_signal_backend to signal")
		super, one, two := open(t, "postgres", "postgres"), open(t, "one", "postgres"), open(t, "two", "postgres")
		as := map[string]*pgx.Conn{"one": open(t, "one", "postgres"), "two": two, "signal": open(t, "signal", "postgres")}
		for _, who := range []string{"one", "two", "signal"} {
			for _, call := range []string{"pg_terminate_backend(%d)", "pg_cancel_backend(%d)"} {
				said = append(said, who, says(t, as[who], fmt.Sprintf("select "+call, super.PgConn().PID())))
			}
		}
		said = append(said, says(t, two, fmt.Sprintf("select pg_terminate_backend(%d)", one.PgConn().PID())))
		said = append(said, says(t, super, "select 'super lives'"), says(t, one, "select 'one lives'"))
		exec(t, control, "select 1")
		said = append(said, says(t, control, fmt.Sprintf("select pg_cancel_backend(%d)", one.PgConn().PID())), says(t, one, "select 'one lives'"))
		said = append(said, says(t, control, fmt.Sprintf("select pg_terminate_backend(%d, 20000)", one.PgConn().PID())), farewell(t, one))
		said = append(said, says(t, as["signal"], fmt.Sprintf("select pg_terminate_backend(%d, 20000)", two.PgConn().PID())), farewell(t, two))
		said = append(said, says(t, control, fmt.Sprintf("select pg_terminate_backend(%d)", super.PgConn().PID())), farewell(t, super))
		reach(t, control, "select count(*) from pg_stat_activity where backend_type = 'client backend'", "3")
		return said
	})
}

// TestAbsentUsesDatabase: it is in the way of who drops, copies or renames the
// database, unless by force.
func TestAbsentUsesDatabase(t *testing.T) {
	asNative(t, func(t *testing.T, open connector) (said []string) {
		control := open(t, "postgres", "postgres")
		exec(t, control, "create role owner login createdb; create role guest login")
		owner := open(t, "owner", "postgres")
		exec(t, owner, "create database side")
		guest, super := open(t, "guest", "side"), open(t, "postgres", "side")
		exec(t, guest, "select 1")
		exec(t, super, "select 1")
		exec(t, control, "select 1")
		said = append(said, says(t, control, "drop database side"))
		said = append(said, says(t, owner, "drop database side with (force)"), says(t, super, "select 'super lives'"), says(t, guest, "select 'guest lives'"))
		exec(t, control, "select 1")
		_ = super.Close(t.Context())
		reach(t, control, "select count(*) from pg_stat_activity where datname = 'side'", "1")
		said = append(said, says(t, owner, "drop database side with (force)"), says(t, guest, "select 'guest lives'"))
		exec(t, control, "select 1")
		if need.Choose(0, 1) > 0 { // another 5 s
			said = append(said, says(t, control, "alter database side rename to other"))
		}
		exec(t, control, "select 1")
		said = append(said, says(t, control, "drop database side with (force)"), farewell(t, guest))
		said = append(said, says(t, control, "select count(*) from pg_database where datname = 'side'"))
		return said
	})
}

// TestAbsentWaits: who waits for a backend is seen to, and gives up when it is
// cancelled or terminated.
func TestAbsentWaits(t *testing.T) {
	c := openCluster(t, nil)
	holder, waiter := connect(t, c, nil), connect(t, c, nil)
	exec(t, waiter, "select 1")
	exec(t, holder, "begin")
	pid := waiter.PgConn().PID()
	for _, end := range []struct{ call, want string }{{"pg_cancel_backend", "57014"}, {"pg_terminate_backend", "57P01"}} {
		answer := make(chan error, 1)
		go func() {
			_, err := waiter.Exec(context.Background(), "create table never (a int)")
			answer <- err
		}()
		want := [][]string{{"active", "<waiting for a backend>", "Extension", "Extension"}}
		see := fmt.Sprintf("select state, query, wait_event_type, wait_event from pg_stat_activity where pid = %d", pid)
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			got, err := c.AsHost(t.Context(), see)
			if err != nil {
				t.Fatal(err)
			}
			if slices.EqualFunc(got, want, slices.Equal[[]string]) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("it is seen as %q", got)
			}
		}
		if _, err := c.AsHost(t.Context(), fmt.Sprintf("select %s(%d)", end.call, pid)); err != nil {
			t.Fatal(err)
		}
		if err := <-answer; code(err) != end.want {
			t.Errorf("%s gives %v", end.call, err)
		}
	}
	exec(t, holder, "commit")
	if got := value(t, holder, "select count(*) from pg_class where relname = 'never'"); got != "0" {
		t.Error("a statement has run that was given up")
	}
}

// TestAbsentIdleTimeout: who has been idle for too long ends, whoever has its
// backend, and who is at work does not.
func TestAbsentIdleTimeout(t *testing.T) {
	open := oneBackend(t)
	idle, busy, other := open(t, "postgres", "postgres"), open(t, "postgres", "postgres"), open(t, "postgres", "postgres")
	exec(t, idle, "set idle_session_timeout = '1s'")
	exec(t, busy, "set idle_session_timeout = '1min'")
	exec(t, other, "select 1")
	if got := farewell(t, idle); got != "57P05" {
		t.Errorf("the idle one gets %s", got)
	}
	if got := value(t, busy, "select 1"); got != "1" {
		t.Errorf("the other gets %s", got)
	}
	reach(t, other, "select count(*) from pg_stat_activity where backend_type = 'client backend'", "2")

	// Who waits for a backend is not idle.
	exec(t, busy, "set idle_session_timeout = '1s'")
	exec(t, other, "begin")
	answer := make(chan error, 1)
	go func() {
		_, err := busy.Exec(context.Background(), "select 1; set idle_session_timeout = 0")
		answer <- err
	}()
	time.Sleep(1500 * time.Millisecond)
	exec(t, other, "commit")
	if err := <-answer; err != nil {
		t.Errorf("after a wait: %v", err)
	}
}

// TestAbsentLoad: a library that a session has loaded is there wherever it goes.
func TestAbsentLoad(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 2 })
	a, b, d := connect(t, c, nil), connect(t, c, nil), connect(t, c, nil)
	exec(t, b, "begin") // has one backend
	exec(t, a, "load 'auto_explain'")
	exec(t, a, "set auto_explain.log_min_duration = 7")
	exec(t, d, "begin") // has the other
	exec(t, b, "commit; do $$ begin end $$")
	if got := says(t, a, "select setting, context from pg_settings where name = 'auto_explain.log_min_duration'"); got != "7|superuser" {
		t.Errorf("in another backend: %q", got)
	}
	exec(t, d, "commit")
	if got := says(t, d, "select setting from pg_settings where name = 'auto_explain.log_min_duration'"); got != "-1" && got != "" {
		t.Errorf("for another session: %q", got)
	}
}

// TestConnectionLimits: a session counts for its role and database as long as it
// lasts, whatever their names become.
func TestConnectionLimits(t *testing.T) {
	asNative(t, func(t *testing.T, open connector) (said []string) {
		control := open(t, "postgres", "postgres")
		exec(t, control, "create role few login connection limit 2; create role many login")
		exec(t, control, "create database small connection limit 2")
		refused := func(role, db string) string {
			cfg := control.Config().Copy()
			cfg.User, cfg.Database = role, db
			conn, err := pgx.ConnectConfig(t.Context(), cfg)
			if err != nil {
				var e *pgconn.PgError
				if !errors.As(err, &e) {
					t.Fatal(err)
				}
				return e.Code + " " + e.Message
			}
			_ = conn.Close(t.Context())
			return "let in"
		}
		a, _ := open(t, "few", "postgres"), open(t, "few", "postgres")
		exec(t, control, "select 1")
		said = append(said, refused("few", "postgres"))
		exec(t, control, "alter role few rename to fewer")
		said = append(said, refused("fewer", "postgres"))
		_ = a.Close(t.Context())
		reach(t, control, "select count(*) from pg_stat_activity where usename = 'fewer'", "1")
		said = append(said, refused("fewer", "postgres"))
		_, b := open(t, "many", "small"), open(t, "postgres", "small")
		said = append(said, refused("many", "small"), refused("postgres", "small"))
		_ = b.Close(t.Context())
		reach(t, control, "select count(*) from pg_stat_activity where datname = 'small'", "1")
		said = append(said, refused("many", "small"))
		return said
	})
}
