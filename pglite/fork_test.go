package pglite_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
)

func prepares(o *pglite.Options) {
	o.MaxBackends, o.Settings = 16, []pglite.Setting{{Name: "max_prepared_transactions", Value: "8"}}
}

// TestForkWhileWriting forks, and marks, beside clients that write. What each has
// written is there up to some statement: no later one without an earlier, no
// transaction by half, and nothing that was acknowledged before is missing.
func TestForkWhileWriting(t *testing.T) {
	const writers, forks = 8, 3
	c := openCluster(t, prepares)
	exec(t, connect(t, c, nil), "create table t (writer int, n int, half int); create index on t (writer, n)")
	var acknowledged [writers]atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	ending := sync.OnceFunc(func() { close(stop); wg.Wait() })
	defer ending()
	for w := range writers {
		conn := connect(t, c, nil)
		wg.Go(func() {
			for n := int64(1); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				sql := fmt.Sprintf("begin; insert into t values (%d, %d, 1); insert into t values (%[1]d, %d, 2); commit", w, n, n)
				if _, err := conn.Exec(context.Background(), sql); err != nil {
					t.Error(err)
					return
				}
				acknowledged[w].Store(n)
			}
		})
	}
	look := func(what string, c *pglite.Cluster, before [writers]int64) {
		t.Helper()
		rows, err := connect(t, c, nil).Query(t.Context(), "select writer, max(n), count(*), count(distinct n) from t group by writer")
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		var w int
		var last, halves, whole int64
		if _, err := pgx.ForEachRow(rows, []any{&w, &last, &halves, &whole}, func() error {
			seen++
			if whole != last || halves != 2*last || last < before[w] {
				t.Errorf("%s: writer %d has %d transactions of %d, %d halves; %d were acknowledged", what, w, whole, last, halves, before[w])
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for _, n := range before {
			if n > 0 {
				seen--
			}
		}
		if seen < 0 {
			t.Errorf("%s: %d writers are missing", what, -seen)
		}
		sound(t, c)
	}
	now := func() (n [writers]int64) {
		for w := range acknowledged {
			n[w] = acknowledged[w].Load()
		}
		return n
	}
	var marked [writers]int64
	for k := range forks {
		for w := range acknowledged { // all have begun
			for acknowledged[w].Load() < int64(10*(k+1)) && !t.Failed() {
				time.Sleep(time.Millisecond)
			}
		}
		before := now()
		i, err := c.Fork(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		closeImage(t, i)
		look(fmt.Sprint("fork ", k), openImage(t, i, prepares), before)
		marked = now()
		if err := c.Mark(t.Context(), fmt.Sprint("m", k)); err != nil {
			t.Fatal(err)
		}
	}
	ending()
	if err := c.Rewind(t.Context(), fmt.Sprint("m", forks-1)); err != nil {
		t.Fatal(err)
	}
	look("the mark", c, marked)
}

// TestForkPrepared: a prepared transaction is one in the fork, too, and ends there
// on its own; one that is open has never been.
func TestForkPrepared(t *testing.T) {
	c := openCluster(t, prepares)
	conn, open := connect(t, c, nil), connect(t, c, nil)
	exec(t, conn, "create table t (v text)")
	for _, name := range []string{"a", "b"} {
		exec(t, conn, "begin; insert into t values ('"+name+"'); prepare transaction '"+name+"'")
	}
	exec(t, open, "begin; insert into t values ('open')")
	i, err := c.Fork(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeImage(t, i)
	exec(t, conn, "commit prepared 'a'")
	exec(t, conn, "rollback prepared 'b'")
	exec(t, open, "commit")
	for k := range 2 {
		fork := connect(t, openImage(t, i, prepares), nil)
		if got := value(t, fork, "select string_agg(gid, ' ' order by gid) || ' ' || (select count(*) from t) from pg_prepared_xacts"); got != "a b 0" {
			t.Errorf("fork %d has %s", k, got)
		}
		exec(t, fork, "rollback prepared 'a'")
		exec(t, fork, "commit prepared 'b'")
		if got := value(t, fork, "select string_agg(v, ' ') from t"); got != "b" {
			t.Errorf("fork %d has %s", k, got)
		}
	}
	if got := value(t, conn, "select string_agg(v, ' ' order by v) from t"); got != "a open" {
		t.Errorf("the cluster has %s", got)
	}
}

// TestForkEdges: what ends, or has, can't be forked, and says why.
func TestForkEdges(t *testing.T) {
	ctx := t.Context()
	t.Run("closed", func(t *testing.T) {
		c := openCluster(t, nil)
		if err := c.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Fork(ctx); !errors.Is(err, pglite.ErrClosed) {
			t.Errorf("fork: %v", err)
		}
		if _, err := c.Freeze(ctx); !errors.Is(err, pglite.ErrClosed) {
			t.Errorf("freeze: %v", err)
		}
	})
	t.Run("closing", func(t *testing.T) {
		c := openCluster(t, manyBackends)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					i, err := c.Fork(context.Background())
					if err != nil {
						if !errors.Is(err, pglite.ErrClosed) {
							t.Error(err)
						}
						return
					}
					if err := i.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		if err := c.Mark(ctx, "m"); err != nil {
			t.Error(err)
		}
		wg.Go(func() {
			for {
				if err := c.Rewind(context.Background(), "m"); err != nil {
					if !errors.Is(err, pglite.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
		time.Sleep(50 * time.Millisecond)
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
	t.Run("directory", func(t *testing.T) {
		if _, err := openOnDirectory(t).Fork(ctx); err == nil || !strings.Contains(err.Error(), "not in memory") {
			t.Errorf("%v", err)
		}
	})
	t.Run("patience", func(t *testing.T) {
		c, err := pglite.Open(ctx, pglite.Options{MaxBackends: 2})
		if err != nil {
			t.Fatal(err)
		}
		release, err := pglite.Hold(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if i, err := c.Freeze(short); !errors.Is(err, context.DeadlineExceeded) || i != nil {
			t.Errorf("%v", err)
		}
		if err := c.Mark(ctx, "late"); !errors.Is(err, pglite.ErrClosed) {
			t.Errorf("a mark after that: %v", err)
		}
		release()
		if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("what Close says: %v", err)
		}
	})
	t.Run("crash", func(t *testing.T) {
		c := openCluster(t, manyBackends)
		a, b := connect(t, c, nil), connect(t, c, nil)
		exec(t, a, "create table t as select 1 as id")
		exec(t, b, "begin; insert into t values (2)")
		if err := c.Mark(ctx, "m"); err != nil {
			t.Fatal(err)
		}
		if err := pglite.TrapNext(c, b.PgConn().PID()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = b.Exec(context.Background(), "select 1") })
		wg.Go(func() {
			if err := c.Rewind(context.Background(), "m"); err != nil {
				t.Error(err)
			}
		})
		i, err := c.Fork(ctx)
		if err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		closeImage(t, i)
		for _, c := range []*pglite.Cluster{c, openImage(t, i, manyBackends)} {
			if got := value(t, connect(t, c, nil), "select count(*) from t"); got != "1" {
				t.Errorf("%s rows", got)
			}
		}
	})
}
