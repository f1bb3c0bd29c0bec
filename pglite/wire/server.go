package wire

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/howdahdb/howdah/pglite"
	"github.com/rs/zerolog"
)

// Defaults of [Options].
const (
	DefaultAuthTimeout = 60 * time.Second
	DefaultMaxClients  = 100
)

// Options of a [Server].
type Options struct {
	Cluster *pglite.Cluster
	// TLS is offered on TCP connections; nil offers none. It is cloned.
	TLS *tls.Config
	// Auth chooses how clients authenticate; nil is [TrustLocal].
	Auth AuthPolicy
	// AuthTimeout is how long start-up and authentication may take together;
	// 0 is [DefaultAuthTimeout].
	AuthTimeout time.Duration
	// MaxClients bounds the sessions; 0 is [DefaultMaxClients]. A client more
	// gets 53300. Connections that have not come as far as a session are bounded by
	// twice as many: one more is closed at once.
	MaxClients int
	// Replication serves replication connections; nil refuses them.
	Replication Replication
	Logger      zerolog.Logger
}

// Server serves one cluster to any number of listeners and connections. Its
// methods may be called on any goroutine.
type Server struct {
	o         Options
	log       zerolog.Logger
	tls       *tls.Config
	binding   []byte // tls-server-end-point, nil: no channel binding
	mockNonce [32]byte
	secrets   secretFunc
	keys      cancelKeys

	mu struct {
		sync.Mutex
		draining  bool
		listeners map[net.Listener]struct{}
		conns     map[*entry]struct{}
		sessions  int
		empty     chan struct{} // closed when draining and the last conn has left
	}
}

// entry is a connection as Shutdown sees it.
type entry struct {
	stream *stream
	cancel context.CancelCauseFunc

	mu struct {
		sync.Mutex
		serving bool // a session has taken over
	}
}

// New makes a server. It holds no goroutine before Serve or ServeConn is called.
func New(o Options) (*Server, error) {
	if o.Cluster == nil {
		return nil, errors.New("wire: options without a cluster")
	}
	return newServer(o, o.Cluster.RoleSecret), nil
}

func newServer(o Options, secrets secretFunc) *Server {
	if o.Auth == nil {
		o.Auth = TrustLocal
	}
	if o.AuthTimeout == 0 {
		o.AuthTimeout = DefaultAuthTimeout
	}
	if o.MaxClients == 0 {
		o.MaxClients = DefaultMaxClients
	}
	s := &Server{o: o, log: o.Logger, secrets: secrets}
	if o.TLS != nil {
		s.tls = o.TLS.Clone()
		s.tls.NextProtos = []string{alpn}
		s.tls.MinVersion = max(s.tls.MinVersion, tls.VersionTLS12) // ssl_min_protocol_version
		s.binding = endpointHash(s.tls)
	}
	rand.Read(s.mockNonce[:])
	s.mu.listeners = make(map[net.Listener]struct{})
	s.mu.conns = make(map[*entry]struct{})
	s.mu.empty = make(chan struct{})
	return s
}

// errServerClosed answers connections that come after Shutdown.
var errServerClosed = errors.New("wire: server is shut down")

// Serve accepts connections from l until ctx is cancelled, Shutdown is called or
// l fails, and returns when all connections that came from l have ended: nil
// after Shutdown, otherwise the cause. It closes l. Cancelling ctx ends running
// statements; Shutdown lets them finish.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if !s.addListener(l) {
		l.Close()
		return errServerClosed
	}
	defer s.removeListener(l)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()

	var conns sync.WaitGroup
	defer conns.Wait()
	w := startWatcher(hangupInterval)
	defer w.stop()

	for delay := time.Duration(0); ; {
		nc, err := l.Accept()
		switch {
		case err == nil:
			delay = 0
			if !s.roomFor() {
				s.log.Warn().Stringer("peer", nc.RemoteAddr()).Msg("too many connections: closed")
				nc.Close()
				continue
			}
			conns.Go(func() { s.serve(ctx, nc, false, w) })
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case s.draining():
			return nil
		case temporary(err):
			// Out of file descriptors, most likely: wait for connections to end.
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			s.log.Warn().Err(err).Dur("retry", delay).Msg("accept")
			select {
			case <-time.After(delay):
			case <-ctx.Done():
			}
		default:
			return fmt.Errorf("accept: %w", err)
		}
	}
}

// temporary says whether an Accept error passes, which net tells only by a
// method that it calls deprecated; net/http relies on it too.
func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// Shutdown drains the server: it stops accepting, ends idle sessions with 57P01
// and waits for the others to become idle. When ctx ends first, running
// statements are cancelled and ctx's error is returned. In any case no connection
// is left when it returns.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	first := !s.mu.draining
	s.mu.draining = true
	for l := range s.mu.listeners {
		l.Close()
	}
	if first && len(s.mu.conns) == 0 {
		close(s.mu.empty)
	}
	for e := range s.mu.conns {
		e.drain()
	}
	s.mu.Unlock()

	select {
	case <-s.mu.empty:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for e := range s.mu.conns {
		e.cancel(errDrained)
	}
	s.mu.Unlock()
	<-s.mu.empty
	return ctx.Err()
}

// drain ends the connection when it has no session yet, and lets the session end
// itself otherwise.
func (e *entry) drain() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.serving {
		e.stream.drain()
	} else {
		e.cancel(errDrained)
	}
}

// begin marks that the session has taken over.
func (e *entry) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.serving = true
}

// enter registers a connection, unless the server is shut down.
func (s *Server) enter(nc net.Conn, cancel context.CancelCauseFunc) (*entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.draining {
		return nil, false
	}
	e := &entry{stream: newStream(nc), cancel: cancel}
	s.mu.conns[e] = struct{}{}
	return e, true
}

func (s *Server) leave(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.conns, e)
	if s.mu.draining && len(s.mu.conns) == 0 {
		close(s.mu.empty)
	}
}

func (s *Server) draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.draining
}

// roomFor bounds all connections, also those that never become a session.
func (s *Server) roomFor() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.conns)-s.mu.sessions < 2*s.o.MaxClients
}

func (s *Server) takeSlot() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.sessions >= s.o.MaxClients {
		return false
	}
	s.mu.sessions++
	return true
}

func (s *Server) freeSlot() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.sessions--
}

func (s *Server) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.draining {
		return false
	}
	s.mu.listeners[l] = struct{}{}
	return true
}

func (s *Server) removeListener(l net.Listener) {
	l.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.listeners, l)
}
