//go:build !unix

package wire

import (
	"net"
	"syscall"
)

// rawReader is for systems that tell of bytes without taking them.
type rawReader struct {
	conn syscall.RawConn
	try  func(fd uintptr) bool
}

func newRawReader(net.Conn) *rawReader { return nil }

// take is never called: there is no rawReader.
func (*rawReader) take(*reader) error { panic("wire: nothing was read") }
