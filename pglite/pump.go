package pglite

// pumpIdle serves the backend's signals and timer between messages, when no
// session's goroutine runs the guest: idle_in_transaction_session_timeout,
// notifications, barriers that others wait for. It ends with the backend.
func (b *backend) pumpIdle() {
	defer b.pumping.Done()
	for {
		select {
		case <-b.quit:
			return
		case <-b.alarms:
		}
		if b.enter() != nil {
			return
		}
		s, out, err := b.pump()
		b.leave(err)
		switch {
		case s == nil:
		case err != nil:
			s.hangUp(out) // not entered: a client may be slow to take it
		default:
			s.between(out)
		}
	}
}

// pump runs handlers and what they ask for, and gives what Postgres had to say
// to the session that holds the backend. When that is FATAL the backend has
// ended, with an error, and it goes to the session that held it last if nobody
// does. REQUIRES: entered, between messages.
func (b *backend) pump() (*Session, []byte, error) {
	const usr1 = 1 << sigUsr1
	// A cancel that reaches nobody's statement is dropped.
	b.signals.And(^uint32(1 << sigInt))
	signals := b.signals.Load()
	if signals == 0 && !b.timerDue.Load() {
		return nil, nil, nil
	}
	s := b.user.Load()
	out := &bytesSink{}
	b.feed, b.sink = &bytesFeed{}, out
	defer func() { b.feed, b.sink = nil, nil }()
	b.deliver()
	b.mem.StoreUint32(b.addr.interruptPending, 1)
	if _, err := b.inst.Call("ProcessInterrupts"); err != nil {
		if lost(err) {
			return nil, nil, err
		}
		b.close()
		if s == nil {
			s = b.last
		}
		return s, out.b, errExited
	}
	// Notifications and invalidations are taken where a client's command is
	// read, outside transactions. A Sync comes by there; in the middle of a
	// batch it would commit.
	if signals&usr1 != 0 && (s == nil || s.status == 'I') {
		if err := b.execute(&bytesFeed{message('S')}, out); err != nil {
			return s, out.b, err
		}
	}
	if s == nil {
		return nil, nil, nil
	}
	return s, withoutReady(out.b), nil
}

// withoutReady takes the ReadyForQuery off the end that nobody asked for.
func withoutReady(b []byte) []byte {
	const size = 6
	if n := len(b) - size; n >= 0 && b[n] == 'Z' {
		return b[:n]
	}
	return b
}
