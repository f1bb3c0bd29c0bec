package wire

import (
	"net"
	"sync"
)

// block is what a connection reads into and writes from, as large as the
// buffers of Postgres (PQ_RECV_BUFFER_SIZE and PQ_SEND_BUFFER_SIZE in
// pqcomm.c). A connection has one only while there is something in it: of ten
// thousand clients most are idle most of the time.
type block [8 << 10]byte

var blocks = sync.Pool{New: func() any { return new(block) }}

// reader buffers what a connection sends. While it waits at a socket it holds
// no buffer at all; over TLS and in a pipe, where there is no way to be told of
// bytes without offering a place for them, it waits with a small one. It belongs
// to the goroutine that reads.
type reader struct {
	nc  net.Conn
	raw *rawReader // nil: nc is no socket, or can't be waited for without a buffer

	rest  []byte // has come and was not read
	block *block // that rest is in; nil when it is in small, or empty
	small []byte
}

// smallBuffer holds most batches of extended query messages whole.
const smallBuffer = 512

func newReader(nc net.Conn) *reader {
	return &reader{nc: nc, raw: newRawReader(nc)}
}

// Buffered is the number of bytes that can be read without waiting.
func (r *reader) Buffered() int { return len(r.rest) }

// Read waits as long as it takes for at least one byte.
func (r *reader) Read(p []byte) (int, error) { return r.read(p, true) }

// read is Read; soon says that more is due, as in the middle of a message.
func (r *reader) read(p []byte, soon bool) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.rest) == 0 {
		if soon && len(p) >= len(block{}) {
			return r.nc.Read(p)
		}
		if err := r.fill(soon); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) == 0 {
		r.release()
	}
	return n, nil
}

// fill waits for bytes. REQUIRES: none are left.
func (r *reader) fill(soon bool) error {
	if r.raw == nil {
		return r.fillHolding(soon)
	}
	if err := r.raw.conn.Read(r.raw.try); err != nil { // a deadline, or closed
		return err
	}
	return r.raw.take(r)
}

// fillHolding is fill for a connection that wants a buffer while it waits.
func (r *reader) fillHolding(soon bool) error {
	p := r.small
	if soon {
		r.block = blocks.Get().(*block)
		p = r.block[:]
	} else if p == nil {
		r.small = make([]byte, smallBuffer)
		p = r.small
	}
	n, err := r.nc.Read(p)
	for n == 0 && err == nil {
		n, err = r.nc.Read(p)
	}
	if r.rest = p[:n]; n > 0 {
		return nil // an error comes again
	}
	r.release()
	return err
}

// release gives the block back. REQUIRES: nothing is left to read.
func (r *reader) release() {
	if r.block != nil {
		blocks.Put(r.block)
		r.block = nil
	}
	r.rest = nil
}

// peek is the next byte, which stays.
func (r *reader) peek() (byte, error) {
	if len(r.rest) == 0 {
		if err := r.fill(true); err != nil {
			return 0, err
		}
	}
	return r.rest[0], nil
}
