package capture_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/howdahdb/howdah/bridge/capture"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// TestFullFeed: while the feed has no room commits go on, and it has all of them when
// there is room again.
func TestFullFeed(t *testing.T) {
	var full, refused atomic.Bool
	c := openCaptured(t, "", func(_ *pglite.Options, co *capture.Options) {
		mem := vfs.NewMemory(vfs.MemoryOptions{})
		t.Cleanup(func() { mem.Close() })
		fault := vfs.NewFault(mem)
		fault.SetRule(func(call vfs.Call) vfs.Break {
			if (call.Op == vfs.OpWrite || call.Op == vfs.OpCreate) && full.Load() {
				refused.Store(true)
				return vfs.Break{Err: syscall.ENOSPC, Short: call.Len / 2}
			}
			return vfs.Break{}
		})
		co.Feed = func(id feed.ID, start wal.LSN) (*feed.Log, error) {
			return feed.Open(feed.Options{ID: id, Start: start, FS: fault})
		}
	})
	conn := c.connect()
	exec(t, conn, "create table t (a int)", "insert into t values (1)")
	if err := c.capture.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	exec(t, conn, "insert into t values (2)", "insert into t select generate_series(3, 20000)", "insert into t values (20001)")
	for !refused.Load() {
		time.Sleep(time.Millisecond)
	}
	full.Store(false)
	rows := 0
	for _, line := range decoding(c.sets("postgres", 0)) {
		if strings.HasPrefix(line, "table public.t: INSERT") {
			rows++
		}
	}
	if rows != 20001 {
		t.Errorf("%d rows in the feed", rows)
	}
}

// TestFullState: without room for its state the capture goes on, and with the state
// before it does so after a restart, even if there was no room at the end.
func TestFullState(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	c := openCaptured(t, dir, onDirectory(dir))
	conn := c.connect()
	exec(t, conn, "create table t (a int)", "insert into t values (1)", "checkpoint")
	if err := c.capture.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	// What can't be opened for writing, even by root.
	inTheWay := filepath.Join(dir, "howdah", "capture", "state.new")
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	exec(t, conn, "insert into t values (2)", "checkpoint", "insert into t values (3)")
	if got := describe(c.sets("postgres", 0)); !strings.Contains(got, `new a="3"`) {
		t.Error(got)
	}
	if err := c.cluster.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.capture.Close(); err == nil {
		t.Error("closing does not tell that the state is not saved")
	}
	if err := c.capture.Feed().Close(); err != nil {
		t.Error(err)
	}
	c.cluster = nil
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	c = openCaptured(t, dir, onDirectory(dir))
	exec(t, c.connect(), "insert into t values (4)")
	got := describe(c.sets("postgres", 0))
	for _, row := range []string{"1", "2", "3", "4"} {
		if strings.Count(got, `insert public.t new a="`+row+`"`) != 1 {
			t.Errorf("row %s is not there once:\n%s", row, got)
		}
	}
}
