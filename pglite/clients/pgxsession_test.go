package clients_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

// testPgxSessionState puts settings, temporary tables and SQL-level statements
// into connections and takes them away with DISCARD ALL, as poolers do.
func testPgxSessionState(t *testing.T, db database) {
	pool := pgxPool(t, db)
	ctx := t.Context()
	conns := acquireAll(t, pool)
	for i, conn := range conns {
		for _, sql := range []string{
			fmt.Sprintf("set application_name = 'client %d'", i),
			"create temp table scratch (n int)",
			fmt.Sprintf("insert into scratch values (%d)", i),
			fmt.Sprintf("prepare mine as select %d", i),
		} {
			if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatalf("connection %d: %s: %v", i, sql, err)
			}
		}
	}
	for i, conn := range conns {
		var name string
		var n, m int
		if err := conn.QueryRow(ctx, "select current_setting('application_name'), (select n from scratch)").Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		if err := conn.QueryRow(ctx, "execute mine", pgx.QueryExecModeSimpleProtocol).Scan(&m); err != nil {
			t.Fatal(err)
		}
		if name != fmt.Sprintf("client %d", i) || n != i || m != i {
			t.Errorf("connection %d has %q, %d, %d", i, name, n, m)
		}
		if _, err := conn.Exec(ctx, "discard all", pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
		if err := conn.Conn().DeallocateAll(ctx); err != nil { // pgx's own cache does not know
			t.Fatal(err)
		}
		var left *string
		if err := conn.QueryRow(ctx, "select to_regclass('scratch')::text, current_setting('application_name')").Scan(&left, &name); err != nil {
			t.Fatal(err)
		}
		if left != nil || name != "" {
			t.Errorf("connection %d has %v and %q after DISCARD ALL", i, left, name)
		}
	}
}

func testPgxListen(t *testing.T, db database) {
	const each = 20
	pool := pgxPool(t, db)
	ctx := t.Context()
	listener, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Release()
	if _, err := listener.Exec(ctx, `listen "Event"`); err != nil {
		t.Fatal(err)
	}
	senders := poolSize - 1
	inParallel(t, senders, func(worker int) error {
		for n := range each {
			// One that is rolled back is never delivered.
			err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, `notify "Event", 'lost'`); err != nil {
					return err
				}
				return errRolledBack
			})
			if !errors.Is(err, errRolledBack) {
				return err
			}
			if _, err := pool.Exec(ctx, "select pg_notify('Event', $1)", fmt.Sprintf("%d %d", worker, n)); err != nil {
				return err
			}
		}
		return nil
	})
	next := make([]int, senders)
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for range senders * each {
		n, err := listener.Conn().WaitForNotification(wait)
		if err != nil {
			t.Fatalf("%v; received %v", err, next)
		}
		var worker, k int
		if _, err := fmt.Sscanf(n.Payload, "%d %d", &worker, &k); err != nil || n.Channel != "Event" || n.PID == 0 {
			t.Fatalf("notification %+v", n)
		}
		if k != next[worker] {
			t.Errorf("notification %d of sender %d came when %d was due", k, worker, next[worker])
		}
		next[worker] = k + 1
	}
}

// testPgxCancel ends contexts of statements that wait for a lock: with pgx's
// default, which gives the connection up and cancels its statement behind it,
// and with a cancel request that keeps the connection.
func testPgxCancel(t *testing.T, db database) {
	const lock = "select pg_advisory_lock(1)"
	holder := db.connect(t)
	if _, err := holder.Exec(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	keep := func(c *pgxpool.Config) {
		c.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
			return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: patience}
		}
	}
	for _, c := range []struct {
		pool  *pgxpool.Pool
		state string
	}{{pgxPool(t, db), ""}, {pgxPool(t, db, keep), "57014"}} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, poolSize)
		for range poolSize {
			go func() {
				_, err := c.pool.Exec(ctx, lock)
				done <- err
			}()
		}
		db.awaitWaiters(t, poolSize)
		cancel()
		for range poolSize {
			if err := <-done; err == nil || sqlState(err) != c.state {
				t.Errorf("cancelled statement: %v", err)
			}
		}
		db.awaitWaiters(t, 0)
		inParallel(t, poolSize, func(int) error {
			_, err := c.pool.Exec(t.Context(), "select 1")
			return err
		})
	}
}

// testPgxTerminate ends all of a pool's sessions; the pool replaces them.
func testPgxTerminate(t *testing.T, db database) {
	pool := pgxPool(t, db)
	ctx := t.Context()
	conns := acquireAll(t, pool)
	var pids []int32
	for _, conn := range conns {
		pids = append(pids, int32(conn.Conn().PgConn().PID()))
	}
	if slices.Sort(pids); len(slices.Compact(slices.Clone(pids))) != poolSize {
		t.Errorf("sessions share pids: %v", pids)
	}
	killer := db.connect(t)
	var killed int
	if err := killer.QueryRow(ctx, "select count(*) filter (where pg_terminate_backend(pid)) from unnest($1::int4[]) pid", pids).Scan(&killed); err != nil || killed != poolSize {
		t.Fatalf("terminated %d sessions, %v", killed, err)
	}
	for i, conn := range conns {
		_, err := conn.Exec(ctx, "select 1")
		// The server's last word is lost when it comes before the question.
		if state := sqlState(err); err == nil || state != "57P01" && state != "" {
			t.Errorf("connection %d: after termination: %v", i, err)
		}
		conn.Release()
	}
	inParallel(t, poolSize, func(int) error {
		_, err := pool.Exec(ctx, "select 1")
		return err
	})
}
