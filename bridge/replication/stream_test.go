package replication_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/wal"
)

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// scalar is the one value of a query.
func scalar(t *testing.T, conn *pgconn.PgConn, sql string) string {
	t.Helper()
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	last := results[len(results)-1]
	if len(last.Rows) == 0 {
		return ""
	}
	return string(last.Rows[0][0])
}

// eventually waits until a query has a value.
func eventually(t *testing.T, conn *pgconn.PgConn, sql, want string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	got := ""
	for time.Now().Before(deadline) {
		if got = scalar(t, conn, sql); got == want {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s is %s after a minute, expected %s", sql, got, want)
}

// TestAcknowledged: a stream goes on after what its subscriber has acknowledged, on
// the same connection and on another one, and the slot in the cluster follows.
func TestAcknowledged(t *testing.T) {
	s := serve(t)
	conn := connect(t, s.url(), "")
	run(t, conn, "create table t (a int primary key)", "create publication p for all tables")
	repl := connect(t, s.url(), "database")
	run(t, repl, "CREATE_REPLICATION_SLOT s LOGICAL pgoutput (SNAPSHOT 'nothing')")
	const start = "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')"
	for round, row := range []string{"1", "2", "3"} {
		run(t, conn, "insert into t values ("+row+")")
		sub, r := subscribe(t, repl, start), newReader()
		var got []string
		var end wal.LSN
		for end == 0 {
			payload := sub.next()
			m, err := r.message(payload)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, m)
			if payload[0] == 'C' {
				end = wal.LSN(beUint64(payload[10:]))
			}
		}
		if want := `I public.t N: a=t"` + row + `"`; !strings.Contains(strings.Join(got, "\n"), want) || len(got) != 4 {
			t.Fatalf("round %d has\n%s\nexpected %s", round, strings.Join(got, "\n"), want)
		}
		sub.status(end)
		sub.stop()
		run(t, repl, "IDENTIFY_SYSTEM")
		eventually(t, conn, "select confirmed_flush_lsn >= '"+end.String()+"' from pg_replication_slots", "t")
		if round == 1 {
			repl = connect(t, s.url(), "database")
		}
	}
}

func beUint64(b []byte) (x uint64) {
	for _, c := range b[:8] {
		x = x<<8 | uint64(c)
	}
	return x
}

// TestForms: the plugin howdah gives sets as package change writes them.
func TestForms(t *testing.T) {
	s := serve(t)
	conn, repl := connect(t, s.url(), ""), connect(t, s.url(), "database")
	run(t, conn, "create table t (a int primary key, b text)", "create table other (a int)", `create table "a,b" (a int)`)
	run(t, repl, "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL howdah")
	run(t, conn, "begin; insert into t values (1, 'one'); insert into other values (1); update t set b = 'uno'; commit", `insert into "a,b" values (1)`)

	sub := subscribe(t, repl, "START_REPLICATION SLOT s LOGICAL 0/0 (format 'cbor', tables 'public.t,\"a,b\"')")
	set, rest, err := new(change.Decoder).Decode(sub.next())
	if err != nil || len(rest) > 0 {
		t.Fatal(err, len(rest))
	}
	if len(set.Changes) != 2 || set.Changes[1].New[1] != "uno" {
		t.Errorf("the set is %+v", set)
	}
	if set, _, err = new(change.Decoder).Decode(sub.next()); err != nil || set.Changes[0].Table.Name != "a,b" {
		t.Errorf("the set is %+v, %v", set, err)
	}
	sub.stop()

	sub = subscribe(t, repl, "START_REPLICATION SLOT s LOGICAL 0/0 (format 'json')")
	for _, want := range []string{"t insert", "other insert", "t update", "a,b insert"} {
		var got struct {
			Kind, Table string
			New         map[string]any
		}
		if err := json.Unmarshal(sub.next(), &got); err != nil {
			t.Fatal(err)
		}
		if got.Table+" "+got.Kind != want || got.New["a"] != 1.0 {
			t.Errorf("the line is %+v, expected %s", got, want)
		}
	}
	sub.stop()

	if got := scalar(t, conn, "select slot_name || ' ' || plugin || ' ' || temporary from pg_replication_slots"); got != "s howdah true" {
		t.Errorf("the slot is %s", got)
	}
	repl.Close(context.Background())
	eventually(t, conn, "select count(*) from pg_replication_slots", "0")
}

// TestTemporary: a temporary slot ends with its connection, however that ends.
func TestTemporary(t *testing.T) {
	s := serve(t)
	conn := connect(t, s.url(), "")
	for name, end := range map[string]func(*pgconn.PgConn){
		"terminate":  func(c *pgconn.PgConn) { c.Close(t.Context()) },
		"hang up":    func(c *pgconn.PgConn) { c.Conn().Close() },
		"in a query": func(c *pgconn.PgConn) { c.Exec(t.Context(), "select pg_sleep(3600)"); c.Conn().Close() },
		"in a stream": func(c *pgconn.PgConn) {
			subscribe(t, c, "START_REPLICATION SLOT s LOGICAL 0/0")
			c.Conn().Close()
		},
		"in a transaction": func(c *pgconn.PgConn) { run(t, c, "begin", "create table t (a int)"); c.Conn().Close() },
		"after an error":   func(c *pgconn.PgConn) { c.Exec(t.Context(), "select 1/0").ReadAll(); c.Conn().Close() },
	} {
		repl := connect(t, s.url(), "database")
		run(t, repl, "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL howdah")
		run(t, repl, "begin isolation level repeatable read read only", "CREATE_REPLICATION_SLOT u TEMPORARY LOGICAL howdah (SNAPSHOT 'use')", "commit")
		end(repl)
		t.Log(name)
		eventually(t, conn, "select count(*) from pg_replication_slots", "0")
	}
}

// TestSlotInUse: a slot has one stream at a time, and is dropped when that has ended.
func TestSlotInUse(t *testing.T) {
	s := serve(t)
	one, other := connect(t, s.url(), "database"), connect(t, s.url(), "database")
	run(t, one, "CREATE_REPLICATION_SLOT s LOGICAL howdah")
	const start = "START_REPLICATION SLOT s LOGICAL 0/0"
	sub := subscribe(t, one, start)
	for _, command := range []string{start, "DROP_REPLICATION_SLOT s"} {
		if _, err := other.Exec(t.Context(), command).ReadAll(); sqlState(err) != "55006" {
			t.Errorf("%s of a slot that is streamed: %v, expected 55006", command, err)
		}
	}
	dropped := make(chan error, 1)
	go func() {
		_, err := other.Exec(t.Context(), "DROP_REPLICATION_SLOT s WAIT").ReadAll()
		dropped <- err
	}()
	sub.stop()
	if err := <-dropped; err != nil {
		t.Error(err)
	}
	if _, err := one.Exec(t.Context(), start).ReadAll(); sqlState(err) != "42704" {
		t.Errorf("a dropped slot: %v, expected 42704", err)
	}
}

// TestRoles: who may not replicate gets no connection in that mode.
func TestRoles(t *testing.T) {
	s := serve(t)
	run(t, connect(t, s.url(), ""), "create role app login", "create role rep login replication")
	for role, want := range map[string]string{"app": "42501", "rep": ""} {
		config, err := pgconn.ParseConfig(strings.Replace(s.url(), "postgres@", role+"@", 1))
		if err != nil {
			t.Fatal(err)
		}
		config.RuntimeParams["replication"] = "database"
		conn, err := pgconn.ConnectConfig(t.Context(), config)
		if sqlState(err) != want {
			t.Errorf("role %s: %v, expected %q", role, err, want)
		}
		if err == nil {
			run(t, conn, "CREATE_REPLICATION_SLOT of_rep LOGICAL pgoutput", "DROP_REPLICATION_SLOT of_rep")
			conn.Close(context.Background())
		}
	}
}

// TestProtocol: what a walsender does not take is refused, and the connection goes on.
func TestProtocol(t *testing.T) {
	s := serve(t)
	conn := connect(t, s.url(), "database")
	if r := conn.ExecParams(t.Context(), "select 1", nil, nil, nil, nil).Read(); sqlState(r.Err) != "08P01" {
		t.Errorf("an extended query: %v, expected 08P01", r.Err)
	}
	run(t, conn, "create table t (a int, b text)")
	tag, err := conn.CopyFrom(t.Context(), strings.NewReader(strings.Repeat("1\tsome text that fills the line\n", 20000)), "copy t from stdin")
	if err != nil || tag.RowsAffected() != 20000 {
		t.Errorf("copy: %v %v", tag, err)
	}
	if _, err := conn.CopyFrom(t.Context(), strings.NewReader(strings.Repeat("no number\tx\n", 20000)), "copy t from stdin"); sqlState(err) != "22P02" {
		t.Errorf("a copy that fails: %v, expected 22P02", err)
	}
	var out strings.Builder
	if _, err := conn.CopyTo(t.Context(), &out, "copy t to stdout"); err != nil || strings.Count(out.String(), "\n") != 20000 {
		t.Errorf("copy to: %d bytes, %v", out.Len(), err)
	}
	if got := scalar(t, conn, "select '"+strings.Repeat("x", 200000)+"' || count(*) from t"); len(got) != 200005 {
		t.Errorf("a long statement gives %d bytes", len(got))
	}
	run(t, conn, "IDENTIFY_SYSTEM")
}

// TestTerminated: pg_terminate_backend ends a stream.
func TestTerminated(t *testing.T) {
	s := serve(t)
	conn, repl := connect(t, s.url(), ""), connect(t, s.url(), "database")
	run(t, repl, "CREATE_REPLICATION_SLOT s LOGICAL howdah")
	pid := scalar(t, repl, "select pg_backend_pid()")
	sub := subscribe(t, repl, "START_REPLICATION SLOT s LOGICAL 0/0")
	run(t, conn, "select pg_terminate_backend("+pid+")")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		if _, err := sub.conn.ReceiveMessage(ctx); err != nil {
			if ctx.Err() != nil {
				t.Error("the stream goes on")
			}
			break
		}
	}
	run(t, connect(t, s.url(), "database"), "DROP_REPLICATION_SLOT s WAIT")
}

// TestTimeout: a subscriber that does not answer is asked to, and then left.
func TestTimeout(t *testing.T) {
	s := serve(t)
	repl := connect(t, s.url(), "database")
	run(t, repl, "set wal_sender_timeout = '300ms'", "CREATE_REPLICATION_SLOT s LOGICAL howdah")
	sub := subscribe(t, repl, "START_REPLICATION SLOT s LOGICAL 0/0")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for asked := false; ; {
		m, err := sub.conn.ReceiveMessage(ctx)
		if err != nil {
			if ctx.Err() != nil || !asked {
				t.Errorf("the stream has ended with %v, asked before: %v", err, asked)
			}
			break
		}
		if data, ok := m.(*pgproto3.CopyData); ok && data.Data[0] == 'k' && data.Data[17] == 1 {
			asked = true
		}
	}
	run(t, connect(t, s.url(), "database"), "DROP_REPLICATION_SLOT s WAIT")
}

// TestShutdown: a server that shuts down does not wait for who streams.
func TestShutdown(t *testing.T) {
	s := serve(t)
	repl := connect(t, s.url(), "database")
	run(t, repl, "CREATE_REPLICATION_SLOT s LOGICAL howdah")
	sub := subscribe(t, repl, "START_REPLICATION SLOT s LOGICAL 0/0")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.front.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	for {
		m, err := sub.conn.ReceiveMessage(ctx)
		if e, ok := m.(*pgproto3.ErrorResponse); ok && e.Code == "57P01" || sqlState(err) == "57P01" {
			return
		}
		if err != nil {
			t.Fatalf("the stream has ended with %v, expected 57P01", err)
		}
	}
}

// TestLost: who comes for what is kept no more is refused, and the operator hears of
// it.
func TestLost(t *testing.T) {
	s := serve(t)
	repl := connect(t, s.url(), "database")
	run(t, repl, "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL howdah")
	_, err := repl.Exec(t.Context(), `START_REPLICATION SLOT s LOGICAL 0/0 ("from" '0/1')`).ReadAll()
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "55000" {
		t.Fatalf("the answer is %v", err)
	}
	for _, want := range []string{`"level":"warn"`, `"slot":"s"`, "stream refused", refused.Message[:20], refused.Detail} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, s.log.String())
		}
	}
}
