package history_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/pglite/history/internal/elle"
)

// patience only ends a test whose server does not answer, or does not come back.
const patience = 60 * time.Second

// fleet is the clients of a server, as the nemesis sees them.
type fleet struct {
	t     testing.TB
	s     *server
	begun time.Time // of the histories' clock

	mu    sync.Mutex
	conns map[int]*pgx.Conn // by client
	done  int               // transactions so far
}

func newFleet(t testing.TB, s *server) *fleet {
	return &fleet{t: t, s: s, begun: time.Now(), conns: map[int]*pgx.Conn{}}
}

// now is the time on the clock that all clients share.
func (f *fleet) now() time.Duration { return time.Since(f.begun) }

// connect connects as often as it takes: a server that recovers, or isn't there,
// is part of the plan.
func (f *fleet) connect(mode pgx.QueryExecMode) (*pgx.Conn, error) {
	for deadline := time.Now().Add(patience); ; {
		addr := f.s.address()
		cfg, err := pgx.ParseConfig("postgres://postgres@" + addr + "/postgres?sslmode=disable")
		if err != nil {
			return nil, err
		}
		cfg.DefaultQueryExecMode = mode
		cfg.DialFunc = dialLastWord(f.t)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		conn, err := pgx.ConnectConfig(ctx, cfg)
		cancel()
		if err == nil {
			return conn, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("no connection to %s within %v: %w", addr, patience, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// member is one client, on one goroutine. It has a connection most of the time.
type member struct {
	f    *fleet
	id   int
	mode pgx.QueryExecMode
	conn *pgx.Conn
}

// join makes a client. A third of them keeps prepared statements, as pgx does by
// itself, a third sends simple queries.
func (f *fleet) join(id int) *member {
	modes := [...]pgx.QueryExecMode{pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement}
	return &member{f: f, id: id, mode: modes[max(id, 0)%len(modes)]}
}

// ready sees to it that there is a connection outside a transaction.
func (m *member) ready() error {
	if m.conn != nil && !m.conn.IsClosed() {
		if m.conn.PgConn().TxStatus() == 'I' {
			return nil
		}
		if _, err := m.exec("rollback"); err == nil {
			return nil
		}
	}
	m.leave()
	conn, err := m.f.connect(m.mode)
	if err != nil {
		return err
	}
	m.conn = conn
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	m.f.conns[m.id] = conn
	return nil
}

func (m *member) leave() {
	m.f.mu.Lock()
	delete(m.f.conns, m.id)
	m.f.mu.Unlock()
	if m.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = m.conn.Close(ctx) // it may be dead already
		m.conn = nil
	}
}

// finished counts a transaction.
func (f *fleet) finished() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done++
}

func (m *member) exec(sql string, args ...any) (tag pgconn.CommandTag, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tag, err = m.conn.Exec(ctx, sql, args...)
	return tag, m.answered(sql, err)
}

// query gives all rows of a query.
func query[T any](m *member, row pgx.RowToFunc[T], sql string, args ...any) (all []T, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var rows pgx.Rows
	if rows, err = m.conn.Query(ctx, sql, args...); err == nil {
		all, err = pgx.CollectRows(rows, row)
	}
	return all, m.answered(sql, err)
}

// answered makes silence a failure of the test. Everything else may happen.
func (m *member) answered(sql string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		m.f.t.Errorf("client %d: no answer within %v to %s", m.id, patience, sql)
	}
	return err
}

// refused tells an error that leaves the session alive, whose transaction is
// therefore known to be rolled back, from one after which nothing is known.
func refused(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Severity == "ERROR"
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// errNotThisTime makes transact roll back.
var errNotThisTime = errors.New("rolled back by choice")

// transact runs a transaction at a level of isolation, and says how it ended.
// The error is what ended it before its COMMIT, or the refusal of that.
func (m *member) transact(level string, body func() error) (elle.Outcome, error) {
	if _, err := m.exec("begin isolation level " + level); err != nil {
		return elle.Aborted, err
	}
	if err := body(); err != nil {
		if !m.conn.IsClosed() {
			_, _ = m.exec("rollback") // the next ready finds out
		}
		return elle.Aborted, err
	}
	tag, err := m.exec("commit")
	switch {
	case err == nil && tag.String() == "COMMIT":
		return elle.Committed, nil
	case err == nil || refused(err):
		return elle.Aborted, err
	}
	return elle.Unknown, err
}

// outcomeOf is how a statement ended that is a transaction of its own.
func outcomeOf(err error) elle.Outcome {
	switch {
	case err == nil:
		return elle.Committed
	case refused(err):
		return elle.Aborted
	}
	return elle.Unknown
}

// cut closes a connection's socket under its client.
func cut(conn *pgx.Conn, reset bool) {
	nc := conn.PgConn().Conn().(*lastWord).Conn
	if reset {
		_ = nc.(*net.TCPConn).SetLinger(0)
	}
	_ = nc.Close()
}

// run lets clients work side by side until each has ended, and fails t with
// what stops one.
func (f *fleet) run(clients int, work func(*member) error) {
	var wg sync.WaitGroup
	for id := range clients {
		wg.Go(func() {
			m := f.join(id)
			defer m.leave()
			if err := work(m); err != nil {
				f.t.Errorf("client %d: %v", id, err)
			}
		})
	}
	wg.Wait()
}

// must runs SQL on a connection of its own and gives the values of its first
// column.
func (f *fleet) must(sql string) []string {
	f.t.Helper()
	m := f.join(-1)
	defer m.leave()
	if err := m.ready(); err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	results, err := m.conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
	var out []string
	for _, r := range results {
		for _, row := range r.Rows {
			out = append(out, string(row[0]))
		}
	}
	return out
}

// settled waits until nothing runs any more for clients that are gone, and
// nothing is locked by them. A session of theirs may be there, idle: ours keeps
// backends for others.
func (f *fleet) settled() {
	f.t.Helper()
	const left = `select state || ': ' || query from pg_stat_activity
			where backend_type = 'client backend' and state <> 'idle' and pid <> pg_backend_pid()
		union all select locktype || ' ' || mode from pg_locks
			where locktype in ('transactionid', 'tuple', 'relation') and mode <> 'SIReadLock' and pid <> pg_backend_pid()`
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		found := f.must(left)
		if len(found) == 0 {
			return
		}
		if time.Now().After(deadline) {
			f.t.Errorf("of clients that are gone there is still %q", found)
			return
		}
	}
}
