package wire

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// peerClosed asks poll(2) for POLLRDHUP, which Linux sets when the peer has shut
// its side down even if there are bytes left to read (WaitEventAdjustPoll in
// waiteventset.c does the same).
func peerClosed(raw syscall.RawConn) bool {
	closed := false
	err := raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(fds, 0)
		closed = err == nil && n == 1 && fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return err == nil && closed
}
