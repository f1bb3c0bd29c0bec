package wire

import "net"

// SetKeepAlive replaces keepAlive, before the server serves.
func (s *Server) SetKeepAlive(k net.KeepAliveConfig) { s.keepAlive = k }

// Certificate makes a self-signed certificate.
var Certificate = certificate
