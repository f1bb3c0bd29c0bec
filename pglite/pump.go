package pglite

// pumpIdle serves the backend's timer and signals between messages, when no
// session's goroutine runs the guest: idle_in_transaction_session_timeout,
// idle_session_timeout. It ends with the backend.
func (b *backend) pumpIdle() {
	defer b.pumping.Done()
	for {
		select {
		case <-b.quit:
			return
		case <-b.alarms:
		}
		b.mu.Lock()
		s, last := b.pump()
		b.mu.Unlock()
		if s != nil {
			s.hangUp(last) // without mu: a client may be slow to take it
		}
	}
}

// pump runs the timer's handler and what it asks for. When that is FATAL, as it
// usually is, it gives the session that holds the backend, or held it last, and
// what Postgres had to say to it. REQUIRES: mu, between messages.
func (b *backend) pump() (*Session, []byte) {
	if b.ended || !b.timerDue.Load() {
		return nil, nil
	}
	s := b.user.Load()
	if s == nil {
		s = b.last
	}
	out := &bytesSink{}
	b.feed, b.sink = &bytesFeed{}, out
	defer func() { b.feed, b.sink = nil, nil }()
	b.deliver()
	if _, err := b.inst.Call("ProcessInterrupts"); err == nil {
		return nil, nil
	}
	b.close()
	return s, out.b
}
