package pglite_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// roomForClone is a 200th of 3 GB, in bytes.
const roomForClone = 15 << 20

// TestManyClones has clones of one image live at once, each with a client that has
// written, and tells what memory of this process they take.
func TestManyClones(t *testing.T) {
	n := need.Choose(20, 200)
	c := openCluster(t, manyBackends)
	exec(t, connect(t, c, nil), "create table t (id serial primary key, v text); insert into t (v) select repeat('x', 100) from generate_series(1, 1000)")
	i, err := c.Freeze(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeImage(t, i)
	before := residue(t)
	clients := make([]*pgx.Conn, n)
	for k := range clients {
		clients[k] = connect(t, openImage(t, i, manyBackends), nil)
		exec(t, clients[k], fmt.Sprintf("insert into t (v) values ('clone %d'); analyze t; create temp table mine as select * from t order by v", k))
	}
	for k, conn := range clients {
		if got, want := value(t, conn, "select string_agg(v, ' ') from t where v like 'clone%'"), fmt.Sprint("clone ", k); got != want {
			t.Errorf("clone %d has rows %q", k, got)
		}
	}
	after := residue(t)
	t.Logf("%d clones: %d goroutines, memory before %v, with them %v", n, runtime.NumGoroutine(), before, after)
	if per := (after.pss - before.pss) / int64(n); per > roomForClone {
		t.Errorf("a clone takes %d bytes", per)
	}
}

// TestCloneCycles: clones that have come and gone leave nothing.
func TestCloneCycles(t *testing.T) {
	c := openCluster(t, nil)
	exec(t, connect(t, c, nil), "create table t (id serial primary key, v text)")
	i, err := c.Freeze(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeImage(t, i)
	cycle := func(n int) {
		for k := range n {
			c, err := i.Open(t.Context(), pglite.Options{MaxBackends: 1})
			if err != nil {
				t.Fatal(err)
			}
			config, err := driver.ConnConfig(c)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := pgx.ConnectConfig(t.Context(), config) // connect would keep it to the test's end
			if err != nil {
				t.Fatal(err)
			}
			exec(t, conn, "insert into t (v) values (repeat('x', 10000))")
			if k%10 == 0 {
				if err := c.Mark(t.Context(), "m"); err != nil {
					t.Fatal(err)
				}
				exec(t, conn, "insert into t (v) select repeat('y', 1000) from generate_series(1, 1000)")
				if err := c.Rewind(t.Context(), "m"); err != nil {
					t.Fatal(err)
				}
			}
			_ = conn.Close(context.Background())
			if err := c.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	cycle(need.Choose(20, 100))
	before, goroutines := residue(t), runtime.NumGoroutine()
	n := need.Choose(50, 1000)
	cycle(n)
	after := residue(t)
	t.Logf("%d cycles: %d → %d goroutines, memory %v → %v", n, goroutines, runtime.NumGoroutine(), before, after)
	const slack = 24 << 20
	if after.private > before.private+slack || after.fds > before.fds {
		t.Error("they grow")
	}
}

// memory is what this process has, in bytes, and its descriptors.
type memory struct {
	rss, pss, private int64
	fds               int
}

func (m memory) String() string {
	return fmt.Sprintf("%d MB resident, %d in proportion, %d private, %d descriptors", m.rss>>20, m.pss>>20, m.private>>20, m.fds)
}

// residue is the memory of this process without what the collector may free.
func residue(t *testing.T) (m memory) {
	t.Helper()
	debug.FreeOSMemory()
	rollup, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(rollup) {
		f := bytes.Fields(line)
		if len(f) != 3 {
			continue
		}
		kb, err := strconv.ParseInt(string(f[1]), 10, 64)
		if err != nil {
			continue
		}
		switch string(f[0]) {
		case "Rss:":
			m.rss = kb << 10
		case "Pss:":
			m.pss = kb << 10
		case "Private_Dirty:":
			m.private = kb << 10
		}
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	m.fds = len(fds)
	return m
}
