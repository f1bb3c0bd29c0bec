package clients_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/howdahdb/howdah/pglite/driver"
)

// sqlTests are those of a pool of database/sql that open makes: of pgx over TCP,
// and on Howdah of pglite/driver too.
func sqlTests(open func(*testing.T, database) *sql.DB) (tests []test) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, db database, pool *sql.DB)

		shared int
	}{
		{"transfers", testSQLTransfers, fewBackends},
		{"serializable", testSQLSerializable, fewBackends},
		{"prepared", testSQLPrepared, fewBackends},
		{"open rows", testSQLOpenRows, 0},
		{"cancel", testSQLCancel, 0},
		{"read only", testSQLReadOnly, fewBackends},
	} {
		tests = append(tests, test{c.name, func(t *testing.T, db database) {
			pool := open(t, db)
			pool.SetMaxOpenConns(poolSize)
			pool.SetMaxIdleConns(poolSize)
			t.Cleanup(func() {
				if err := pool.Close(); err != nil {
					t.Errorf("close the pool: %v", err)
				}
			})
			c.run(t, db, pool)
		}, c.shared})
	}
	return tests
}

func openStdlib(t *testing.T, db database) *sql.DB {
	pool, err := sql.Open("pgx", db.url())
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

func openDriver(t *testing.T, db database) *sql.DB {
	config, err := driver.ConnConfig(db.cluster)
	if err != nil {
		t.Fatal(err)
	}
	config.Database = db.name
	return stdlib.OpenDB(*config)
}

func testSQLTransfers(t *testing.T, db database, pool *sql.DB) {
	ctx := t.Context()
	run := func(w *worker, from, to int, amount int64) (err error) {
		tx, err := pool.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() {
			if end := tx.Rollback(); end != nil && !errors.Is(end, sql.ErrTxDone) {
				err = errors.Join(err, end)
			}
		}()
		for _, a := range []struct {
			id    int
			delta int64
		}{{from, -amount}, {to, amount}} {
			if _, err := tx.ExecContext(ctx, "update account set balance = balance + $2 where id = $1", a.id, a.delta); err != nil {
				return err
			}
		}
		if err := w.maybeRollback(); err != nil {
			return err
		}
		return tx.Commit()
	}
	total := func() (sum int64, err error) {
		return sum, pool.QueryRowContext(ctx, "select sum(balance)::int8 from account").Scan(&sum)
	}
	testTransfers(t, db, run, total)
	if stats := pool.Stats(); stats.OpenConnections != poolSize || stats.InUse != 0 {
		t.Errorf("%d connections are open, %d in use, want %d and none", stats.OpenConnections, stats.InUse, poolSize)
	}
}

// testSQLSerializable lets every transaction read what another writes. Those that
// Postgres refuses are tried again, and the result is that of one after the other.
func testSQLSerializable(t *testing.T, db database, pool *sql.DB) {
	ctx := t.Context()
	db.exec(t, "create table mytab (class int, value int8)", "insert into mytab values (0, 1), (1, 1)")
	once := func(class int) error {
		tx, err := pool.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
		if err != nil {
			return err
		}
		defer tx.Rollback()
		var sum int64
		if err := tx.QueryRowContext(ctx, "select sum(value)::int8 from mytab where class = $1", class).Scan(&sum); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "insert into mytab values ($1, $2)", 1-class, sum); err != nil {
			return err
		}
		return tx.Commit()
	}
	const writers = 4
	inParallel(t, writers, func(n int) error {
		for done := 0; done < 3; {
			err := once(n % 2)
			if state := sqlState(err); state == "40001" || state == "40P01" {
				continue
			}
			if err != nil {
				return err
			}
			done++
		}
		return nil
	})
	// One after the other, each insert is the sum of the other class then.
	rows, err := pool.QueryContext(ctx, "select class, value from mytab order by value, class")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	sums := [2]int64{1, 1}
	var inserted int
	left := make(map[[2]int64]int)
	for rows.Next() {
		var class, value int64
		if err := rows.Scan(&class, &value); err != nil {
			t.Fatal(err)
		}
		left[[2]int64{class, value}]++
		inserted++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	left[[2]int64{0, 1}]--
	left[[2]int64{1, 1}]--
	if inserted -= 2; inserted != writers*3 || !serial(left, sums, inserted) {
		t.Errorf("no order of %d transactions gives these rows: %v", inserted, left)
	}
}

// serial reports whether n more rows follow from sums in some order.
func serial(left map[[2]int64]int, sums [2]int64, n int) bool {
	if n == 0 {
		return true
	}
	for class := range 2 {
		row := [2]int64{int64(1 - class), sums[class]}
		if left[row] == 0 {
			continue
		}
		next := sums
		next[1-class] += sums[class]
		left[row]--
		found := serial(left, next, n-1)
		left[row]++
		if found {
			return true
		}
	}
	return false
}

// testSQLPrepared shares one sql.Stmt, which is prepared on every connection.
func testSQLPrepared(t *testing.T, db database, pool *sql.DB) {
	ctx := t.Context()
	db.exec(t, "create table counter (n int8)", "insert into counter values (0)")
	add, err := pool.PrepareContext(ctx, "update counter set n = n + $1 returning n")
	if err != nil {
		t.Fatal(err)
	}
	defer add.Close()
	const each = 10
	inParallel(t, 2*poolSize, func(int) error {
		for range each {
			var n int64
			if err := add.QueryRowContext(ctx, 1).Scan(&n); err != nil {
				return err
			}
		}
		return nil
	})
	var n int64
	if err := pool.QueryRowContext(ctx, "select n from counter").Scan(&n); err != nil || n != 2*poolSize*each {
		t.Errorf("counter is %d, %v; want %d", n, err, 2*poolSize*each)
	}
}

// testSQLOpenRows reads all connections' results in turn, row by row, each many
// times what a socket buffers.
func testSQLOpenRows(t *testing.T, _ database, pool *sql.DB) {
	ctx := t.Context()
	const count = 200
	open := make([]*sql.Rows, poolSize)
	for i := range open {
		rows, err := pool.QueryContext(ctx, "select g, repeat('x', 20000) from generate_series($1::int, $2::int) g", i, i+count-1)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		open[i] = rows
	}
	for k := range count {
		for i, rows := range open {
			var n int
			var filler sql.RawBytes
			if !rows.Next() {
				t.Fatalf("result %d ends at row %d: %v", i, k, rows.Err())
			}
			if err := rows.Scan(&n, &filler); err != nil || n != i+k || len(filler) != 20000 {
				t.Fatalf("result %d, row %d: %d, %d bytes, %v", i, k, n, len(filler), err)
			}
		}
	}
	for i, rows := range open {
		if rows.Next() || rows.Err() != nil {
			t.Errorf("result %d does not end: %v", i, rows.Err())
		}
	}
}

// testSQLCancel ends a context inside a transaction, whose changes are lost.
func testSQLCancel(t *testing.T, db database, pool *sql.DB) {
	db.exec(t, "create table kept (n int)")
	holder := db.connect(t)
	if _, err := holder.Exec(t.Context(), "select pg_advisory_lock(1)"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, poolSize)
	for range poolSize {
		go func() {
			tx, err := pool.BeginTx(ctx, nil)
			if err != nil {
				done <- err
				return
			}
			if _, err := tx.ExecContext(ctx, "insert into kept values (1)"); err != nil {
				done <- err
				return
			}
			_, err = tx.ExecContext(ctx, "select pg_advisory_xact_lock(1)")
			done <- err
		}()
	}
	db.awaitWaiters(t, poolSize)
	cancel()
	for range poolSize {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled statement: %v", err)
		}
	}
	db.awaitWaiters(t, 0)
	var n int
	if err := pool.QueryRowContext(t.Context(), "select count(*) from kept").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows of cancelled transactions, %v", n, err)
	}
}

func testSQLReadOnly(t *testing.T, db database, pool *sql.DB) {
	ctx := t.Context()
	tx, err := pool.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var before, after []string
	names := func() (list []string) {
		rows, err := tx.QueryContext(ctx, "select relname from pg_class where relnamespace = 'public'::regnamespace")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				t.Fatal(err)
			}
			list = append(list, name)
		}
		return list
	}
	before = names()
	db.exec(t, "create table beside (n int)")
	if after = names(); !slices.Equal(before, after) {
		t.Errorf("a repeatable read sees %v, then %v", before, after)
	}
	if _, err := tx.ExecContext(ctx, "create table mine (n int)"); sqlState(err) != "25006" {
		t.Error(fmt.Errorf("a read-only transaction creates a table: %w", err))
	}
}
