package pgtest_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

func count(t testing.TB, db *sql.DB, table string) (n int) {
	t.Helper()
	if err := db.QueryRow("select count(*) from " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestIsolated: tests side by side see nothing of each other, sequences
// included.
func TestIsolated(t *testing.T) {
	for k := range 8 {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t, migrated)
			author := fmt.Sprint("author ", k)
			if _, err := db.SQL().Exec(insertBook, author, "a"); err != nil {
				t.Fatal(err)
			}
			var id int
			var name string
			if err := db.Pool().QueryRow(t.Context(), "select id, name from authors").Scan(&id, &name); err != nil {
				t.Fatal(err)
			}
			if id != 1 || name != author {
				t.Errorf("author %d is %s, want 1, %s", id, name, author)
			}
			if _, err := db.SQL().Exec(fmt.Sprintf("create role only%d", k)); err != nil {
				t.Fatal(err)
			}
			if n := count(t, db.SQL(), "pg_roles where rolname like 'only%'"); n != 1 {
				t.Errorf("%d roles", n)
			}
		})
	}
}

// TestAllWays connects in every way at once.
func TestAllWays(t *testing.T) {
	db := pgtest.New(t, pgtest.WithSettings(pglite.Setting{Name: "work_mem", Value: "7MB"}))
	if _, err := db.SQL().Exec("create table t as select 1 as id"); err != nil {
		t.Fatal(err)
	}
	if err := db.Pool().Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	tcp, err := sql.Open("pgx", db.DSN())
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, tcp, "t"); n != 1 {
		t.Errorf("%d rows", n)
	}
	if err := tcp.Close(); err != nil {
		t.Error(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), db.ConnConfig())
	if err != nil {
		t.Fatal(err)
	}
	var mem string
	if err := conn.QueryRow(t.Context(), "show work_mem").Scan(&mem); err != nil || mem != "7MB" {
		t.Errorf("work_mem is %s, %v", mem, err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if db.DSN() != db.DSN() || db.SQL() != db.SQL() || db.Pool() != db.Pool() {
		t.Error("asked twice, it gives two")
	}
}

// TestExternalProcess gives the address to psql.
func TestExternalProcess(t *testing.T) {
	psql := need.Psql(t)
	db := pgtest.New(t, migrated)
	out, err := exec.CommandContext(t.Context(), psql, db.DSN(), "-Atc", "insert into authors (name) values ('psql') returning name").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "psql\n") {
		t.Errorf("psql: %v: %s", err, out)
	}
	if n := count(t, db.SQL(), "authors"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// TestLeaks: what is left in use fails the test, and does not hang it.
func TestLeaks(t *testing.T) {
	var remote atomic.Pointer[pgx.Conn] // else the garbage collector would close it
	t.Cleanup(func() {
		if conn := remote.Load(); conn != nil {
			conn.Close(context.Background()) // the server has, which is no error here
		}
	})
	for name, c := range map[string]struct {
		leave func(t testing.TB, db *pgtest.DB)
		want  []string
	}{
		"nothing": {func(t testing.TB, db *pgtest.DB) { count(t, db.SQL(), "pg_class") }, nil},
		"rows": {func(t testing.TB, db *pgtest.DB) {
			if _, err := db.SQL().Query("select generate_series(1, 100000)"); err != nil {
				t.Fatal(err)
			}
		}, []string{"a connection is still in use, taken at ", "pgtest_test.go:"}},
		"a transaction": {func(t testing.TB, db *pgtest.DB) {
			count(t, db.SQL(), "pg_class")
			if _, err := db.SQL().Begin(); err != nil {
				t.Fatal(err)
			}
		}, []string{"a connection is still in use, taken at ", "pgtest_test.go:"}},
		"of a pool": {func(t testing.TB, db *pgtest.DB) {
			if _, err := db.Pool().Acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, []string{"a connection is still in use, taken at ", "pgtest_test.go:"}},
		"a connection": {func(t testing.TB, db *pgtest.DB) {
			conn, err := pgx.ConnectConfig(t.Context(), db.ConnConfig())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(t.Context(), "begin; lock pg_class"); err != nil {
				t.Fatal(err)
			}
		}, []string{"a connection is still in use, taken at ", "pgtest_test.go:"}},
		"a statement that runs": {func(t testing.TB, db *pgtest.DB) {
			started := make(chan struct{})
			go func() {
				conn, err := db.SQL().Conn(context.Background())
				close(started)
				if err == nil {
					_, _ = conn.ExecContext(context.Background(), "select pg_sleep(1000)")
				}
			}()
			<-started
		}, []string{"a connection is still in use, taken at ", "pgtest_test.go:"}},
		"over TCP": {func(t testing.TB, db *pgtest.DB) {
			conn, err := pgx.Connect(t.Context(), db.DSN()+"&application_name=left")
			if err != nil {
				t.Fatal(err)
			}
			remote.Store(conn)
			if _, err := conn.Exec(t.Context(), "select 'the last'"); err != nil {
				t.Fatal(err)
			}
		}, []string{"1 clients of DSN() are still connected", "application 'left', idle, last statement: select 'the last'"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said, failed := runFake(t.Name(), func(t testing.TB) { c.leave(t, pgtest.New(t)) })
			if failed != (c.want != nil) {
				t.Errorf("failed: %v; it says %s", failed, said)
			}
			for _, want := range c.want {
				if !strings.Contains(said, want) {
					t.Errorf("it says %q, and not %q", said, want)
				}
			}
		})
	}
}

// TestKeepFailed opens what a failed test has left.
func TestKeepFailed(t *testing.T) {
	dir := t.TempDir()
	run := func(fail bool) string {
		said, failed := runFake("TestX/a b", func(t testing.TB) {
			db := pgtest.New(t, migrated, pgtest.KeepFailed(dir), pgtest.WithSettings(pglite.Setting{Name: "application_name", Value: "it's kept"}))
			if _, err := db.SQL().Exec(insertBook, "Kipling", "Kim"); err != nil {
				t.Fatal(err)
			}
			if fail {
				t.Error("on purpose")
			}
		})
		if failed != fail {
			t.Fatalf("failed: %v; it says %s", failed, said)
		}
		return said
	}
	run(false)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("kept for a test that has not failed: %v, %v", entries, err)
	}
	for _, name := range []string{"TestX_a_b", "TestX_a_b-2"} {
		command := "howdah serve --data-dir " + filepath.Join(dir, name) + ` -c 'application_name=it'\''s kept'`
		if said := run(true); !strings.Contains(said, command) {
			t.Fatalf("it says %q, and not %q", said, command)
		}
	}
	db, err := sql.Open("howdah", "dir="+filepath.Join(dir, "TestX_a_b"))
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, "books where title = 'Kim'"); n != 1 {
		t.Errorf("%d rows are kept", n)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// TestFunc: a function runs once for all tests of the program, and its failure is
// every test's.
func TestFunc(t *testing.T) {
	var runs atomic.Int32
	key := rand.Text()
	fill := pgtest.WithTemplateFunc(key, func(ctx context.Context, db *pgtest.DB) error {
		runs.Add(1)
		if _, err := db.SQL().ExecContext(ctx, "create table t (); create role anna"); err != nil {
			return err
		}
		conn, err := pgx.Connect(ctx, db.DSN())
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "create database other owner anna")
		return err
	})
	t.Run("tests", func(t *testing.T) {
		for k := range 4 {
			t.Run(fmt.Sprint(k), func(t *testing.T) {
				t.Parallel()
				db := pgtest.New(t, fill).SQL()
				if n := count(t, db, "t") + count(t, db, "pg_database where datname = 'other'"); n != 1 {
					t.Errorf("%d", n)
				}
			})
		}
	})
	if n := runs.Load(); n != 1 {
		t.Errorf("ran %d times", n)
	}
	runs.Store(0)
	broken := pgtest.WithTemplateFunc(key+"broken", func(context.Context, *pgtest.DB) error {
		runs.Add(1)
		return errors.New("no migration")
	})
	leaking := pgtest.WithTemplateFunc(key+"leaking", func(_ context.Context, db *pgtest.DB) error {
		runs.Add(1)
		_, err := db.SQL().Begin()
		return err
	})
	for want, o := range map[string]pgtest.Option{
		"pgtest: no migration": broken, "pgtest: a connection is still in use, taken at": leaking,
	} {
		for range 2 {
			said, failed := runFake("TestX", func(t testing.TB) { pgtest.New(t, o) })
			if !failed || !strings.HasPrefix(said, want) {
				t.Errorf("it says %q, want %q", said, want)
			}
		}
	}
	if n := runs.Load(); n != 2 {
		t.Errorf("the broken ones ran %d times", n)
	}
}

// TestFuncEndsTest: a test that ends itself while it makes a template leaves it to
// the next.
func TestFuncEndsTest(t *testing.T) {
	first := true
	o := pgtest.WithTemplateFunc(rand.Text(), func(context.Context, *pgtest.DB) error {
		if first {
			first = false
			runtime.Goexit()
		}
		return nil
	})
	said, failed := runFake("TestX", func(t testing.TB) { pgtest.New(t, o) })
	if said != "" || failed {
		t.Errorf("it says %q", said)
	}
	if said, failed = runFake("TestX", func(t testing.TB) { pgtest.New(t, o).SQL().Ping() }); failed {
		t.Errorf("the second says %q", said)
	}
}

// TestBadTemplate: what is wrong with the files is said with file and line.
func TestBadTemplate(t *testing.T) {
	for want, o := range map[string]pgtest.Option{
		`pgtest: 1.sql:2: relation "nowhere" does not exist (SQLSTATE 42P01); in: insert into nowhere values (1)`: pgtest.WithTemplate(fstest.MapFS{
			"1.sql": {Data: []byte("select 1;\ninsert into nowhere values (1);")},
		}),
		"pgtest: migrations: no migrations: neither *.sql nor */migration.sql": pgtest.WithTemplate(fstest.MapFS{}),
		"pgtest: stat nowhere.sql: no such file or directory":                  pgtest.WithTemplateFile("nowhere.sql"),
		`pgtest: wasm: unknown extension "nothing"`:                            pgtest.WithExtensions("nothing"),
	} {
		said, failed := runFake("TestX", func(t testing.TB) { pgtest.New(t, o) })
		if !failed || !strings.HasPrefix(said, want) {
			t.Errorf("it says %q, want %q", said, want)
		}
	}
}

func TestExtensions(t *testing.T) {
	db := pgtest.New(t, pgtest.WithExtensions("pgvector")).SQL()
	var d float64
	if err := db.QueryRow("select 1 from (select 1) x where exists (select from pg_available_extensions where name = 'vector')").Scan(&d); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("create extension vector; create extension hstore"); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow("select '[1,2]'::vector <-> '[4,6]'").Scan(&d); err != nil || d != 5 {
		t.Errorf("distance %v, %v", d, err)
	}
}
