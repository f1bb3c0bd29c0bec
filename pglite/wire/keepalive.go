package wire

import (
	"net"
	"time"
)

// keepAlive finds out that a client's machine is gone without a word: three
// minutes after the last sign of life its connection ends, whether the session
// is idle or running. Postgres leaves that to the system, where it is two hours by
// default (tcp_keepalives_idle and its kin). Two minutes are less than what
// middleboxes keep an idle connection for; Go's own 15 seconds would have ten
// thousand idle clients exchange 1,300 packets a second.
var keepAlive = net.KeepAliveConfig{
	Enable:   true,
	Idle:     2 * time.Minute,
	Interval: 15 * time.Second,
	Count:    4,
}

// watchPeer sets how the system finds out whether nc's other end is there.
func (s *Server) watchPeer(nc net.Conn) error {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	if err := tcp.SetKeepAliveConfig(s.keepAlive); err != nil {
		return err
	}
	if s.o.StallTimeout == 0 {
		return nil
	}
	silence := s.keepAlive.Idle + time.Duration(s.keepAlive.Count)*s.keepAlive.Interval
	return limitUnacknowledged(tcp, max(silence, s.o.StallTimeout))
}
