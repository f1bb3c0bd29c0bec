package pglite

import "io"

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
		b.pump()
		b.mu.Unlock()
	}
}

// pump runs the timer's handler and what it asks for. Usually that is FATAL:
// the session that holds the backend, or held it last, is told and hung up on.
// REQUIRES: mu, between messages.
func (b *backend) pump() {
	if b.ended || !b.timerDue.Load() {
		return
	}
	s := b.user.Load()
	if s == nil {
		s = b.last
	}
	b.feed, b.sink = &bytesFeed{}, &replySink{}
	if s != nil && s.cl != nil {
		b.sink = s
	}
	defer func() { b.feed, b.sink = nil, nil }()
	b.deliver()
	if _, err := b.inst.Call("ProcessInterrupts"); err == nil {
		return
	}
	b.close()
	if s != nil && s.cl != nil {
		_ = s.flush()
		if c, ok := s.cl.(io.Closer); ok {
			_ = c.Close() // its goroutine wakes from its read and finds out
		}
	}
}
