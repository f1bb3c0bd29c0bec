package wire

import (
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// limitUnacknowledged bounds how long the other end may leave what it was sent
// unacknowledged, or its window closed. No keep-alive probe goes out while
// something is under way, and the system would try again for a quarter of an hour
// (TCP_USER_TIMEOUT in tcp(7)).
func limitUnacknowledged(tcp *net.TCPConn, limit time.Duration) error {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit.Milliseconds()))
	})
	return errors.Join(err, failed)
}
