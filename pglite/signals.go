package pglite

// Signals between backends, and from the host's timers.

// Signal numbers of Emscripten's libc, which are Linux's.
const (
	sigHup  = 1
	sigInt  = 2
	sigUsr1 = 10
	sigTerm = 15
	sigUrg  = 23
)

// kill: kill(pid, signal). Postgres cancels and terminates process groups,
// −pid; 0 is the postmaster of a backend that has none, whose SIGHUP goes on to
// all. Who cancels or terminates means a session, wherever it is by now: its
// backend may have gone on to another.
func (b *backend) kill(s []uint64) {
	const esrch = 71
	pid, sig := int32(uint32(s[0])), int(int32(uint32(s[1])))
	s[0] = 0
	if pid < 0 {
		pid = -pid
	}
	if pid == 0 {
		if sig != sigHup {
			return
		}
		for _, t := range b.srv.all() {
			if t != b {
				t.post(sig)
			}
		}
		b.raiseOwn(sig)
		return
	}
	t := b.srv.byPID(uint32(pid))
	if s := b.srv.session(uint32(pid)); s != nil && t != b {
		switch sig {
		case 0:
			return
		case sigInt:
			s.Cancel()
			return
		case sigTerm:
			s.end()
			return
		}
	}
	switch {
	case t == b || uint32(pid) == b.inst.Uint32(b.addr.myProcPid):
		b.raiseOwn(sig)
	case t == nil:
		if err := b.inst.SetErrno(esrch); err != nil {
			panic(err)
		}
		s[0] = 0xffffffff
	default:
		t.post(sig)
	}
}

// raiseOwn runs the guest's handler of a signal; 0 is none.
func (b *backend) raiseOwn(sig int) {
	if sig != 0 {
		if err := b.inst.Raise(sig); err != nil {
			panic(err)
		}
	}
}

// post signals a backend, which runs its handler at its next safe point. Any
// goroutine may call it.
func (b *backend) post(sig int) {
	switch sig {
	case 0:
	case sigUrg: // a latch is set, and that is all
		b.rouse()
	default:
		b.signals.Or(1 << sig)
		b.poke()
	}
}

// deliver runs the handlers of signals and timer that are due. REQUIRES:
// entered, on the goroutine that runs the guest.
func (b *backend) deliver() {
	if set := b.signals.Swap(0); set != 0 {
		for sig := 1; set>>sig != 0; sig++ {
			if set>>sig&1 != 0 {
				b.raiseOwn(sig)
			}
		}
	}
	if b.timerDue.Swap(false) {
		if err := b.inst.FireTimer(); err != nil {
			panic(err)
		}
	}
}

// alarm is the interval timer's: it makes a running guest look, wakes one that
// waits, and otherwise the idle pump. It runs on the timer's goroutine.
func (b *backend) alarm() {
	b.timerDue.Store(true)
	b.poke()
}

// raise sets one of the guest's flags for ProcessInterrupts. Any goroutine may
// call it.
func (b *backend) raise(flag uint32) {
	b.live.Lock()
	if !b.live.ended {
		b.mem.StoreUint32(flag, 1)
	}
	b.live.Unlock()
	b.poke()
}

// remind makes a running guest come by ProcessInterrupts soon. Any goroutine
// may call it.
func (b *backend) remind() {
	b.live.Lock()
	if !b.live.ended && b.mem != nil {
		b.mem.StoreUint32(b.addr.interruptPending, 1)
	}
	b.live.Unlock()
}

// rouse makes a guest that waits look again. Any goroutine may call it.
func (b *backend) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// poke makes the guest take notice wherever it is: in the middle of a
// statement, waiting, or idle. Any goroutine may call it.
func (b *backend) poke() {
	b.remind()
	b.rouse()
	select {
	case b.alarms <- struct{}{}:
	default:
	}
}
