package replication

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/howdahdb/howdah/bridge/wal"
)

// streamed handles what a client says while it has a stream.
func (c *conn) streamed(h header) error {
	s := c.stream
	switch h.typ {
	case 'd':
		body, err := readBody(c.client, h, maxReply)
		if err != nil {
			return err
		}
		s.heard(body)
		return nil
	case 'c':
		if _, err := io.CopyN(io.Discard, c.client, int64(h.size)); err != nil {
			return err
		}
		over := s.isOver()
		c.endStream()
		if over || s.isOver() {
			return nil
		}
		b := appendCopyDone(nil)
		b = appendCommandComplete(appendCommandComplete(b, "COPY 0"), startReplication{}.tag())
		return c.b.say(appendReady(b, c.status))
	}
	if s.isOver() {
		c.endStream()
		return c.message(h)
	}
	return c.fatal(errorf("08P01", "unexpected message type \"%c\"", h.typ))
}

func (s *stream) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.over
}

// heard takes a message of the subscriber's: a standby status update, of which the
// position that it has flushed counts, or hot standby feedback, which is for
// physical replication.
func (s *stream) heard(body []byte) {
	s.mu.Lock()
	s.mu.heard, s.mu.asked = time.Now(), false
	var flushed wal.LSN
	if len(body) == 34 && body[0] == 'r' {
		flushed = wal.LSN(binary.BigEndian.Uint64(body[9:]))
		s.mu.wanted = s.mu.wanted || body[33] != 0
	}
	news := flushed > s.mu.acknowledged
	if news {
		s.mu.acknowledged = flushed
	}
	s.mu.Unlock()
	if !news {
		return
	}
	s.sub.Ack(flushed)
	s.c.srv.confirm(s.slot, flushed)
	select {
	case s.acks <- struct{}{}:
	default:
	}
}

func (s *stream) acknowledged() wal.LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.acknowledged
}
