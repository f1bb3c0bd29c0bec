package pglite

import (
	"context"
	"testing"
)

// TestLockWaitOfLeader: the leader of a group of commits waits for a lightweight lock
// while it is a member of its group, and goes on when it has been woken for the lock.
func TestLockWaitOfLeader(t *testing.T) {
	b := twoBackends(t)
	for _, group := range [...]uint32{procArrayGroup, procClogGroup} {
		if err := b[0].enter(); err != nil {
			t.Fatal(err)
		}
		proc := b[0].inst.Uint32(b[0].addr.myProc)
		flag := func(x *backend, at uint32) *byte { return &x.inst.Bytes(proc+at, 1)[0] }
		*flag(b[0], procLWWaiting), *flag(b[0], group) = 1, 1
		woken := make(chan struct{})
		go func() {
			defer close(woken)
			b[0].lockWait(nil)
			*flag(b[0], group) = 0
			b[0].leave(nil)
		}()
		if err := b[1].enter(); err != nil { // when the other has gone to sleep
			t.Fatal(err)
		}
		*flag(b[1], procLWWaiting) = 0
		b[1].leave(nil)
		<-woken
	}
}

// twoBackends gives both backends of a cluster until the test ends.
func twoBackends(t *testing.T) (b [2]*backend) {
	t.Helper()
	c, err := Open(t.Context(), Options{MaxBackends: 2, NoHousekeeping: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	for k := range b {
		if b[k], err = c.pool.take(t.Context(), nil, hostLogin); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.pool.release(b[k]) })
	}
	return b
}
