package wire

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// farewell is how long an ended connection may take to accept its last message.
const farewell = 2 * time.Second

var (
	// errDrained ends the Read of an idle session when the server shuts down.
	errDrained = errors.New("server is shutting down")
	// errStalled ends the Read of a session whose client has begun a message
	// and does not go on.
	errStalled = errors.New("client does not go on with a message")
	// errDeaf ends the Write to a client that takes nothing.
	errDeaf = errors.New("client does not take what it is sent")
)

// stream is the byte stream of one client, a [pglite.Client]. Read may run on
// one goroutine and Write and Flush on another; drain and kill on any.
//
// A stream that is idle — the last thing flushed was ReadyForQuery, and no byte
// has been read since — can be ended without hurting anybody's statement. That is
// what drain waits for, and for one at rest it need not wait.
//
// Memory: a block of 8 KiB for what has come and is not read, another for what
// is written and not flushed, and neither when there is nothing.
type stream struct {
	in   *reader
	pace pace
	out  outgoing

	idle atomic.Bool // set under mu
	rest atomic.Bool // set under mu: what Rest has said last

	mu struct {
		sync.Mutex
		nc       net.Conn
		limit    time.Duration // of a stall; 0 is none
		draining bool
		killed   bool
		ended    error // why a Read or Write has failed, if the host wanted it to
		tracing  tracing
	}
}

func newStream(nc net.Conn) *stream {
	s := &stream{in: newReader(nc)}
	s.mu.nc = nc
	return s
}

// upgrade goes on with nc, a TLS connection over the one before. Nothing may be
// in the buffers but what nc itself will read.
func (s *stream) upgrade(nc net.Conn) {
	s.in = newReader(nc)
	s.mu.Lock()
	s.mu.nc = nc
	s.mu.Unlock()
}

// begin lifts the deadline of start-up. From here on Read follows messages, and
// a client that makes the server wait for limit is gone; 0 is for ever.
func (s *stream) begin(ctx context.Context, limit time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.killed {
		return context.Cause(ctx)
	}
	if err := s.mu.nc.SetDeadline(time.Time{}); err != nil {
		return err
	}
	s.mu.limit, s.pace.limit = limit, limit
	if s.mu.draining {
		return s.mu.nc.SetReadDeadline(past)
	}
	return nil
}

// Read reads at least one byte. It fails with errDrained when the server shuts
// down and the session is idle, with errStalled when the client leaves off in
// the middle of a message, and with a time-out after kill.
func (s *stream) Read(p []byte) (int, error) {
	for {
		within := s.pace.within()
		waits := within && s.pace.limit > 0 && s.in.Buffered() == 0
		if waits {
			if err := s.await(); err != nil {
				return 0, err
			}
		}
		n, err := s.in.read(p, within)
		if waits {
			s.pace.wait(time.Now())
		}
		if n > 0 {
			s.pace.advance(p[:n])
			s.busy()
			return n, nil
		}
		if err = s.interrupted(err); err != nil {
			return 0, err
		}
	}
}

// busy notes that the client has sent something.
func (s *stream) busy() {
	if s.idle.Load() {
		s.mu.Lock()
		s.idle.Store(false)
		s.mu.tracing.asked()
		s.mu.Unlock()
	}
}

// await gives a Read that may have to wait within a message its deadline. That
// is not taken back when the message is complete: interrupted does so, in the
// rare case that the client is idle when it passes.
func (s *stream) await() error {
	now := time.Now()
	s.pace.begun = now
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.killed {
		return nil
	}
	return s.mu.nc.SetReadDeadline(now.Add(s.pace.rest()))
}

// interrupted decides whether a Read that has failed with err is over: one that
// a deadline has woken up may go on.
func (s *stream) interrupted(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.killed:
		return err
	case s.mu.draining && (s.idle.Load() || s.rest.Load()):
		s.mu.ended = errDrained
		return errDrained
	case s.pace.over():
		s.mu.ended = errStalled
		return errStalled
	}
	// Drained in the middle of a statement that reads (COPY): its Reads go on,
	// and Flush looks again. Or the deadline was that of an earlier message.
	return s.mu.nc.SetReadDeadline(time.Time{})
}

// Buffered is the number of bytes that Read has at hand.
func (s *stream) Buffered() int { return s.in.Buffered() }

// past is a deadline that wakes up what waits.
var past = time.Unix(1, 0)

// drain lets the session end as soon as it is idle.
func (s *stream) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.draining = true
	if !s.mu.killed {
		s.mu.nc.SetReadDeadline(past)
	}
}

// Rest says that the session can be ended although it is not between two statements,
// or that it no longer can. One that streams changes is such: its client goes on
// with another connection.
func (s *stream) Rest(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest.Store(on)
	if on && s.mu.draining && !s.mu.killed {
		s.mu.nc.SetReadDeadline(past)
	}
}

// kill makes every Read fail from now on, and every Write after the farewell.
func (s *stream) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.killed = true
	s.mu.nc.SetReadDeadline(past)
	s.mu.nc.SetWriteDeadline(time.Now().Add(farewell))
}

// Close hangs up: the session's own Read fails, as if the client had left. The
// cluster does so after a FATAL error that came between two messages.
func (s *stream) Close() error {
	s.kill()
	return nil
}

// running says whether a statement is being worked on, or may be.
func (s *stream) running() bool {
	if s.idle.Load() || s.rest.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.mu.killed
}

// ended is errDrained, errStalled or errDeaf when the stream has failed with it.
func (s *stream) ended() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.ended
}
