package pglite

// Cancel cancels the running statement, or one that waits for a backend, if there
// is one: 57014. It may be called from any goroutine.
func (s *Session) Cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.mu.running; b != nil {
		s.mu.raised = true
		b.raise(b.addr.queryCancelPending)
	} else {
		s.interrupt(queryCanceled())
	}
}

// terminate ends the running statement, or the next, and its session, as
// pg_terminate_backend does: FATAL 57P01.
func (s *Session) terminate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.terminated = true
	if b := s.mu.running; b != nil {
		s.mu.raised = true
		b.raise(b.addr.procDiePending)
	}
}

// end is terminate for an administrator: an idle session ends at once.
func (s *Session) end() {
	s.terminate()
	s.mu.Lock()
	idle := s.mu.running == nil
	if idle && s.mu.over == nil {
		s.mu.over = adminShutdown()
		s.interrupt(s.mu.over) // who tells first is all the same
	}
	s.mu.Unlock()
	if idle {
		s.c.owned.Go(func() { s.hangUp(adminShutdown().encode()) }) // a client may be slow to take it
	}
}

// running marks that the backend works for the session from now on. REQUIRES:
// b.mu.
func (s *Session) running(b *backend) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.running = b
	if s.mu.terminated {
		s.mu.raised = true
		b.raise(b.addr.procDiePending)
	}
}

// rests marks that it does not any more. What came too late for the statement
// must not meet the next one, which may be another session's. REQUIRES: b.mu.
func (s *Session) rests(b *backend) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.running = nil
	if s.mu.raised && !b.ended {
		b.inst.PutUint32(b.addr.queryCancelPending, 0)
		if s.mu.terminated {
			b.inst.PutUint32(b.addr.procDiePending, 0)
		}
	}
	s.mu.raised = false
}
