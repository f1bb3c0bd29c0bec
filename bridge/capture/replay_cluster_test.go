package capture_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/bridge/capture"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// crashFunction makes a backend read where no memory is: the function's argument is
// an integer, and it takes it for a pointer. All sessions end, and the next one
// recovers the cluster.
const crashFunction = "create function crash(int) returns int language internal strict as 'textlen'"

// storm is sessions that write at the same time, and crashes.
type storm struct {
	*captured
	seed              uint64
	sessions, rows    int
	messages, crashes int
	crashed           atomic.Int64
	errors            atomic.Int64
}

// run has all sessions send their messages.
func (s *storm) run() {
	s.t.Helper()
	exec(s.t, s.connect(), append([]string{crashFunction}, prepare...)...)
	var all sync.WaitGroup
	for i := range s.sessions {
		all.Go(func() {
			if err := s.session(i); err != nil {
				s.t.Error(err)
			}
		})
	}
	all.Wait()
}

func (s *storm) session(number int) error {
	w := newWriter(s.seed, number)
	w.applied, w.burstRows = true, s.rows
	rng := rand.New(rand.NewPCG(s.seed, 1<<50+uint64(number)))
	var conn *pgx.Conn
	defer func() { conn.Close(context.Background()) }()
	ctx := s.t.Context()
	for k := range s.messages {
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = s.again(w); err != nil {
				return err
			}
		}
		sql := w.next()
		if rng.IntN(s.messages*s.sessions) < s.crashes || number == 0 && k == s.messages/2 && s.crashes > 0 {
			s.crashed.Add(1)
			sql = "select crash(-1)"
		}
		if err := send(ctx, conn, sql); err != nil {
			s.errors.Add(1)
			w.failed()
			_ = send(ctx, conn, "rollback")
		}
	}
	if conn.IsClosed() { // so it has nothing open
		return nil
	}
	_ = send(ctx, conn, w.finish()) // a crash may be first
	return nil
}

func send(ctx context.Context, conn *pgx.Conn, sql string) error {
	_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// again connects, and tells the writer which of its tables are there: of what was
// sent last nobody knows whether it was committed.
func (s *storm) again(w *writer) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for {
		conn, err := pgx.ConnectConfig(ctx, s.config)
		if err == nil {
			if err = w.look(ctx, conn.PgConn()); err == nil {
				return conn, nil
			}
			conn.Close(ctx)
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("session %s does not come back: %w", w.name, err)
		}
	}
}

// look makes the model what the database has.
func (w *writer) look(ctx context.Context, conn *pgconn.PgConn) error {
	w.failed()
	r, err := conn.Exec(ctx, fmt.Sprintf(`select c.relname, coalesce(string_agg(a.attname || '/' || format_type(a.atttypid, a.atttypmod), ',' order by a.attnum) filter (where a.attname <> 'id'), '')
		from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		where c.relkind = 'r' and c.relname like '%s\_%%' group by c.oid, c.relname order by c.relname`, w.name)).ReadAll()
	if err != nil {
		return err
	}
	w.tables = w.tables[:0]
	for _, row := range r[0].Rows {
		t := table{name: string(row[0]), next: 1}
		if err := t.take(string(row[1])); err != nil {
			return err
		}
		r, err := conn.Exec(ctx, "select coalesce(max(id), 0) + 1 from "+t.name).ReadAll()
		if err != nil {
			return err
		}
		if _, err := fmt.Sscan(string(r[0].Rows[0][0]), &t.next); err != nil {
			return err
		}
		w.tables = append(w.tables, t)
	}
	return nil
}

// replay subscribes to the feed from its start, and applies it up to where it ends
// when the writers have.
func (s *storm) replay(ctx context.Context, to *replayed, ended <-chan struct{}) error {
	log := s.capture.Feed()
	sub, err := log.Subscribe(ctx, feed.SubscribeOptions{Database: "postgres", From: feed.Start})
	if err != nil {
		return err
	}
	defer sub.Close()
	for {
		set, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		if err := to.apply(ctx, set); err != nil {
			return err
		}
		sub.Ack(set.LSN)
		if set.More || set.LSN < log.Last() {
			continue
		}
		select {
		case <-ended: // so the log is complete; its end is looked at again
			if set.LSN >= log.Last() {
				return nil
			}
		default:
		}
	}
}

// TestReplay applies what concurrent sessions write through crashes to another
// database, which has the same tables then.
func TestReplay(t *testing.T) {
	server := need.StartNative(t)
	for _, where := range []string{"memory", "directory"} {
		t.Run(where, func(t *testing.T) {
			if testing.Short() && where == "memory" {
				t.Skip("the other one does it, too")
			}
			dir := ""
			if where == "directory" {
				dir = filepath.Join(t.TempDir(), "data")
			}
			c := openCaptured(t, dir, func(o *pglite.Options, co *capture.Options) {
				co.Memory = 1 << 20
				if dir != "" {
					co.Feed = onDisk(filepath.Join(t.TempDir(), "feed"))
				}
			})
			s := &storm{captured: c, seed: seed(t), sessions: 6, rows: need.Choose(80, 4000), messages: need.Choose(100, 3000), crashes: need.Choose(1, 6)}
			if dir != "" && s.messages < 1000 {
				s.messages /= 2 // each waits for its sync
			}
			target := targetDatabase(t, server, where)
			to, ended, done := newReplayed(target), make(chan struct{}), make(chan error, 1)
			go func() { done <- s.replay(t.Context(), to, ended) }()
			s.run()
			if err := c.capture.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			close(ended)
			// One more, so that there is one to come behind the end.
			exec(t, c.connect(), "select pg_logical_emit_message(false, 'the', 'end', true)")
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			t.Logf("%d row changes in %d sets of %d messages of %d sessions, of which %d failed, through %d crashes",
				to.rows, to.sets, s.messages*s.sessions, s.sessions, s.errors.Load(), s.crashed.Load())
			sameLines(t, "tables", contents(t, target), contents(t, c.connect()))
			if to.rows*4 < s.messages*s.sessions {
				t.Error("the workload is none")
			}
		})
	}
}

// onDisk keeps the feed in a folder.
func onDisk(dir string) func(feed.ID, wal.LSN) (*feed.Log, error) {
	return func(id feed.ID, start wal.LSN) (*feed.Log, error) {
		return feed.Open(feed.Options{ID: id, Start: start, Dir: dir})
	}
}

// targetDatabase is a new database with the types of the writers.
func targetDatabase(t *testing.T, server *need.Native, name string) *pgx.Conn {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	exec(t, admin, "create database "+name)
	admin.Close(t.Context())
	conn, err := pgx.Connect(t.Context(), server.URL(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	exec(t, conn, prepare[1:]...)
	return conn
}
