package wire_test

import (
	"context"
	"crypto/elliptic"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/pglite/wire"
)

// footprint is what this process takes, in bytes.
type footprint struct{ resident, heap, stacks int }

func footprintNow(t *testing.T) footprint {
	t.Helper()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{residentSet(t), int(m.HeapAlloc), int(m.StackInuse)}
}

// settled is the footprint without garbage. A collection halves stacks that
// are too large, and takes from pools what was there at the one before.
func settled(t *testing.T) footprint {
	for range 4 {
		debug.FreeOSMemory()
	}
	return footprintNow(t)
}

func (f footprint) since(before footprint, n int) footprint {
	return footprint{(f.resident - before.resident) / n, (f.heap - before.heap) / n, (f.stacks - before.stacks) / n}
}

// residentSet is VmRSS of /proc/self/status, 0 where there is none.
func residentSet(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kib, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("no VmRSS in %s", status)
	return 0
}

// raceDetector says whether this binary has it, and its shadow memory.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// TestIdleConnections holds the memory of idle connections against its bound,
// while others beside them run queries.
func TestIdleConnections(t *testing.T) {
	const bound = 20_000 // bytes; 10,000 connections in 200 MB
	const active, queries = 50, 40
	n := need.Size(10_000)
	var o wire.Options
	o.TLS, _ = wire.Certificate(t, elliptic.P256())
	// A cluster of its own, so that all backends there will be are there before.
	var err error
	if o.Cluster, err = pglite.Open(t.Context(), pglite.Options{MaxBackends: 16}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Cluster.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	_, addr := serve(t, o)
	c := startCrowd(t, addr)
	c.do("open %d", active)
	t.Logf("%d active: %s", active, c.do("query %d %d", active, queries))
	withGarbage := footprintNow(t)
	base := settled(t)

	c.do("open %d", n)
	t.Logf("%d active beside %d idle: %s", active, n, c.do("query %d %d", active, queries))
	t.Logf("bytes per idle connection, with what the next collection will free: %d resident",
		footprintNow(t).since(withGarbage, n).resident)
	plain := settled(t)
	each := plain.since(base, n)
	t.Logf("bytes per idle connection: %d resident, %d heap, %d stack", each.resident, each.heap, each.stacks)
	if each.heap+each.stacks > bound {
		t.Errorf("more than %d bytes", bound)
	}
	if n == 10_000 && !raceDetector() && each.resident > bound {
		t.Errorf("more than %d bytes resident", bound)
	}

	c.do("open %d tls", n/4)
	each = settled(t).since(plain, n/4)
	t.Logf("bytes per idle TLS connection: %d resident, %d heap, %d stack", each.resident, each.heap, each.stacks)
}
