//go:build !unix

package wire

import (
	"errors"
	"fmt"
	"net"
)

// ErrSocketInUse is wrapped by ListenUnix when another server has the socket.
var ErrSocketInUse = errors.New("socket is in use by another server")

// ListenUnix is for systems where file permissions guard a Unix socket.
func ListenUnix(dir string, port int) (net.Listener, error) {
	return nil, fmt.Errorf("listen on a Unix socket: %w", errors.ErrUnsupported)
}
