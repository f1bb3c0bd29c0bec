package driver_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
)

// cluster is one in memory that the tests and benchmarks of this package share.
var cluster = sync.OnceValues(func() (*pglite.Cluster, error) {
	return pglite.Open(context.Background(), pglite.Options{})
})

func TestMain(m *testing.M) {
	code := m.Run()
	if c, err := cluster(); err == nil {
		if err := c.Close(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "close:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func open(t testing.TB) *pglite.Cluster {
	t.Helper()
	c, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func connect(t testing.TB) *pgx.Conn {
	t.Helper()
	config, err := driver.ConnConfig(open(t))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func TestSQL(t *testing.T) {
	db, err := sql.Open("howdah", "application_name=here")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("create table t (id int primary key, v text)"); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("insert into t values ($1, $2)", 1, "one"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	var v, app, user string
	if err := db.QueryRow("select v, current_setting('application_name'), current_user from t where id = $1", 1).Scan(&v, &app, &user); err != nil {
		t.Fatal(err)
	}
	if v != "one" || app != "here" || user != "postgres" {
		t.Errorf("got %q, %q, %q", v, app, user)
	}
	_, err = db.Exec("insert into t values (1, 'again')")
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "23505" || pg.ConstraintName != "t_pkey" {
		t.Errorf("duplicate key: %v", err)
	}
	// The cluster is this DB's own, whatever connection of the pool is used.
	db.SetMaxIdleConns(0)
	if err := db.QueryRow("select v from t").Scan(&v); err != nil || v != "one" {
		t.Errorf("after the connections have gone: %q, %v", v, err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Ping(); err == nil {
		t.Error("Ping after Close succeeds")
	}
}

// TestDirectory keeps its data from one DB to the next.
func TestDirectory(t *testing.T) {
	dir := t.TempDir() + "/data base"
	for i, name := range []string{"dir='" + dir + "'", "file://" + strings.ReplaceAll(dir, " ", "%20")} {
		db, err := sql.Open("howdah", name)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if _, err := db.Exec("create table kept as select 42 as v"); err != nil {
				t.Fatal(err)
			}
		}
		var v int
		if err := db.QueryRow("select v from kept").Scan(&v); err != nil || v != 42 {
			t.Errorf("%s: %d, %v", name, v, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenFails(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("howdah", "dir="+file)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // it can be tried again
		if err := db.Ping(); err == nil || !strings.Contains(err.Error(), "open cluster") {
			t.Errorf("a file as data directory: %v", err)
		}
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if _, err := sql.Open("howdah", "nonsense"); err == nil {
		t.Error("a bad data source name is accepted")
	}
}

func TestPool(t *testing.T) {
	config, err := driver.PoolConfig(open(t))
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 8
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 20 {
				var sum int
				if err := pool.QueryRow(t.Context(), "select $1::int + $2::int", i, j).Scan(&sum); err != nil || sum != i+j {
					t.Errorf("%d + %d = %d, %v", i, j, sum, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestCancel(t *testing.T) {
	conn := connect(t)
	started := connect(t)
	done := make(chan error)
	go func() {
		_, err := conn.Exec(t.Context(), "select pg_sleep(3600)")
		done <- err
	}()
	// The request may come before the statement; then it does nothing.
	for {
		if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Code != "57014" {
				t.Errorf("got %v", err)
			}
			if err := conn.Ping(t.Context()); err != nil {
				t.Errorf("after the cancel: %v", err)
			}
			if err := started.Ping(t.Context()); err != nil {
				t.Errorf("another session: %v", err)
			}
			return
		default:
		}
	}
}

// TestContext gives up a statement by its context, which ends the connection.
func TestContext(t *testing.T) {
	conn := connect(t)
	if _, err := conn.Exec(t.Context(), "begin; create table never (v int)"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan error)
	go func() {
		_, err := conn.Exec(ctx, "select pg_sleep(3600)")
		cancelled <- err
	}()
	cancel()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	conn.Close(context.Background())
	// Close returns before the cancel request, which pgx sends on its own time.
	<-conn.PgConn().CleanupDone()
	var there bool
	if err := connect(t).QueryRow(t.Context(), "select to_regclass('never') is not null").Scan(&there); err != nil || there {
		t.Errorf("what was not committed is there: %v, %v", there, err)
	}
}

// TestCloseRollsBack closes the bare connection in the middle of a statement,
// and leaves no session behind.
func TestCloseRollsBack(t *testing.T) {
	const query = "begin; create table never2 (v int); select pg_sleep(3600);\x00"
	dial := driver.Dial(open(t))
	nc, err := dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(nc, "\x00\x00\x00\x17\x00\x03\x00\x00user\x00postgres\x00\x00")
	r := bufio.NewReader(nc)
	for { // up to ReadyForQuery
		var header [5]byte
		if _, err := io.ReadFull(r, header[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Discard(int(binary.BigEndian.Uint32(header[1:])) - 4); err != nil {
			t.Fatal(err)
		}
		if header[0] == 'Z' {
			break
		}
	}
	io.WriteString(nc, "Q\x00\x00\x00"+string(rune(len(query)+4))+query)
	if err := nc.Close(); err != nil {
		t.Error(err)
	}
	var there bool
	if err := connect(t).QueryRow(t.Context(), "select to_regclass('never2') is not null").Scan(&there); err != nil || there {
		t.Errorf("what was not committed is there: %v, %v", there, err)
	}
}

func TestCopyBothWays(t *testing.T) {
	conn := connect(t)
	if _, err := conn.Exec(t.Context(), "create temp table c (a int, b text)"); err != nil {
		t.Fatal(err)
	}
	const rows = 20000
	n, err := conn.CopyFrom(t.Context(), pgx.Identifier{"c"}, []string{"a", "b"}, pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
		return []any{i, strings.Repeat("x", i%100)}, nil
	}))
	if err != nil || n != rows {
		t.Fatalf("CopyFrom: %d, %v", n, err)
	}
	var out strings.Builder
	if _, err := conn.PgConn().CopyTo(t.Context(), &out, "copy (select * from c order by a) to stdout"); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != rows {
		t.Errorf("%d lines", lines)
	}
}

// TestEnvironment is set up for another server.
func TestEnvironment(t *testing.T) {
	for name, value := range map[string]string{"PGHOST": "nowhere.invalid", "PGUSER": "nobody", "PGDATABASE": "none",
		"PGOPTIONS": "-c no_such=1", "PGSSLMODE": "verify-full", "PGTARGETSESSIONATTRS": "standby", "PGCONNECT_TIMEOUT": "1"} {
		t.Setenv(name, value)
	}
	if err := connect(t).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpenDB(t *testing.T) {
	db, err := driver.OpenDB(open(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := connect(t).Ping(t.Context()); err != nil {
		t.Errorf("the cluster after its DB was closed: %v", err)
	}
}
