package pglite_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// TestPowerCuts cuts the power while a workload runs, at calls of the file
// system chosen by the seed, and looks whether the cluster comes up with
// everything that was acknowledged. The cluster lives several lives on the
// same disk: after a kill, after a power cut and after a shutdown it goes on
// from what is there.
func TestPowerCuts(t *testing.T) {
	cuts := need.Size(1000)
	for _, d := range []struct {
		name string
		o    vfs.CrashOptions
	}{
		{"names-need-their-own-sync", vfs.CrashOptions{}},
		{"a-new-file's-sync-keeps-its-name", vfs.CrashOptions{SyncEntry: true}},
		{"disk-writes-back-early", vfs.CrashOptions{WriteBack: 256 << 10}},
	} {
		t.Run(d.name, func(t *testing.T) {
			powerCuts(t, pickSeed(t), d.o, (cuts+2)/3)
		})
	}
}

func powerCuts(t *testing.T, seed uint64, o vfs.CrashOptions, cuts int) {
	rng := rand.New(rand.NewPCG(seed, 1))
	r := newRig(t, rand.New(rand.NewPCG(seed, 2)), o)
	check := newCheckers(t)
	defer check.wg.Wait()

	calls, next := 0, 1
	watch := func(call vfs.Call) vfs.Break {
		if changes(call.Op) {
			if calls++; calls >= next && check.count < cuts {
				next = calls + 1 + rng.IntN(300)
				i := r.cut(fmt.Sprintf("cut %d before %v %s", check.count, call.Op, call.Path), rng)
				i.deep = rng.IntN(4) == 0
				check.check(i)
			}
		}
		return vfs.Break{}
	}
	r.boot()
	r.calls.SetRule(watch)
	for life := 0; check.count < cuts && !t.Failed(); life++ {
		for n := 20 + rng.IntN(60); n > 0; n-- {
			if err := r.step(); err != nil {
				t.Fatal(err)
			}
			if rng.IntN(12) == 0 && check.count < cuts { // between two statements
				check.check(r.cut(fmt.Sprintf("cut %d while idle", check.count), rng))
			}
		}
		switch life % 3 {
		case 0:
			r.kill()
		case 1:
			i := r.cut("cut that ends a life", rng)
			r.kill()
			if err := r.disk.Close(); err != nil {
				t.Fatal(err)
			}
			r.insert(i.tree, o)
			r.calls.SetRule(watch)
		case 2:
			if err := r.shutdown(); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.start(); err != nil { // cuts fall into recovery, too
			t.Fatal(err)
		}
	}
	t.Logf("%d cuts, %d changes, %d syncs of the last disk", check.count, calls, r.disk.Syncs())
}

// changes tells whether a call alters the disk or asks for durability.
func changes(op vfs.Op) bool { return op < vfs.OpRead }
