package main

import (
	"crypto/tls"
	"errors"
	"net"

	"github.com/howdahdb/howdah/pglite/wire"
)

// adminListener is where the admin endpoint will answer.
type adminListener struct {
	net.Listener
	certificate *tls.Config // nil: plain HTTP
}

// adminTLS decides how --admin is served: in the clear on loopback, with the
// server's certificate elsewhere, and not at all elsewhere without one.
func (c *serveCmd) adminTLS(certificate *tls.Config) (*tls.Config, error) {
	if c.Admin == "" {
		return nil, nil
	}
	const tlsGiven, passwordGiven, insecure = false, false, false
	err := wire.CheckListen(c.Admin, tlsGiven, passwordGiven, insecure)
	switch {
	case err == nil:
		return nil, nil
	case !errors.Is(err, wire.ErrInsecureListen):
		return nil, usagef("--admin: %w", err)
	case certificate == nil:
		return nil, usagef("--admin: %s is reachable from other machines; that needs --tls-cert and --tls-key", c.Admin)
	}
	return certificate, nil
}

// listenAdmin claims the address; nil when there is none.
func (c *serveCmd) listenAdmin(certificate *tls.Config) (*adminListener, error) {
	if c.Admin == "" {
		return nil, nil
	}
	tcp, err := listenTCP("--admin", c.Admin)
	if err != nil {
		return nil, err
	}
	return &adminListener{tcp, certificate}, nil
}

func (l *adminListener) url() string {
	if l.certificate != nil {
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

func (l *adminListener) close() {
	if l != nil {
		l.Close()
	}
}
