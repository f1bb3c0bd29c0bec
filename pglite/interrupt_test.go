package pglite

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestWaitWithInterrupt: a backend that is cancelled and holds interrupts off, as one
// does in a checkpoint that waits for another's write, waits again and again; others
// have their turn meanwhile.
func TestWaitWithInterrupt(t *testing.T) {
	b := twoBackends(t)
	if err := b[0].enter(); err != nil {
		t.Fatal(err)
	}
	b[0].inst.PutUint32(b[0].addr.queryCancelPending, 1)
	b[0].mem.StoreUint32(b[0].addr.interruptPending, 1)
	var enough atomic.Bool
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		for !enough.Load() {
			b[0].waitLatch([]uint64{0, 1 << 5, 0, 0}) // WL_EXIT_ON_PM_DEATH: until the latch is set
		}
		b[0].inst.PutUint32(b[0].addr.queryCancelPending, 0)
		b[0].leave(nil)
	}()
	turn := make(chan error, 1)
	go func() {
		err := b[1].enter()
		if err == nil {
			b[1].leave(nil)
		}
		turn <- err
	}()
	select {
	case err := <-turn:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("the other backend has no turn")
	}
	enough.Store(true)
	<-waited
}
