package pgtest

import (
	"context"
	"fmt"
	"net"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/wire"
)

// listener serves a cluster on a port of loopback, on goroutines that end in
// close.
type listener struct {
	url    string
	server *wire.Server
	served chan error
}

func listen(c *pglite.Cluster) (*listener, error) {
	s, err := wire.New(wire.Options{Cluster: c})
	if err != nil {
		return nil, err
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &listener{
		url:    fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", socket.Addr()),
		server: s, served: make(chan error, 1),
	}
	go func() { l.served <- s.Serve(context.Background(), socket) }()
	return l, nil
}

// close ends all connections, whatever they run.
func (l *listener) close() error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = l.server.Shutdown(now) // tells only that it did not wait
	return <-l.served
}
