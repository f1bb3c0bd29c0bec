package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// ErrInsecureListen is wrapped by what CheckListen refuses.
var ErrInsecureListen = errors.New("listening beyond this machine needs TLS and password authentication")

// CheckListen says whether a server may listen on the TCP address addr
// (host:port): on the loopback interface always, elsewhere only with TLS and
// password authentication, or when insecure says that the user knows better. Names
// other than localhost count as elsewhere, because they may resolve to anything.
func CheckListen(addr string, tls, auth, insecure bool) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("listen address: %w", err)
	}
	if insecure || tls && auth || isLoopback(host) {
		return nil
	}
	missing := "TLS and password authentication are"
	switch {
	case tls:
		missing = "password authentication is"
	case auth:
		missing = "TLS is"
	}
	return fmt.Errorf("%s: %s missing: %w", addr, missing, ErrInsecureListen)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
