package wire

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// The buffers of one connection, as large as those of Postgres (pqcomm.c).
	// A Read or Write of at least that much goes past them; the session reads in
	// pieces of just this size, so the first serves start-up only.
	readBuffer  = 8 << 10
	writeBuffer = 8 << 10

	// farewell is how long an ended connection may take to accept its last message.
	farewell = 2 * time.Second
)

// errDrained ends the Read of an idle session when the server shuts down.
var errDrained = errors.New("server is shutting down")

// stream is the byte stream of one client, a [pglite.Client]. Read may run on
// one goroutine and Write and Flush on another; drain and kill on any.
//
// A stream that is idle — the last thing flushed was ReadyForQuery, and no byte
// has been read since — can be ended without hurting anybody's statement. That is
// what drain waits for.
type stream struct {
	br *bufio.Reader
	bw *bufio.Writer
	// tail is the end of all that was written, as long as a ReadyForQuery.
	tail [6]byte

	mu struct {
		sync.Mutex
		nc       net.Conn
		idle     bool
		draining bool
		killed   bool
		drained  bool // a Read has failed with errDrained
	}
}

func newStream(nc net.Conn) *stream {
	s := &stream{br: bufio.NewReaderSize(nc, readBuffer), bw: bufio.NewWriterSize(nc, writeBuffer)}
	s.mu.nc = nc
	return s
}

// upgrade goes on with nc, a TLS connection over the one before. Both buffers
// must be empty, or hold what nc itself will read.
func (s *stream) upgrade(nc net.Conn) {
	s.br = bufio.NewReaderSize(nc, readBuffer)
	s.bw.Reset(nc)
	s.mu.Lock()
	s.mu.nc = nc
	s.mu.Unlock()
}

// Read reads at least one byte. It fails with errDrained when the server shuts
// down and the session is idle, and with a time-out after kill.
func (s *stream) Read(p []byte) (int, error) {
	for {
		n, err := s.br.Read(p)
		if n > 0 {
			s.mu.Lock()
			s.mu.idle = false
			s.mu.Unlock()
			return n, nil
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		if err := s.interrupted(err); err != nil {
			return 0, err
		}
	}
}

// interrupted decides whether a Read that a deadline has woken up is over.
func (s *stream) interrupted(timeout error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.killed || !s.mu.draining:
		return timeout
	case s.mu.idle:
		s.mu.drained = true
		return errDrained
	}
	// Drained in the middle of a statement that reads (COPY): its Reads go on,
	// and Flush looks again.
	return s.mu.nc.SetReadDeadline(time.Time{})
}

// Write buffers p.
func (s *stream) Write(p []byte) (int, error) {
	if n := len(p); n >= len(s.tail) {
		copy(s.tail[:], p[n-len(s.tail):])
	} else {
		copy(s.tail[:], s.tail[n:])
		copy(s.tail[len(s.tail)-n:], p)
	}
	return s.bw.Write(p)
}

// Flush sends what is buffered.
func (s *stream) Flush() error {
	if err := s.bw.Flush(); err != nil {
		return err
	}
	if [5]byte(s.tail[:5]) != [5]byte{'Z', 0, 0, 0, 5} {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.idle = true
	if s.mu.draining {
		return s.mu.nc.SetReadDeadline(past)
	}
	return nil
}

// Buffered is the number of bytes that Read has at hand.
func (s *stream) Buffered() int { return s.br.Buffered() }

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

// begin lifts the deadline of start-up.
func (s *stream) begin(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.killed {
		return context.Cause(ctx)
	}
	if err := s.mu.nc.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if s.mu.draining {
		return s.mu.nc.SetReadDeadline(past)
	}
	return nil
}

// running says whether a statement is being worked on, or may be.
func (s *stream) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.mu.idle && !s.mu.killed
}

// drained says whether the stream has ended because it was idle at Shutdown.
func (s *stream) drained() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.drained
}

// say writes a last message, or as much as the client takes until the farewell.
func (s *stream) say(message []byte) {
	if len(message) == 0 {
		return
	}
	s.mu.Lock()
	s.mu.nc.SetWriteDeadline(time.Now().Add(farewell))
	s.mu.Unlock()
	if _, err := s.bw.Write(message); err == nil {
		s.bw.Flush()
	}
}
