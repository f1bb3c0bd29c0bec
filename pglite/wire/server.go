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
	DefaultAuthTimeout  = 60 * time.Second
	DefaultStallTimeout = 60 * time.Second
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
	// StallTimeout is how long a client may make a session wait in the middle
	// of a message, and how long it may leave what it is sent unread, before its
	// connection ends; 0 is [DefaultStallTimeout], less than 0 is for ever. A
	// message of more than 64 KiB has that time for each 64 KiB. Time between
	// messages, those of a COPY too, does not count, and nothing does for a
	// client within this process.
	StallTimeout time.Duration
	// MaxClients bounds the sessions; 0 sets no bound. A client more gets 53300.
	MaxClients int
	// Replication serves replication connections; nil refuses them.
	Replication Replication
	Logger      zerolog.Logger
	// Trace is told of the first login and, by the same client, of the first
	// query, when they have been answered; may be nil. It is called on a
	// goroutine of that connection and must not wait.
	Trace func(step string, began time.Time)
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
	refused   func() // told of a client beyond MaxClients
	keys      cancelKeys
	keepAlive net.KeepAliveConfig
	tracer    tracer

	maxStartups int
	room        chan struct{} // 1 deep: a place among those that start up is free

	mu struct {
		sync.Mutex
		draining  bool
		listeners map[net.Listener]struct{}
		conns     map[*entry]struct{}
		startups  map[*entry]struct{} // of conns
		sessions  int
		empty     chan struct{} // closed when draining and the last conn has left
	}
}

// New makes a server. It holds no goroutine before Serve or ServeConn is called.
func New(o Options) (*Server, error) {
	if o.Cluster == nil {
		return nil, errors.New("wire: options without a cluster")
	}
	s := newServer(o, o.Cluster.RoleSecret)
	s.refused = o.Cluster.CountRefused
	return s, nil
}

func newServer(o Options, secrets secretFunc) *Server {
	if o.Auth == nil {
		o.Auth = TrustLocal
	}
	if o.AuthTimeout == 0 {
		o.AuthTimeout = DefaultAuthTimeout
	}
	switch {
	case o.StallTimeout == 0:
		o.StallTimeout = DefaultStallTimeout
	case o.StallTimeout < 0:
		o.StallTimeout = 0
	}
	s := &Server{
		o: o, log: o.Logger, secrets: secrets, refused: func() {},
		maxStartups: maxStartups, room: make(chan struct{}, 1), keepAlive: keepAlive,
	}
	s.tracer.tell = o.Trace
	if o.TLS != nil {
		s.tls = o.TLS.Clone()
		s.tls.NextProtos = []string{alpn}
		s.tls.MinVersion = max(s.tls.MinVersion, tls.VersionTLS12) // ssl_min_protocol_version
		s.binding = endpointHash(s.tls)
	}
	rand.Read(s.mockNonce[:])
	s.mu.listeners = make(map[net.Listener]struct{})
	s.mu.conns = make(map[*entry]struct{})
	s.mu.startups = make(map[*entry]struct{})
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
			e, ok := s.admit(ctx, nc)
			if !ok {
				nc.Close()
				continue
			}
			c := &conn{srv: s, entry: e, stream: e.stream, nc: nc, raw: nc, watcher: w}
			conns.Go(c.run)
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

func (s *Server) draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.draining
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
