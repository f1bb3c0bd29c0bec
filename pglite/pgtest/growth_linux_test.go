package pgtest_test

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/howdahdb/howdah/pglite/pgtest"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// TestNoGrowth: databases that have come and gone leave no goroutine, no
// descriptor and, beyond what a garbage collector and its system may keep, no
// memory.
func TestNoGrowth(t *testing.T) {
	cycle := func(n int) {
		for range n {
			said, failed := runFake("TestX", func(t testing.TB) {
				db := pgtest.New(t, migrated)
				if _, err := db.SQL().Exec(insertBook, "Kipling", "Kim"); err != nil {
					t.Fatal(err)
				}
				if err := db.Pool().Ping(t.Context()); err != nil {
					t.Fatal(err)
				}
				db.DSN()
			})
			if failed {
				t.Fatal(said)
			}
		}
	}
	cycle(need.Choose(10, 100))
	goroutines, files, memory := settled(t)
	cycle(need.Choose(20, 1000))
	g, f, m := settled(t)
	t.Logf("goroutines %d → %d, descriptors %d → %d, private memory %d → %d MB", goroutines, g, files, f, memory>>20, m>>20)
	const slack = 24 << 20
	if g > goroutines || f > files || m > memory+slack {
		t.Error("they grow")
	}
}

// settled are the figures of this process once what is ending has ended.
func settled(t *testing.T) (goroutines, files int, memory int64) {
	t.Helper()
	last := 0
	for range 50 { // runtime and net/http wind down by themselves
		goroutines = runtime.NumGoroutine()
		if goroutines == last {
			break
		}
		last = goroutines
		time.Sleep(20 * time.Millisecond)
	}
	debug.FreeOSMemory()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	rollup, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(rollup) {
		if rest, ok := bytes.CutPrefix(line, []byte("Private_Dirty:")); ok {
			kb, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			memory = kb << 10
		}
	}
	return goroutines, len(fds), memory
}
