//go:build unix

package wire

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// rawReader reads a connection of the kernel's into a block that it takes when
// there is something to read, not before it waits. net.Conn has its Read hold
// the buffer while it waits.
type rawReader struct {
	conn syscall.RawConn
	try  func(fd uintptr) bool // attempt, bound once: conn.Read waits until it is true

	block *block
	n     int
	err   error
}

// newRawReader returns nil for a connection that is no socket of package net's own.
// Others may have a descriptor too, and a Read that does more.
func newRawReader(nc net.Conn) *rawReader {
	var sc syscall.Conn
	switch nc := nc.(type) {
	case *net.TCPConn:
		sc = nc
	case *net.UnixConn:
		sc = nc
	default:
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	s := &rawReader{conn: raw}
	s.try = s.attempt
	return s
}

// take gives r what attempt has read.
func (s *rawReader) take(r *reader) error {
	r.block, r.rest = s.block, s.block[:s.n]
	err := s.err
	s.block, s.err = nil, nil
	if len(r.rest) > 0 {
		return nil
	}
	r.release()
	if err == nil {
		err = io.EOF
	}
	return err
}

// attempt reads without waiting, and says whether that was all.
func (s *rawReader) attempt(fd uintptr) bool {
	b := blocks.Get().(*block)
	for {
		n, err := unix.Read(int(fd), b[:])
		switch err {
		case nil:
			s.block, s.n = b, n
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			blocks.Put(b)
			return false
		default:
			s.block, s.n, s.err = b, 0, os.NewSyscallError("read", err)
			return true
		}
	}
}
