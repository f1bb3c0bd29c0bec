package wire

import (
	"context"
	"errors"
	"net"
	"time"
)

// Connections are counted twice, each time in one step with the decision.
//
// A connection that a listener accepts takes a place among those that start up,
// of which there are maxStartups, until its client is authenticated. When all are
// taken, the one that has kept the server waiting longest, if that is more than
// startupGrace, is closed for the new one; clients that are quick find a place
// however many strangers only connect. When none has waited that long, the
// server accepts no more until one has got through, as a full listen queue would
// have it.
//
// A client that wants a session takes one of MaxClients slots before it is
// authenticated, as in Postgres (InitProcess in proc.c), or is told 53300.
// Cancel requests need none.
const (
	maxStartups  = 1000
	startupGrace = time.Second
)

// errTooSlow ends a start-up whose place somebody else has been given.
var errTooSlow = errors.New("client was slow to start up while others waited")

// entry is a connection as the server counts it. What follows cancel is guarded
// by Server.mu.
type entry struct {
	stream *stream
	ctx    context.Context
	cancel context.CancelCauseFunc

	serving bool      // a session has taken over
	waiting time.Time // since when start-up waits for the client; zero: it does not
}

// enter registers a connection, unless the server is shut down.
func (s *Server) enter(ctx context.Context, nc net.Conn) (*entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.draining {
		return nil, false
	}
	return s.register(ctx, nc), true
}

// register is enter. REQUIRES: mu, not draining.
func (s *Server) register(ctx context.Context, nc net.Conn) *entry {
	e := &entry{stream: newStream(nc), waiting: time.Now()}
	s.tracer.trace(e.stream)
	e.ctx, e.cancel = context.WithCancelCause(ctx)
	s.mu.conns[e] = struct{}{}
	return e
}

// admit is enter for a connection that a listener has accepted: it takes a
// place among those that start up, and waits for one if it must.
func (s *Server) admit(ctx context.Context, nc net.Conn) (*entry, bool) {
	for {
		if e, ok, wait := s.tryAdmit(ctx, nc); !wait {
			return e, ok
		}
		select {
		case <-s.room:
		case <-time.After(startupGrace / 4): // somebody may be too slow by now
		case <-ctx.Done():
			return nil, false
		}
	}
}

func (s *Server) tryAdmit(ctx context.Context, nc net.Conn) (e *entry, ok, wait bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.draining {
		return nil, false, false
	}
	if len(s.mu.startups) >= s.maxStartups {
		slow := s.slowest()
		if slow == nil {
			return nil, false, true
		}
		delete(s.mu.startups, slow)
		slow.cancel(errTooSlow)
	}
	e = s.register(ctx, nc)
	s.mu.startups[e] = struct{}{}
	return e, true, false
}

// slowest is the start-up that has waited longest for its client, longer than
// the grace; nil is none. REQUIRES: mu.
func (s *Server) slowest() *entry {
	var slowest *entry
	since := time.Now().Add(-startupGrace)
	for e := range s.mu.startups {
		if !e.waiting.IsZero() && e.waiting.Before(since) {
			slowest, since = e, e.waiting
		}
	}
	return slowest
}

// busy runs a part of e's start-up in which the client does not have to do
// anything.
func (s *Server) busy(e *entry, do func() error) error {
	wait := func(since time.Time) {
		s.mu.Lock()
		defer s.mu.Unlock()
		e.waiting = since
	}
	wait(time.Time{})
	defer func() { wait(time.Now()) }()
	return do()
}

// authenticated gives e's place among those that start up to others.
func (s *Server) authenticated(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started(e)
}

// started is authenticated. REQUIRES: mu.
func (s *Server) started(e *entry) {
	delete(s.mu.startups, e)
	select {
	case s.room <- struct{}{}:
	default:
	}
}

// begin marks that e's session has taken over.
func (s *Server) begin(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.serving = true
}

func (s *Server) leave(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started(e)
	delete(s.mu.conns, e)
	if s.mu.draining && len(s.mu.conns) == 0 {
		close(s.mu.empty)
	}
}

// drain ends the connection when it has no session yet, and lets the session end
// itself otherwise. REQUIRES: Server.mu.
func (e *entry) drain() {
	if e.serving {
		e.stream.drain()
	} else {
		e.cancel(errDrained)
	}
}

// takeSlot counts a session, unless there are as many as there may be.
func (s *Server) takeSlot() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.o.MaxClients > 0 && s.mu.sessions >= s.o.MaxClients {
		return false
	}
	s.mu.sessions++
	return true
}

func (s *Server) freeSlot() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.sessions--
}
