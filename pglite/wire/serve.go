package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/howdahdb/howdah/pglite"
)

// Replication serves sessions in replication mode (the start-up parameter
// "replication=database"), whose commands Postgres gives to a walsender.
type Replication interface {
	// ServeReplication speaks with the client from the first ReadyForQuery on
	// and returns when the client has left or ctx is cancelled. It checks the
	// role's REPLICATION attribute. The session ends after it.
	ServeReplication(ctx context.Context, s *pglite.Session, client pglite.Client) error
}

// hangup is an optional interface of connections given to ServeConn. f is
// called, on any goroutine, when the peer has closed its end. What the peer has
// sent before is then given up, if the session has not come to it: a client waits
// for the answers that it wants.
type hangup interface{ OnPeerClose(f func()) }

// errClientGone cancels a session whose client has hung up.
var errClientGone = errors.New("client has closed the connection")

// ServeConn serves one connection and closes it. It returns nil when the client
// has left properly or wanted no session, and otherwise why the connection has
// ended. local says that the other end is in this process: it is trusted.
//
// When ctx is cancelled, a running statement is cancelled and the client told.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn, local bool) error {
	return s.serve(ctx, nc, local, nil)
}

// serve is ServeConn for a connection that w watches, if it is not nil.
func (s *Server) serve(ctx context.Context, nc net.Conn, local bool, w *watcher) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	e, ok := s.enter(nc, cancel)
	if !ok {
		nc.Close()
		return errServerClosed
	}
	defer s.leave(e)
	defer nc.Close()
	defer context.AfterFunc(ctx, e.stream.kill)()
	if h, ok := nc.(hangup); ok {
		h.OnPeerClose(func() { cancel(errClientGone) })
	}
	if w != nil {
		defer w.watch(nc, func() {
			if e.stream.running() {
				cancel(errClientGone)
			}
		})()
	}

	c := &conn{srv: s, raw: nc, stream: e.stream, local: local,
		log: s.log.With().Stringer("peer", nc.RemoteAddr()).Logger()}
	err := s.guard(ctx, c, e)
	if e.stream.drained() {
		err, c.handedOver = errAdminShutdown(), false
	}
	if err == nil || errors.Is(err, errNoStartup) || errors.Is(err, io.EOF) {
		return nil
	}
	if !c.handedOver {
		c.stream.say(appendFatal(nil, err))
	}
	c.log.Info().Err(err).Msg("connection ended")
	return err
}

// guard turns a panic into the end of one connection, loudly: the server has
// others, and whoever reads the log must learn of it.
func (s *Server) guard(ctx context.Context, c *conn, e *entry) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.log.Error().Interface("panic", r).Bytes("stack", debug.Stack()).Msg("panic in a connection")
			err, c.handedOver = fatal("XX000", "internal error of the server"), false
		}
	}()
	return s.serveConn(ctx, c, e)
}

func (s *Server) serveConn(ctx context.Context, c *conn, e *entry) error {
	if err := c.raw.SetDeadline(time.Now().Add(s.o.AuthTimeout)); err != nil {
		return err
	}
	m, err := c.startup(ctx)
	if err != nil {
		return err
	}
	if s.draining() {
		return fatal("57P03", "the database system is shutting down")
	}
	if !s.takeSlot() {
		return fatal("53300", "sorry, too many clients already")
	}
	defer s.freeSlot()
	if err := c.authenticate(ctx, m); err != nil {
		return err
	}
	if err := s.checkReplication(m); err != nil {
		return err
	}
	settings, err := m.sessionSettings()
	if err != nil {
		return err
	}
	if err := c.stream.begin(ctx); err != nil {
		return err
	}
	session, err := s.o.Cluster.NewSession(ctx, pglite.SessionOptions{User: m.user, Database: m.database, Params: settings})
	if err != nil {
		return err
	}
	err = s.runSession(ctx, c, e, m, session)
	if closeErr := session.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("close session: %w", closeErr)
	}
	return err
}

func (s *Server) runSession(ctx context.Context, c *conn, e *entry, m *startupMessage, session *pglite.Session) error {
	pid := session.PID()
	key := s.keys.add(pid, m.protocol, session.Cancel)
	defer s.keys.remove(pid, key)
	if err := c.greet(session, key.key); err != nil {
		return err
	}
	e.begin()
	c.handedOver = true
	if m.replication == replicationLogical {
		return s.o.Replication.ServeReplication(ctx, session, c.stream)
	}
	return session.Serve(ctx, c.stream)
}

func (s *Server) checkReplication(m *startupMessage) error {
	switch {
	case m.replication == replicationOff:
		return nil
	case m.replication == replicationPhysical:
		return fatal("0A000", "physical replication is not supported")
	case s.o.Replication == nil:
		return fatal("0A000", "replication connections are not supported")
	}
	return nil
}

// errAdminShutdown is what the client of an ended session is told.
func errAdminShutdown() error {
	return fatal("57P01", "terminating connection due to administrator command")
}
