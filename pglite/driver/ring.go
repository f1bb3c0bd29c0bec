package driver

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	minRing = 4 << 10
	// maxRing bounds what a writer may be ahead of its reader.
	maxRing = 64 << 10
)

// ring is one direction of a pipe: a queue of bytes that grows up to maxRing
// and then makes the writer wait.
type ring struct {
	mu       sync.Mutex
	readable sync.Cond
	writable sync.Cond

	// All below is guarded by mu.
	buf          []byte
	start, n     int // buf[start:start+n], modulo its length, is not read yet
	writerClosed bool
	readerClosed bool
	notify       func() // when the writer closes
	readLimit    deadline
	writeLimit   deadline
}

func newRing() *ring {
	r := &ring{}
	r.readable.L, r.writable.L = &r.mu, &r.mu
	r.readLimit.cond, r.writeLimit.cond = &r.readable, &r.writable
	return r
}

func (r *ring) read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case r.readerClosed:
			return 0, net.ErrClosed
		case r.readLimit.expired:
			return 0, os.ErrDeadlineExceeded
		case r.n > 0:
			return r.take(p), nil
		case r.writerClosed:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		r.readable.Wait()
	}
}

func (r *ring) write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	written := 0
	for {
		switch {
		case r.writerClosed:
			return written, net.ErrClosed
		case r.writeLimit.expired:
			return written, os.ErrDeadlineExceeded
		case r.readerClosed:
			return written, io.ErrClosedPipe
		case written == len(p):
			return written, nil
		case r.n < maxRing:
			written += r.put(p[written:])
			r.readable.Broadcast()
		default:
			r.writable.Wait()
		}
	}
}

// take moves unread bytes to p.
func (r *ring) take(p []byte) int {
	n := min(len(p), r.n)
	first := copy(p[:n], r.buf[r.start:])
	copy(p[first:n], r.buf)
	r.start += n
	if r.start >= len(r.buf) {
		r.start -= len(r.buf)
	}
	if r.n -= n; r.n == 0 {
		r.start = 0
	}
	r.writable.Broadcast()
	return n
}

// put moves bytes of p into the ring, as many as there is room for, and makes
// room up to maxRing.
func (r *ring) put(p []byte) int {
	if want := min(r.n+len(p), maxRing); want > len(r.buf) {
		r.grow(want)
	}
	n := min(len(p), len(r.buf)-r.n)
	end := r.start + r.n
	if end >= len(r.buf) {
		end -= len(r.buf)
	}
	first := copy(r.buf[end:], p[:n])
	copy(r.buf, p[first:n])
	r.n += n
	return n
}

func (r *ring) grow(want int) {
	size := max(minRing, len(r.buf))
	for size < want {
		size *= 2
	}
	buf := make([]byte, size)
	if r.n > 0 {
		first := copy(buf, r.buf[r.start:min(r.start+r.n, len(r.buf))])
		copy(buf[first:], r.buf[:r.n-first])
	}
	r.buf, r.start = buf, 0
}

func (r *ring) closeReader() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readerClosed = true
	r.readLimit.stop()
	r.readable.Broadcast()
	r.writable.Broadcast()
}

func (r *ring) closeWriter() {
	r.mu.Lock()
	r.writerClosed = true
	r.writeLimit.stop()
	r.readable.Broadcast()
	r.writable.Broadcast()
	notify := r.notify
	r.notify = nil
	r.mu.Unlock()
	if notify != nil {
		notify()
	}
}

func (r *ring) onWriterClose(f func()) {
	r.mu.Lock()
	closed := r.writerClosed
	if !closed {
		r.notify = f
	}
	r.mu.Unlock()
	if closed {
		f()
	}
}

func (r *ring) setReadDeadline(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.readerClosed {
		r.readLimit.set(t)
	}
}

func (r *ring) setWriteDeadline(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.writerClosed {
		r.writeLimit.set(t)
	}
}

// deadline wakes up those who wait for cond when its time has come. cond.L
// guards it.
type deadline struct {
	cond    *sync.Cond
	expired bool
	timer   *time.Timer
}

// set replaces the deadline; the zero time is none.
func (d *deadline) set(t time.Time) {
	d.stop()
	d.expired = false
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.expired = true
		d.cond.Broadcast()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		d.cond.L.Lock()
		defer d.cond.L.Unlock()
		if d.timer == timer { // not replaced while this waited for the lock
			d.expired = true
			d.cond.Broadcast()
		}
	})
	d.timer = timer
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
