package wire

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"
)

// outgoing is what is written and not flushed.
type outgoing struct {
	block *block // nil when n is 0
	n     int
	// tail is the end of all that was written, as long as a ReadyForQuery.
	tail [6]byte
	// until is the write deadline that was set last.
	until time.Time
	err   error // of a push; nothing is sent after it
}

// Write buffers p.
func (s *stream) Write(p []byte) (int, error) {
	o := &s.out
	if n := len(p); n >= len(o.tail) {
		copy(o.tail[:], p[n-len(o.tail):])
	} else {
		copy(o.tail[:], o.tail[n:])
		copy(o.tail[len(o.tail)-n:], p)
	}
	for rest := p; ; {
		if o.n == 0 && len(rest) >= len(block{}) {
			return len(p), s.push(rest)
		}
		if len(rest) == 0 {
			return len(p), nil
		}
		if o.block == nil {
			o.block = blocks.Get().(*block)
		}
		k := copy(o.block[o.n:], rest)
		o.n += k
		rest = rest[k:]
		if o.n == len(o.block) {
			if err := s.pushBlock(); err != nil {
				return len(p) - len(rest), err
			}
		}
	}
}

// Flush sends what is buffered.
func (s *stream) Flush() error {
	if err := s.pushBlock(); err != nil {
		return err
	}
	if [5]byte(s.out.tail[:5]) != [5]byte{'Z', 0, 0, 0, 5} {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle.Store(true)
	s.mu.tracing.answered(s)
	if s.mu.draining {
		return s.mu.nc.SetReadDeadline(past)
	}
	return nil
}

// pushBlock sends the block and gives it back.
func (s *stream) pushBlock() error {
	o := &s.out
	if o.block == nil {
		return nil
	}
	err := s.push(o.block[:o.n])
	blocks.Put(o.block)
	o.block, o.n = nil, 0
	return err
}

// maxPush bounds how much has to go out before a deadline.
const maxPush = 64 << 10

// push sends p. A client that does not take it for as long as a stall may last
// is gone: what has been sent of p may end in the middle of a message, so nothing
// can follow.
func (s *stream) push(p []byte) error {
	for len(p) > 0 && s.out.err == nil {
		nc, err := s.writable()
		if err != nil {
			s.out.err = err
			break
		}
		n, err := nc.Write(p[:min(len(p), maxPush)])
		p = p[n:]
		if err != nil {
			s.out.err = s.refused(nc, n, err)
		}
	}
	return s.out.err
}

// writable is the connection, with a deadline for a Write. To set it for each
// would cost more than a small Write's buffering does, so a stall ends between
// three quarters of the limit and the limit.
func (s *stream) writable() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.killed || s.mu.limit == 0 {
		return s.mu.nc, nil
	}
	now := time.Now()
	if s.out.until.Sub(now) > s.mu.limit*3/4 {
		return s.mu.nc, nil
	}
	s.out.until = now.Add(s.mu.limit)
	return s.mu.nc, s.mu.nc.SetWriteDeadline(s.out.until)
}

// refused is what it means that a Write has taken only n bytes; nil is to go on.
func (s *stream) refused(nc net.Conn, n int, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.limit == 0 || s.mu.killed || !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	// crypto/tls writes no more after a time-out.
	if _, broken := nc.(*tls.Conn); n > 0 && !broken {
		return nil
	}
	s.mu.ended = errDeaf
	return errDeaf
}

// say writes a last message, or as much as the client takes until the farewell.
func (s *stream) say(message []byte) {
	if len(message) == 0 {
		return
	}
	s.mu.Lock()
	s.mu.limit = 0
	s.mu.nc.SetWriteDeadline(time.Now().Add(farewell))
	s.mu.Unlock()
	if _, err := s.Write(message); err == nil {
		s.Flush()
	}
}
