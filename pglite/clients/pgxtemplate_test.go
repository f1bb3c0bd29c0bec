package clients_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// testPgxTemplate makes copies of the test's database, a database for each of
// several workers, as pgtestdb and others do.
func testPgxTemplate(t *testing.T, db database) {
	ctx := t.Context()
	db.exec(t, "create table rows (id serial primary key, v text)",
		"insert into rows (v) select md5(i::text) from generate_series(1, 5000) i", "create index on rows (v)")
	maintenance := database{db.server, "postgres"}.connect(t)
	create := func(name, how string) error {
		_, err := maintenance.Exec(ctx, fmt.Sprintf("create database %s template %s %s", name, db.name, how))
		if err == nil {
			t.Cleanup(func() { database{db.server, "postgres"}.exec(t, "drop database "+name) })
		}
		return err
	}
	// Idle sessions of a pool are in the way, and those that have left are not.
	pool := pgxPool(t, db)
	var taken []*pgxpool.Conn
	for range 3 {
		c, err := pool.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, c)
	}
	for _, c := range taken {
		c.Release()
	}
	// Postgres waits for them, five seconds.
	if _, err := maintenance.Exec(ctx, "set statement_timeout = '500ms'"); err != nil {
		t.Fatal(err)
	}
	if err := create(db.name+"_never", ""); sqlState(err) != "57014" {
		t.Fatalf("a template with sessions gives %v", err)
	}
	if _, err := maintenance.Exec(ctx, "reset statement_timeout"); err != nil {
		t.Fatal(err)
	}
	pool.Close()

	const state = "select count(*) || ' ' || max(id) || ' ' || count(distinct v) from rows"
	var workers sync.WaitGroup
	for k, how := range []string{"", "strategy wal_log", "strategy file_copy"} {
		name := fmt.Sprintf("%s_%d", db.name, k)
		if err := create(name, how); err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		conn := database{db.server, name}.connect(t)
		workers.Go(func() {
			var got string
			if err := conn.QueryRow(ctx, state).Scan(&got); err != nil || got != "5000 5000 5000" {
				t.Errorf("%s has %s, %v", name, got, err)
			}
			if _, err := conn.Exec(ctx, "insert into rows (v) select $1 || i from generate_series(1, $2) i", name, k+1); err != nil {
				t.Error(err)
			}
			want := fmt.Sprintf("%d %[1]d %[1]d", 5000+k+1)
			if err := conn.QueryRow(ctx, state).Scan(&got); err != nil || got != want {
				t.Errorf("%s has %s, %v; want %s", name, got, err, want)
			}
		})
	}
	workers.Wait()
	var got string
	if err := db.connect(t).QueryRow(ctx, state, pgx.QueryExecModeSimpleProtocol).Scan(&got); err != nil || got != "5000 5000 5000" {
		t.Errorf("the template has %s, %v", got, err)
	}
}
