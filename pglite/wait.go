package pglite

import "time"

// Where the guest waits, and others run.

// away runs do without the baton: what may take long and touches no guest
// memory. REQUIRES: entered, or booting; on the goroutine that runs the guest.
func (b *backend) away(do func()) {
	if !b.holding {
		do()
		return
	}
	b.holding = false
	b.srv.release(b)
	if b.host.on {
		b.host.yield(event{do: do})
		b.resume(b.srv.granted(b))
		return
	}
	do()
	b.resume(b.srv.acquire(b))
}

// resume goes on with the baton, or ends the guest's run when its server has
// crashed meanwhile.
func (b *backend) resume(err error) {
	if err != nil {
		panic(err)
	}
	b.holding = true
	if b.stood != (stood{}) {
		b.standAgain()
	}
}

// awayFor is away with a wait event for pg_stat_activity.
func (b *backend) awayFor(event uint32, do func()) {
	at := b.inst.Uint32(waitEventAddr)
	b.inst.PutUint32(at, event)
	b.away(do)
	b.inst.PutUint32(at, 0)
}

// interrupts comes before ProcessInterrupts: where Postgres lets itself be
// interrupted, others get their turn.
func (b *backend) interrupts([]uint64) {
	b.deliver()
	if b.holding && b.srv.overdue() && b.inst.Uint32(b.addr.interruptHoldoffCount)|b.inst.Uint32(b.addr.critSectionCount) == 0 {
		b.holding = false
		b.resume(b.srv.yield(b))
		b.deliver()
	}
}

// wrote comes after a write to a file. A checkpoint makes thousands of them
// without an interrupt check (BufferSync, src/backend/storage/buffer/bufmgr.c).
// Locks may be held, as at an fsync.
func (b *backend) wrote() {
	if b.holding && b.srv.overdue() {
		b.holding = false
		b.resume(b.srv.yield(b))
	}
}

// interruptPause is how long a backend with an interrupt lets others run before it
// is told of it again.
const interruptPause = time.Millisecond

// pause waits for d, or until the backend is woken.
func (b *backend) pause(d time.Duration) {
	select {
	case <-b.wake:
	case <-time.After(d):
	case <-b.srv.dead:
	}
}

// waitLatch: WaitLatch(latch, events, timeout ms, wait event) → events
// (src/include/storage/waiteventset.h). SetLatch signals the owner only of a
// latch that says it is slept on (src/backend/storage/ipc/latch.c).
func (b *backend) waitLatch(s []uint64) {
	const latchSet, timedOut = 1 << 0, 1 << 3
	latch, events := uint32(s[0]), uint32(s[1])
	timeout := time.Duration(int32(uint32(s[2]))) * time.Millisecond
	var expired <-chan time.Time
	if events&timedOut != 0 {
		t := time.NewTimer(max(timeout, 0))
		defer t.Stop()
		expired = t.C
	}
	event := b.inst.Uint32(waitEventAddr)
	b.inst.PutUint32(event, uint32(s[3]))
	sleeping := func(v uint32) {
		if latch != 0 {
			b.inst.PutUint32(latch+latchSleeping, v)
		}
	}
	woken := func(events uint64) {
		sleeping(0)
		b.inst.PutUint32(event, 0)
		s[0] = events
	}
	over := false
	for {
		b.deliver()
		switch {
		case events&latchSet != 0 && latch != 0 && b.inst.Uint32(latch) != 0:
			woken(latchSet)
			return
		// A cancel or termination from outside comes without a latch. Who holds
		// interrupts off, as a checkpoint does that waits for another's write, comes
		// again at once: others must get on meanwhile.
		case b.mem.LoadUint32(b.addr.interruptPending) != 0 && b.inst.Uint32(b.addr.queryCancelPending)|b.inst.Uint32(b.addr.procDiePending) != 0:
			b.away(func() { b.pause(interruptPause) })
			woken(latchSet)
			return
		case over:
			woken(timedOut)
			return
		}
		sleeping(1)
		b.away(func() {
			select {
			case <-b.wake:
			case <-expired:
				over = true
			case <-b.srv.dead:
			}
		})
	}
}

// usleep: pg_usleep(microseconds), cut short by a signal.
func (b *backend) usleep(s []uint64) {
	d := time.Duration(uint32(s[0])) * time.Microsecond
	select {
	case <-b.wake: // of old
	default:
	}
	if b.signals.Load() != 0 || b.timerDue.Load() {
		b.deliver()
		return
	}
	b.away(func() {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-b.wake:
		case <-t.C:
		case <-b.srv.dead:
		}
	})
	b.deliver()
}

// lockWait stands where the build has dropped PGSemaphoreLock(MyProc->sem): a
// backend that waits for a lightweight lock, or for the leader of its group. Each of
// the loops there looks at one flag of the process slot. The leader of a group is a
// member, too, while it waits for the lock, so that flag comes first.
func (b *backend) lockWait([]uint64) {
	if !b.holding {
		return
	}
	for _, flag := range [...]uint32{procLWWaiting, procArrayGroup, procClogGroup} {
		if b.boundBy = flag; b.lockBound() {
			b.holding = false
			b.resume(b.srv.sleep(b))
			return
		}
	}
}

// lockBound tells whether the backend still has to wait. REQUIRES: the baton is this
// backend's, or this backend is asleep and it is somebody's.
func (b *backend) lockBound() bool {
	return b.inst.Bytes(b.inst.Uint32(b.addr.myProc)+b.boundBy, 1)[0] != 0
}
