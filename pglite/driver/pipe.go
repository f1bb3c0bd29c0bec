package driver

import (
	"net"
	"time"
)

// newPipe is net.Pipe with a buffer in either direction: a message is handed
// over and its writer goes on, instead of waiting for each of the reader's Reads.
// Closing an end lets the other read what is there, and then io.EOF.
func newPipe() (client, server *pipeEnd) {
	a, b := newRing(), newRing()
	return &pipeEnd{in: a, out: b}, &pipeEnd{in: b, out: a}
}

// pipeEnd is one end, a [net.Conn].
type pipeEnd struct{ in, out *ring }

func (p *pipeEnd) Read(b []byte) (int, error)  { return p.in.read(b) }
func (p *pipeEnd) Write(b []byte) (int, error) { return p.out.write(b) }

func (p *pipeEnd) Close() error {
	p.in.closeReader()
	p.out.closeWriter()
	return nil
}

func (p *pipeEnd) SetDeadline(t time.Time) error {
	p.in.setReadDeadline(t)
	p.out.setWriteDeadline(t)
	return nil
}

func (p *pipeEnd) SetReadDeadline(t time.Time) error {
	p.in.setReadDeadline(t)
	return nil
}

func (p *pipeEnd) SetWriteDeadline(t time.Time) error {
	p.out.setWriteDeadline(t)
	return nil
}

// OnPeerClose has f called when the other end is closed, at once if it is.
func (p *pipeEnd) OnPeerClose(f func()) { p.in.onWriterClose(f) }

func (p *pipeEnd) LocalAddr() net.Addr  { return pipeAddr{} }
func (p *pipeEnd) RemoteAddr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "in-process" }
