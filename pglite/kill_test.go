package pglite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/pglite/wire"
)

// serveVar makes the test binary a server on the directory it names.
const serveVar = "HOWDAH_TEST_SERVE"

// TestServe is the process that other tests kill. It says on stdout why it
// can't serve, or where it does, and ends when its input does.
func TestServe(t *testing.T) {
	dir := os.Getenv(serveVar)
	if dir == "" {
		t.Skip("a process of its own, for other tests")
	}
	c, err := pglite.Open(t.Context(), pglite.Options{Dir: dir})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front, err := wire.New(wire.Options{Cluster: c})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = front.Serve(t.Context(), l) })
	fmt.Println("listening", l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := errors.Join(front.Shutdown(ctx), c.Close(ctx)); err != nil {
		t.Error(err)
	}
	serving.Wait()
}

// server is a process that runs TestServe.
type server struct {
	cmd  *osexec.Cmd
	in   io.Closer
	out  io.Reader
	addr string
}

// startServer waits until the server listens.
func startServer(t *testing.T, dir string) (*server, error) {
	t.Helper()
	s := spawnServer(t, dir)
	line, err := bufio.NewReader(s.out).ReadString('\n')
	if addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening "); ok {
		s.addr = addr
		return s, nil
	}
	s.stop()
	return nil, fmt.Errorf("server says %q: %w", line, err)
}

func spawnServer(t *testing.T, dir string) *server {
	t.Helper()
	s := &server{cmd: osexec.Command(os.Args[0], "-test.run=^TestServe$")}
	s.cmd.Env = append(os.Environ(), serveVar+"="+dir)
	in, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.in = in
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.out = out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// stop asks the server to shut down.
func (s *server) stop() {
	_ = s.in.Close()
	_ = s.cmd.Wait()
}

func (s *server) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, "postgres://postgres@"+s.addr+"/postgres?sslmode=disable")
}

// writer is a client that counts up its own rows.
type writer struct {
	id     int
	acked  int // the last n that was acknowledged
	pinned bool
}

// run writes until the server is gone.
func (w *writer) run(ctx context.Context, s *server) {
	conn, err := s.connect(ctx)
	if err != nil {
		return
	}
	defer conn.Close(ctx)
	if w.pinned {
		if _, err := conn.Exec(ctx, "create temp table mine (n int)"); err != nil {
			return
		}
	}
	for n := w.acked + 1; ; n++ {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "insert into kept values ($1, $2, repeat('x', $3))", w.id, n, n%3000)
			if err == nil {
				_, err = tx.Exec(ctx, "update sums set n = n + 1 where client = $1", w.id)
			}
			return err
		})
		if err != nil {
			return
		}
		w.acked = n
		if n%50 == 0 {
			if _, err := conn.Exec(ctx, "checkpoint"); err != nil {
				return
			}
		}
	}
}

// check compares what a new process has with what was acknowledged: the one
// transaction that was not answered may be there or not.
func (w *writer) check(ctx context.Context, t *testing.T, conn *pgx.Conn) {
	t.Helper()
	var rows, last, sum int
	if err := conn.QueryRow(ctx, `select count(k.n), coalesce(max(k.n), 0), s.n from sums s left join kept k on k.client = s.client
		where s.client = $1 group by s.n`, w.id).Scan(&rows, &last, &sum); err != nil {
		t.Fatal(err)
	}
	if rows != last || sum != rows || rows < w.acked || rows > w.acked+1 {
		t.Errorf("client %d has %d rows up to %d, counted %d; %d were acknowledged", w.id, rows, last, sum, w.acked)
	}
	w.acked = rows
}

// TestKill kills a server under load, again and again, and looks in the next
// one for what was acknowledged.
func TestKill(t *testing.T) {
	rng := rand.New(rand.NewPCG(pickSeed(t), 1))
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "data")
	s, err := startServer(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	writers := []*writer{{id: 1}, {id: 2}, {id: 3}, {id: 4, pinned: true}}
	conn, err := s.connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"create extension amcheck",
		"create table kept (client int, n int, pad text, primary key (client, n))",
		"create table sums (client int primary key, n int)",
		"insert into sums select g, 0 from generate_series(1, 4) g",
	} {
		exec(t, conn, sql)
	}
	kills := need.Size(200)
	for k := range kills {
		if err := conn.Close(ctx); err != nil {
			t.Fatal(err)
		}
		active := writers[:3]
		if k%4 == 3 { // a client that holds the backend is alone
			active = writers[3:]
		}
		var wg sync.WaitGroup
		for _, w := range active {
			wg.Go(func() { w.run(ctx, s) })
		}
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		s.kill()
		wg.Wait()
		if s, err = startServer(t, dir); err != nil {
			t.Fatal(err)
		}
		if conn, err = s.connect(ctx); err != nil {
			t.Fatal(err)
		}
		for _, w := range writers {
			w.check(ctx, t, conn)
		}
		if t.Failed() {
			break
		}
	}
	exec(t, conn, "select bt_index_check(c.oid, true) from pg_class c join pg_am a on a.oid = c.relam where a.amname = 'btree' and c.relkind = 'i'")
	total := 0
	for _, w := range writers {
		total += w.acked
	}
	t.Logf("%d kills, %d transactions", kills, total)
	_ = conn.Close(ctx)
	s.stop()
}
