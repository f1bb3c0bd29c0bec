package pglite

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// inbound reads frontend messages one at a time and hands them on in pieces,
// so that none has to fit into memory.
type inbound struct {
	cl   Client
	r    *bufio.Reader
	typ  byte
	head [headerSize]byte
	sent int    // bytes of head handed on
	peek []byte // first part of the body, read ahead by prefix
	used int    // bytes of peek handed on
	left int    // bytes of the body not yet read from r
}

// maxIdlePeek bounds the buffer that a connection keeps from message to message.
const maxIdlePeek = 2 * maxName

// maxMessage is the largest body that Postgres takes (PQ_LARGE_MESSAGE_LIMIT,
// src/include/libpq/libpq.h).
const maxMessage = 0x3fffffff

func newInbound(cl Client) inbound {
	return inbound{cl: cl, r: bufio.NewReaderSize(cl, 8192)}
}

var errLength = errors.New("pglite: invalid message length")

// next reads the header of the next message. The one before must have been
// read to its end.
func (m *inbound) next() error {
	if _, err := io.ReadFull(m.r, m.head[:]); err != nil {
		return err
	}
	m.typ, m.sent, m.peek, m.used = m.head[0], 0, m.peek[:0], 0
	if cap(m.peek) > maxIdlePeek {
		m.peek = nil
	}
	n := int(int32(binary.BigEndian.Uint32(m.head[1:])))
	if n < 4 || n > maxMessage {
		return errLength
	}
	m.left = n - 4
	return nil
}

// prefix reads ahead as much of the body as there is, up to n bytes, and
// returns it; it is handed on like the rest. The bytes are valid until next.
func (m *inbound) prefix(n int) ([]byte, error) {
	n = min(n, len(m.peek)+m.left)
	for len(m.peek) < n {
		have := len(m.peek)
		// What a header promises takes no memory before it comes.
		piece := min(n-have, max(have, maxName))
		m.peek = slices.Grow(m.peek, piece)[:have+piece]
		if _, err := io.ReadFull(m.r, m.peek[have:]); err != nil {
			return nil, errGone
		}
		m.left -= piece
	}
	return m.peek[:n], nil
}

// size is the length of the body that is still to come.
func (m *inbound) size() int { return len(m.peek) - m.used + m.left }

// read hands on the next bytes of the message, header and body.
func (m *inbound) read(p []byte) (int, error) {
	n := copy(p, m.head[m.sent:])
	m.sent += n
	k := copy(p[n:], m.peek[m.used:])
	m.used += k
	n += k
	if n == len(p) || m.left == 0 {
		return n, nil
	}
	if n > 0 && m.r.Buffered() == 0 {
		return n, nil // what is here goes first
	}
	k, err := m.r.Read(p[n:min(len(p), n+m.left)])
	m.left -= k
	return n + k, err
}

// atHand tells whether read gives something without waiting for the client.
func (m *inbound) atHand() bool {
	return m.sent < headerSize || m.used < len(m.peek) || m.left == 0 || m.r.Buffered() > 0
}

// await waits until it does.
func (m *inbound) await() error {
	_, err := m.r.Peek(1)
	return err
}

// empty tells whether the message has been handed on whole.
func (m *inbound) empty() bool { return m.sent == headerSize && m.used == len(m.peek) && m.left == 0 }

// discard drops the rest of the message.
func (m *inbound) discard() error {
	_, err := m.r.Discard(m.left)
	m.sent, m.used, m.left = headerSize, len(m.peek), 0
	return err
}

// buffered is how many bytes can be had without waiting for the client.
func (m *inbound) buffered() int { return m.r.Buffered() + m.cl.Buffered() }

// syncFollows tells whether the message after this one is here and a Sync, and
// nothing comes behind it. The body must have been read ahead.
func (m *inbound) syncFollows() bool {
	if m.left > 0 || m.buffered() != headerSize {
		return false
	}
	b, err := m.r.Peek(headerSize)
	return err == nil && b[0] == 'S'
}
