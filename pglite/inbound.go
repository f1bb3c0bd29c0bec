package pglite

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"
)

// inbound reads frontend messages one at a time and hands them on in pieces,
// so that none has to fit into memory. It buffers no more than has come, and
// between two messages nothing: what a client sends ahead waits in the Client.
type inbound struct {
	cl   Client
	typ  byte
	head [headerSize]byte
	sent int     // bytes of head handed on
	peek []byte  // part of the body, read ahead
	buf  *[]byte // that peek is in, from peeks; nil when it has none
	used int     // bytes of peek handed on
	left int     // bytes of the body not yet read from cl

	ahead  [headerSize]byte // begin of the next message, read by follows
	nahead int
}

// peeks are buffers for what is read ahead. A client has one only in the middle
// of a message: ten thousand idle ones have none.
var peeks = sync.Pool{New: func() any { b := make([]byte, 0, minPeek); return &b }}

const (
	minPeek = 1 << 10
	maxPeek = 2 * maxName // a buffer that has grown beyond is not kept
	// awaited is how much is read at once of a body that is handed on in pieces.
	awaited = 16 << 10
)

// maxMessage is the largest body that Postgres takes (PQ_LARGE_MESSAGE_LIMIT,
// src/include/libpq/libpq.h).
const maxMessage = 0x3fffffff

func newInbound(cl Client) inbound { return inbound{cl: cl} }

var errLength = errors.New("pglite: invalid message length")

// next reads the header of the next message. The one before must have been
// read to its end.
func (m *inbound) next() error {
	m.forget()
	n := copy(m.head[:], m.ahead[:m.nahead])
	m.nahead = 0
	for n < headerSize { // not io.ReadFull: an idle client's stack is to be short
		k, err := m.cl.Read(m.head[n:])
		if n += k; k == 0 && err != nil {
			return err
		}
	}
	m.typ, m.sent = m.head[0], 0
	n = int(int32(binary.BigEndian.Uint32(m.head[1:])))
	if n < 4 || n > maxMessage {
		return errLength
	}
	m.left = n - 4
	return nil
}

// forget gives the buffer back.
func (m *inbound) forget() {
	if m.buf != nil && cap(*m.buf) <= maxPeek {
		peeks.Put(m.buf)
	}
	m.buf, m.peek, m.used = nil, nil, 0
}

// grow makes room for n more bytes behind peek, and returns it.
func (m *inbound) grow(n int) []byte {
	if m.buf == nil {
		m.buf = peeks.Get().(*[]byte)
		m.peek = (*m.buf)[:0]
	}
	have := len(m.peek)
	m.peek = slices.Grow(m.peek, n)
	*m.buf = m.peek[:0]
	return m.peek[have : have+n]
}

// prefix reads ahead as much of the body as there is, up to n bytes, and
// returns it; it is handed on like the rest. The bytes are valid until next.
// With n the size, the message needs nothing more from the client. REQUIRES:
// nothing of the body has been handed on.
func (m *inbound) prefix(n int) ([]byte, error) {
	n = min(n, len(m.peek)+m.left)
	for len(m.peek) < n {
		have := len(m.peek)
		// What a header promises takes no memory before it comes.
		room := m.grow(min(n-have, max(have, minPeek, m.cl.Buffered())))
		k, err := m.cl.Read(room)
		m.peek, m.left = m.peek[:have+k], m.left-k
		if k == 0 && err != nil {
			return nil, errGone
		}
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
	if n > 0 && m.cl.Buffered() == 0 {
		return n, nil // what is here goes first
	}
	k, err := m.cl.Read(p[n:min(len(p), n+m.left)])
	m.left -= k
	return n + k, err
}

// atHand tells whether read gives something without waiting for the client.
func (m *inbound) atHand() bool {
	return m.sent < headerSize || m.used < len(m.peek) || m.left == 0 || m.cl.Buffered() > 0
}

// await waits until it does. REQUIRES: it does not yet.
func (m *inbound) await() error {
	m.peek, m.used = m.peek[:0], 0
	room := m.grow(min(m.left, awaited))
	for len(m.peek) == 0 {
		k, err := m.cl.Read(room)
		m.peek, m.left = m.peek[:k], m.left-k
		if k == 0 && err != nil {
			return err
		}
	}
	return nil
}

// empty tells whether the message has been handed on whole.
func (m *inbound) empty() bool { return m.sent == headerSize && m.used == len(m.peek) && m.left == 0 }

// discard drops the rest of the message.
func (m *inbound) discard() error {
	m.sent, m.used = headerSize, len(m.peek)
	for m.left > 0 {
		if err := m.await(); err != nil {
			return err
		}
		m.used = len(m.peek)
	}
	return nil
}

// buffered is how many bytes can be had without waiting for the client.
func (m *inbound) buffered() int { return m.nahead + m.cl.Buffered() }

// follows tells the type of the message after this one, if all of it is here.
// The body of this one must have been read, or read ahead.
func (m *inbound) follows() (typ byte, ok bool) {
	if m.left > 0 || m.buffered() < headerSize {
		return 0, false
	}
	for m.nahead < headerSize {
		k, err := m.cl.Read(m.ahead[m.nahead:])
		if m.nahead += k; k == 0 && err != nil {
			return 0, false
		}
	}
	n := int(int32(binary.BigEndian.Uint32(m.ahead[1:])))
	return m.ahead[0], n >= 4 && n-4 <= m.cl.Buffered()
}

// syncFollows tells whether the message after this one is here and a Sync, and
// nothing comes behind it.
func (m *inbound) syncFollows() bool {
	typ, ok := m.follows()
	return ok && typ == 'S' && m.cl.Buffered() == 0
}
