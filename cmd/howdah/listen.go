package main

import (
	"errors"
	"net"
	"syscall"
)

// listenTCP claims addr, which flag gives. Whatever prevents that is the caller's to correct.
func listenTCP(flag, addr string) (*net.TCPListener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, usagef("%s is in use by another server; choose another address with %s", addr, flag)
	} else if err != nil {
		return nil, usageError{err}
	}
	return l.(*net.TCPListener), nil
}
