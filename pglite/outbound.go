package pglite

import (
	"io"
	"time"
)

// send writes a message of the host's own.
func (s *Session) send(m []byte) error { return s.put(m, false) }

// put writes messages, unless FATAL was said: that is the last word, and last
// tells that these end with it. Some clients read on, and are lost with a second
// one.
func (s *Session) put(m []byte, last bool) error {
	s.out.Lock()
	defer s.out.Unlock()
	if s.out.err == nil && !s.out.last {
		_, s.out.err = s.cl.Write(m)
		s.out.last = last
	}
	return s.gone()
}

// between sends what comes between two of the client's messages, at once. Any
// goroutine may call it.
func (s *Session) between(m []byte) {
	s.out.Lock()
	defer s.out.Unlock()
	if len(m) == 0 || s.cl == nil || s.out.err != nil || s.out.last {
		return
	}
	if _, s.out.err = s.cl.Write(m); s.out.err == nil {
		s.out.err = s.cl.Flush()
	}
}

// gone is errGone when writing to the client has failed. REQUIRES: out.
func (s *Session) gone() error {
	if s.out.err != nil {
		return errGone
	}
	return nil
}

func (s *Session) tell(e *Error) error {
	if s.cl == nil {
		return nil
	}
	if err := s.put(e.encode(), true); err != nil {
		return err
	}
	return s.flush()
}

// hangUp sends m, which comes between two messages, and closes the connection
// of a client that can be closed. Any goroutine may call it.
func (s *Session) hangUp(m []byte) {
	s.out.Lock()
	defer s.out.Unlock()
	s.hangUpNow(m)
}

// hangUpNow is hangUp for who has out.
func (s *Session) hangUpNow(m []byte) {
	if s.cl == nil || s.out.err != nil {
		return
	}
	if !s.out.last {
		s.out.last = true
		if _, s.out.err = s.cl.Write(m); s.out.err != nil {
			return
		}
	}
	if c, ok := s.cl.(io.Closer); ok {
		_ = c.Close() // its goroutine wakes from its read, and waits for out
	}
	s.out.err = s.cl.Flush()
}

func (s *Session) flush() error {
	s.out.Lock()
	defer s.out.Unlock()
	s.flushed = time.Now()
	if s.out.err == nil {
		s.out.err = s.cl.Flush()
	}
	return s.gone()
}

// flushSoon is flush for a client that has sent more: within flushAfter, lest the
// answer to one statement wait for the end of the next.
func (s *Session) flushSoon() {
	s.out.Lock()
	defer s.out.Unlock()
	switch {
	case s.out.soon || s.out.err != nil:
		return
	case s.out.late == nil:
		s.out.late = time.AfterFunc(flushAfter, s.flushLate)
	default:
		s.out.late.Reset(flushAfter)
	}
	s.out.soon = true
}

func (s *Session) flushLate() {
	s.out.Lock()
	defer s.out.Unlock()
	if s.out.soon && s.out.err == nil {
		s.out.err = s.cl.Flush()
	}
	s.out.soon = false
}

// flushNoMore ends what flushSoon has begun.
func (s *Session) flushNoMore() {
	s.out.Lock()
	defer s.out.Unlock()
	if s.out.soon {
		s.out.late.Stop()
		s.out.soon = false
	}
}

// flushAfter bounds how long an answer waits in the client's buffer while a
// statement goes on.
const flushAfter = 20 * time.Millisecond

// maxAnswer bounds what the guest writes before it waits for the client to
// take it, but for a single message.
const maxAnswer = 64 << 10

// write takes what the guest answers (sink), less the reports of parameters
// whose value the client knows. What is much, or can't wait, goes on to the
// client while others run.
func (s *Session) write(p []byte) {
	s.split.scan(p)
	if s.b.srv.condemned.Load() { // errCondemned keeps back the rest
		s.answer = s.answer[:0]
		return
	}
	if len(s.answer) < maxAnswer && !s.urgent && time.Since(s.flushed) < flushAfter {
		return
	}
	s.b.awayFor(clientWrite, func() {
		if s.drain() == nil {
			s.urgent = false
			_ = s.flush()
		}
	})
}

// drain hands the guest's answer to the client's buffer. A client that is gone
// gets nothing more; its statement is cancelled. REQUIRES: without the baton.
func (s *Session) drain() error {
	if len(s.answer) == 0 {
		return nil
	}
	err := s.put(s.answer, s.fatal)
	if s.answer = s.answer[:0]; cap(s.answer) > maxAnswer {
		s.answer = nil
	}
	if err != nil {
		s.Cancel()
	}
	return err
}

// known tells whether a ParameterStatus says what the client knows. This build
// of Postgres reports every parameter that was set, others those that changed.
func (s *Session) known(body []byte) bool {
	name, rest, _ := cut(body)
	value, _, ok := cut(rest)
	if !ok { // too long to compare
		delete(s.told, name)
		return false
	}
	if was, ok := s.told[name]; ok && was == value {
		return true
	}
	s.told[name] = value
	return false
}

// answered looks at the messages that tell what became of the session.
func (s *Session) answered(typ byte, body []byte) {
	switch typ {
	case 'Z':
		s.status = body[0]
		s.pending = s.pending[:0]
		s.aborted = false
	case '1', '3':
		s.settle(typ)
	case 'E':
		s.settle(typ)
		s.aborted = true
		s.fatal = s.fatal || isFatal(body)
	case 'C':
		s.completed(body)
	case 'N', 'A': // Postgres flushes these at once
		s.urgent = true
	}
}

// read gives the guest the current message, and the next ones when it asks in
// the middle of one, as COPY FROM STDIN does (feed). While the client is waited
// for, others run.
func (s *Session) read(p []byte) int {
	if s.left {
		return 0
	}
	if s.in.empty() {
		s.b.awayFor(clientRead, func() {
			s.left = s.drain() != nil || s.flush() != nil || s.in.next() != nil || s.in.typ == 'X'
		})
		if s.left {
			return 0
		}
	}
	if !s.in.atHand() {
		s.b.awayFor(clientRead, func() { s.left = s.in.await() != nil })
		if s.left {
			return 0
		}
	}
	n, err := s.in.read(p)
	if err != nil {
		s.left = true
		return 0
	}
	return n
}

func (s *Session) empty() bool { return s.left || s.in.empty() }
