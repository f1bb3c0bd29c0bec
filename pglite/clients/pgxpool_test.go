package clients_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

func pgxTests() []test {
	return []test{
		{"transfers", testPgxTransfers, fewBackends},
		{"statement cache", testPgxStatementCache, fewBackends},
		{"execution modes", testPgxModes, fewBackends},
		{"schema change", testPgxSchemaChange, fewBackends},
		{"copy", testPgxCopy, fewBackends},
		{"batch", testPgxBatch, fewBackends},
		{"listen", testPgxListen, fewBackends},
		{"cancel", testPgxCancel, 0},
		{"terminate", testPgxTerminate, 0},
		{"session state", testPgxSessionState, 0},
		{"template", testPgxTemplate, 0},
	}
}

// poolSize is the number of connections that a test's pool opens, and fewBackends
// how many backends are to be enough for it where connections hold none.
const (
	poolSize    = 16
	fewBackends = 6
)

func pgxPool(t *testing.T, db database, configure ...func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(db.url("pool_max_conns=" + strconv.Itoa(poolSize)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configure {
		c(config)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// sqlState is the SQLSTATE of an error that the server has sent, otherwise "".
func sqlState(err error) string {
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// acquireAll takes every connection of the pool at once, for the length of t.
func acquireAll(t *testing.T, pool *pgxpool.Pool) []*pgxpool.Conn {
	t.Helper()
	conns := make([]*pgxpool.Conn, poolSize)
	for i := range conns {
		var err error
		if conns[i], err = pool.Acquire(t.Context()); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		t.Cleanup(conns[i].Release)
	}
	return conns
}

func testPgxTransfers(t *testing.T, db database) {
	pool := pgxPool(t, db)
	ctx := t.Context()
	run := func(w *worker, from, to int, amount int64) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			for _, a := range []struct {
				id    int
				delta int64
			}{{from, -amount}, {to, amount}} {
				var balance int64
				if err := tx.QueryRow(ctx, "select balance from account where id = $1 for update", a.id).Scan(&balance); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, "update account set balance = $2 where id = $1", a.id, balance+a.delta); err != nil {
					return err
				}
			}
			return w.maybeRollback()
		})
	}
	total := func() (sum int64, err error) {
		return sum, pool.QueryRow(ctx, "select sum(balance)::int8 from account").Scan(&sum)
	}
	testTransfers(t, db, run, total)
	if open := pool.Stat().TotalConns(); open != poolSize {
		t.Errorf("%d connections were open, want %d", open, poolSize)
	}
}

// testPgxStatementCache overfills the cache of every connection. The names are
// hashes of the SQL, so that all connections prepare the same ones.
func testPgxStatementCache(t *testing.T, db database) {
	const capacity = 8
	pool := pgxPool(t, db, func(c *pgxpool.Config) { c.ConnConfig.StatementCacheCapacity = capacity })
	ctx := t.Context()
	conns := acquireAll(t, pool)
	for round := range 2 * capacity {
		sql := fmt.Sprintf("select $1::int + %d", round)
		for i, conn := range conns {
			var got int
			if err := conn.QueryRow(ctx, sql, i).Scan(&got); err != nil || got != i+round {
				t.Fatalf("connection %d: %s = %d, %v", i, sql, got, err)
			}
		}
	}
	for i, conn := range conns {
		var names []string
		if err := conn.QueryRow(ctx, "select array_agg(name order by statement) from pg_prepared_statements where statement like 'select $1::int%'",
			pgx.QueryExecModeExec).Scan(&names); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		if len(names) != capacity {
			t.Errorf("connection %d has %d statements prepared, want %d", i, len(names), capacity)
		}
	}
}

func testPgxModes(t *testing.T, db database) {
	pool := pgxPool(t, db)
	ctx := t.Context()
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		now := time.Now().Truncate(time.Microsecond)
		var (
			n    int64
			text string
			at   time.Time
			list []int32
			none *string
		)
		err := pool.QueryRow(ctx, "select $1::int8 * 2, $2::text || '!', $3::timestamptz, $4::int4[], $5::text",
			mode, int64(21), `quo'te\`, now, []int32{3, 1, 2}, nil).Scan(&n, &text, &at, &list, &none)
		if err != nil {
			t.Errorf("%v: %v", mode, err)
			continue
		}
		if n != 42 || text != `quo'te\!` || !at.Equal(now) || !slices.Equal(list, []int32{3, 1, 2}) || none != nil {
			t.Errorf("%v: got %d, %q, %v, %v, %v", mode, n, text, at, list, none)
		}
		_, err = pool.Exec(ctx, "select 1 / $1::int", mode, 0)
		if sqlState(err) != "22012" {
			t.Errorf("%v: division by zero gives %v", mode, err)
		}
	}
}

// testPgxSchemaChange changes a table under the statements that every connection
// has prepared: each fails once with 0A000, and pgx prepares it anew.
func testPgxSchemaChange(t *testing.T, db database) {
	pool := pgxPool(t, db)
	ctx := t.Context()
	db.exec(t, "create table item (id int)", "insert into item values (1)")
	conns := acquireAll(t, pool)
	const sql = "select * from item where id = $1"
	for i, conn := range conns {
		if err := conn.QueryRow(ctx, sql, 1).Scan(nil); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	db.exec(t, "alter table item add name text default 'new'")
	for i, conn := range conns {
		var id int
		var name string
		err := conn.QueryRow(ctx, sql, 1).Scan(&id, &name)
		if sqlState(err) != "0A000" {
			t.Errorf("connection %d: after the change: %v", i, err)
		}
		if err := conn.QueryRow(ctx, sql, 1).Scan(&id, &name); err != nil || name != "new" {
			t.Errorf("connection %d: prepared anew: %q, %v", i, name, err)
		}
	}
}

func testPgxCopy(t *testing.T, db database) {
	const rows = 500
	pool := pgxPool(t, db)
	ctx := t.Context()
	db.exec(t, `create table event (worker int, n int8, at timestamptz, body jsonb, raw bytea, tags text[], amount numeric,
		primary key (worker, n))`)
	columns := []string{"worker", "n", "at", "body", "raw", "tags", "amount"}
	source := func(worker, n int) ([]any, error) {
		at := time.Date(2026, 1, 1, 0, 0, n, 0, time.UTC)
		return []any{worker, n, at, map[string]any{"n": n}, []byte{byte(n), 0, 255}, []string{"a,b", strconv.Itoa(n)}, fmt.Sprintf("%d.50", n)}, nil
	}
	inParallel(t, poolSize, func(worker int) error {
		copied, err := pool.CopyFrom(ctx, pgx.Identifier{"event"}, columns,
			pgx.CopyFromSlice(rows, func(n int) ([]any, error) { return source(worker, n) }))
		if err == nil && copied != rows {
			err = fmt.Errorf("copied %d rows", copied)
		}
		if err != nil {
			return err
		}
		// A source that fails ends the COPY, and none of its rows stay.
		broken := errors.New("broken source")
		_, err = pool.CopyFrom(ctx, pgx.Identifier{"event"}, columns, pgx.CopyFromSlice(rows, func(n int) ([]any, error) {
			if n == rows/2 {
				return nil, broken
			}
			return source(worker, rows+n)
		}))
		// pgx gives the error's text to CopyFail and returns what the server says.
		if !errors.Is(err, broken) && sqlState(err) != "57014" {
			return fmt.Errorf("COPY of a broken source: %v", err)
		}
		return nil
	})
	var count, sum int
	var amount string
	if err := pool.QueryRow(ctx, `select count(*), sum((body->>'n')::int), sum(amount)::text from event
		where raw = set_byte('\x0000ff', 0, (n % 256)::int) and tags[2] = n::text`).Scan(&count, &sum, &amount); err != nil {
		t.Fatal(err)
	}
	want := poolSize * rows * (rows - 1) / 2
	if count != poolSize*rows || sum != want || amount != fmt.Sprintf("%d.00", want+poolSize*rows/2) {
		t.Errorf("%d rows with sums %d and %s", count, sum, amount)
	}
}

// testPgxBatch sends batches as one implicit transaction each.
func testPgxBatch(t *testing.T, db database) {
	pool := pgxPool(t, db)
	ctx := t.Context()
	db.exec(t, "create table part (batch int, n int unique)")
	const size = 50
	inParallel(t, poolSize, func(worker int) error {
		good, bad := &pgx.Batch{}, &pgx.Batch{}
		for i := range size {
			good.Queue("insert into part values ($1, $2)", worker, worker*size+i)
			bad.Queue("insert into part values ($1, $2)", -1, -1-worker*size-i)
		}
		var count int
		good.Queue("select count(*) from part where batch = $1", worker).QueryRow(func(row pgx.Row) error { return row.Scan(&count) })
		bad.Queue("insert into part values ($1, $2)", -1, -1-worker*size)
		if err := pool.SendBatch(ctx, good).Close(); err != nil {
			return err
		}
		if count != size {
			return fmt.Errorf("batch saw %d of its rows", count)
		}
		err := pool.SendBatch(ctx, bad).Close()
		if sqlState(err) != "23505" {
			return fmt.Errorf("batch with a duplicate: %v", err)
		}
		return nil
	})
	var count, left int
	if err := pool.QueryRow(ctx, "select count(*), count(*) filter (where batch < 0) from part").Scan(&count, &left); err != nil {
		t.Fatal(err)
	}
	if count != poolSize*size || left != 0 {
		t.Errorf("%d rows, %d of them of failed batches", count, left)
	}
}
