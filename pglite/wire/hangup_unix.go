//go:build unix && !linux

package wire

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// peerClosed peeks at the socket. A client that has sent more before it left is
// noticed only when that has been read.
func peerClosed(raw syscall.RawConn) bool {
	closed := false
	err := raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		closed = err == nil && n == 0 || errors.Is(err, unix.ECONNRESET)
	})
	return err == nil && closed
}
