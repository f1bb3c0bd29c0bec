package capture_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/capture"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// withPrepared lets transactions be prepared, and leaves vacuum to the test.
func withPrepared(o *pglite.Options, _ *capture.Options) {
	o.NoHousekeeping = true
	o.Settings = append(o.Settings, pglite.Setting{Name: "max_prepared_transactions", Value: "5"})
}

// onDirectory keeps the feed beside the capture's state, and spills as soon as it is
// worth it.
func onDirectory(dir string) func(*pglite.Options, *capture.Options) {
	return func(_ *pglite.Options, co *capture.Options) {
		co.Memory = 1
		co.Feed = onDisk(filepath.Join(dir, "howdah", "feed"))
	}
}

// TestSpilled: transactions that go to files make the same sets.
func TestSpilled(t *testing.T) {
	large := []string{
		"create table large (id int primary key, v text)",
		"begin; insert into large select g, repeat('x', 100) from generate_series(1, 3000) g; savepoint a; insert into large select g, repeat('y', 100) from generate_series(3001, 5000) g; savepoint b; delete from large where id < 1000; rollback to b; update large set v = 'z' where id between 2990 and 3010",
		"release a; insert into large values (0, (select string_agg(md5(g::text), '') from generate_series(1, 9000) g)); commit",
		"begin; insert into large select g, repeat('n', 100) from generate_series(10000, 13000) g; rollback",
		"begin; delete from large where id < 4000; prepare transaction 'p'", "checkpoint", "commit prepared 'p'",
		"begin; alter table large add n int default 7; update large set n = id; alter table large alter n type text; update large set n = n || '!'; commit",
	}
	dir := filepath.Join(t.TempDir(), "data")
	var lines [2][]string
	for i, c := range []*captured{openCaptured(t, "", withPrepared), openCaptured(t, dir, withPrepared, onDirectory(dir))} {
		run(t, c.connect(), large)
		if i == 1 {
			spilled, err := filepath.Glob(filepath.Join(dir, "howdah", "capture", "pending-*"))
			if err != nil || len(spilled) == 0 {
				t.Errorf("nothing has gone to files: %v", err)
			}
		}
		lines[i] = decoding(c.sets("postgres", 0))
	}
	sameLines(t, "spilled", lines[1], lines[0])
	if len(lines[0]) < 10000 {
		t.Errorf("only %d lines", len(lines[0]))
	}
}

// TestRestart stops a cluster again and again, by closing it or as if the machine's
// power had gone (the directory is copied while it runs), amid transactions, some of
// which are prepared. The feed has what one has that was never stopped.
func TestRestart(t *testing.T) {
	const writers = 3
	seed := seed(t)
	rng := rand.New(rand.NewPCG(seed, 1<<41))
	all := interleaved(seed, writers, need.Choose(80, 1200))
	stops := map[int]bool{} // and whether it is a crash
	for k := range need.Choose(2, 40) {
		stops[rng.IntN(len(all))] = k%2 == 0
	}

	reference := openCaptured(t, "", withPrepared)
	p := newPlayer(reference, writers)
	for i, m := range all {
		if _, stop := stops[i]; stop {
			p.prepare(i)
			p.leave()
			p.join(reference)
			p.decide(i)
		}
		p.send(m)
	}
	p.leave()
	want := pagesSorted(decoding(reference.sets("postgres", 0)))

	dir := filepath.Join(t.TempDir(), "0")
	c := openCaptured(t, dir, withPrepared, onDirectory(dir))
	p = newPlayer(c, writers)
	for i, m := range all {
		if crash, stop := stops[i]; stop {
			p.prepare(i)
			if crash {
				if err := c.capture.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				dir = filepath.Join(t.TempDir(), fmt.Sprint(i))
				if err := os.CopyFS(dir, os.DirFS(c.dir)); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			p.leave()
			c.close()
			c = openCaptured(t, dir, withPrepared, onDirectory(dir))
			p.join(c)
			p.decide(i)
		}
		p.send(m)
	}
	p.leave()
	sameLines(t, "restarted", pagesSorted(decoding(c.sets("postgres", 0))), want)
	t.Logf("%d lines through %d stops", len(want), len(stops))
	if len(want)*4 < len(all) {
		t.Error("the workload is none")
	}
}

// player sends the messages of several sessions, one after the other.
type player struct {
	*captured
	conns []*pgx.Conn
}

func newPlayer(c *captured, writers int) *player {
	p := &player{conns: make([]*pgx.Conn, writers)}
	p.join(c)
	exec(c.t, p.conns[0], prepare...)
	exec(c.t, p.conns[0], "create table prepared (n int)")
	return p
}

func (p *player) join(c *captured) {
	p.captured = c
	for i := range p.conns {
		p.conns[i] = c.connect()
	}
}

func (p *player) leave() {
	for _, conn := range p.conns {
		conn.Close(context.Background())
	}
}

func (p *player) send(m message) {
	if err := send(p.t.Context(), p.conns[m.session], m.sql); err != nil {
		_ = send(p.t.Context(), p.conns[m.session], "rollback")
	}
}

// prepare leaves two transactions behind that are large enough to be in files, of
// which decide ends one each way.
func (p *player) prepare(n int) {
	conn := p.connect()
	for _, what := range []string{"kept", "gone"} {
		exec(p.t, conn, fmt.Sprintf("begin; create table %s%d (v text); insert into %[1]s%[2]d select repeat('%[1]s', 20) from generate_series(1, 1500); insert into prepared values (%[2]d); prepare transaction '%[1]s'", what, n))
	}
	// The state that is saved now has them, and what the sessions have open.
	exec(p.t, conn, fmt.Sprintf("set synchronous_commit = on; insert into prepared values (-%d)", n), "checkpoint")
	conn.Close(context.Background())
}

func (p *player) decide(n int) {
	conn := p.connect()
	exec(p.t, conn, "commit prepared 'kept'", "rollback prepared 'gone'", fmt.Sprintf("insert into kept%d values ('then')", n))
	conn.Close(context.Background())
}

// TestPreparedBefore: what a transaction has changed that was prepared before the
// capture began is not known, so its commit makes subscribers refetch.
func TestPreparedBefore(t *testing.T) {
	for _, checkpointed := range []bool{true, false}[:need.Choose(1, 2)] {
		t.Run(fmt.Sprintf("checkpointed %t", checkpointed), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			c := openCaptured(t, dir, withPrepared, onDirectory(dir))
			conn := c.connect()
			exec(t, conn, "create table t (a int)", "begin; insert into t values (1); prepare transaction 'p'",
				"begin; create table made (a int); insert into made values (1); prepare transaction 'q'")
			if checkpointed {
				exec(t, conn, "checkpoint")
			}
			c.close()
			if err := os.RemoveAll(filepath.Join(dir, "howdah")); err != nil {
				t.Fatal(err)
			}
			c = openCaptured(t, dir, withPrepared, onDirectory(dir))
			for i, sql := range []string{"commit prepared 'p'", "commit prepared 'q'"} {
				conn = c.connect()
				exec(t, conn, "insert into t values (2)")
				sub, err := c.capture.Feed().Subscribe(t.Context(), feed.SubscribeOptions{Database: "postgres"})
				if err != nil {
					t.Fatal(err)
				}
				if i == 0 { // it is known after a restart, too
					c.close()
					c = openCaptured(t, dir, withPrepared, onDirectory(dir))
					conn = c.connect()
					if sub, err = c.capture.Feed().Subscribe(t.Context(), feed.SubscribeOptions{Database: "postgres"}); err != nil {
						t.Fatal(err)
					}
				}
				exec(t, conn, sql, "insert into t values (3)")
				for err == nil {
					_, err = sub.Next(t.Context())
				}
				sub.Close()
				if !errors.Is(err, feed.ErrRefetch) {
					t.Fatal(err)
				}
			}
			exec(t, conn, "insert into made values (4)")
			if got := describe(c.sets("postgres", 0)); !strings.HasSuffix(got, "insert public.t new a=\"3\"\ncommit\nbegin\n  insert public.made new a=\"4\"\ncommit\n") {
				t.Error(got)
			}
			c.close()
			c = openCaptured(t, dir, withPrepared, onDirectory(dir))
			if got := describe(c.sets("postgres", 0)); !strings.Contains(got, `insert public.made new a="4"`) {
				t.Error(got)
			}
		})
	}
}
