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
	e, ok := s.enter(ctx, nc)
	if !ok {
		nc.Close()
		return errServerClosed
	}
	c := &conn{srv: s, entry: e, stream: e.stream, raw: nc, nc: nc, local: local}
	c.run()
	return c.err
}

// run serves the connection and ends it. The watcher is nil for a connection
// that tells by itself when its peer has closed it.
//
// An idle connection has run on its stack, the session's loop and a Read, and
// nothing else: open has returned, what there is to remember is in c. That is
// because of the garbage collector, which halves a stack only while less than a
// quarter of it is in use; a deeper one would keep 8 KiB of each connection.
func (c *conn) run() {
	defer c.end()
	switch c.open(); {
	case c.err != nil:
	case c.replicates:
		c.err = c.srv.o.Replication.ServeReplication(c.entry.ctx, c.session, c.stream)
	default:
		c.err = c.session.Serve(c.entry.ctx, c.stream)
	}
}

// open takes the client as far as its session, or sets err.
func (c *conn) open() {
	c.stopKill = context.AfterFunc(c.entry.ctx, c.stream.kill)
	if h, ok := c.nc.(hangup); ok {
		h.OnPeerClose(func() { c.entry.cancel(errClientGone) })
	}
	if c.watcher != nil {
		c.watcher.watch(c.nc, c.entry)
	}
	if c.err = c.srv.watchPeer(c.nc); c.err != nil {
		return
	}
	c.err = c.openSession(c.entry.ctx)
}

func (c *conn) openSession(ctx context.Context) error {
	s := c.srv
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
	if c.slot = s.takeSlot(); !c.slot {
		s.refused()
		return fatal("53300", "sorry, too many clients already")
	}
	if err := c.authenticate(ctx, m); err != nil {
		return err
	}
	s.authenticated(c.entry)
	if err := s.checkReplication(m); err != nil {
		return err
	}
	settings, err := m.sessionSettings()
	if err != nil {
		return err
	}
	limit := s.o.StallTimeout
	if c.local {
		limit = 0
	}
	if err := c.stream.begin(ctx, limit); err != nil {
		return err
	}
	c.session, err = s.o.Cluster.NewSession(ctx, pglite.SessionOptions{User: m.user, Database: m.database, Params: settings})
	if err != nil {
		return err
	}
	c.key = s.keys.add(c.session.PID(), m.protocol, c.session.Cancel)
	if err := c.greet(); err != nil {
		return err
	}
	s.begin(c.entry)
	c.replicates, c.handedOver = m.replication == replicationLogical, true
	return nil
}

// end closes session and connection, and tells the client why if nobody has.
func (c *conn) end() {
	if r := recover(); r != nil {
		c.panicked(r)
	}
	s := c.srv
	defer s.leave(c.entry)
	defer c.entry.cancel(nil)
	defer c.nc.Close()
	c.closeSession()
	if c.watcher != nil {
		defer c.watcher.unwatch(c.entry)
	}
	if c.stopKill != nil {
		defer c.stopKill()
	}

	switch ended := c.stream.ended(); ended {
	case errDrained:
		c.err, c.handedOver = errAdminShutdown(), false
	case errStalled:
		c.err, c.handedOver = errIncomplete(s.o.StallTimeout), false
	case errDeaf:
		c.err = ended
	}
	if c.err == nil || errors.Is(c.err, errNoStartup) || errors.Is(c.err, io.EOF) {
		c.err = nil
		return
	}
	if !c.handedOver {
		c.stream.say(appendFatal(nil, c.err))
	}
	c.log().Info().Err(c.err).Msg("connection ended")
}

// closeSession ends what open has begun.
func (c *conn) closeSession() {
	defer func() {
		if r := recover(); r != nil {
			c.panicked(r)
		}
	}()
	if c.slot {
		defer c.srv.freeSlot()
	}
	if c.session == nil {
		return
	}
	if c.key != nil {
		c.srv.keys.remove(c.session.PID(), c.key)
	}
	if err := c.session.Close(); c.err == nil && err != nil {
		c.err = fmt.Errorf("close session: %w", err)
	}
}

// panicked turns a panic into the end of one connection, loudly: the server has
// others, and whoever reads the log must learn of it.
func (c *conn) panicked(r any) {
	c.log().Error().Interface("panic", r).Bytes("stack", debug.Stack()).Msg("panic in a connection")
	c.err, c.handedOver = fatal("XX000", "internal error of the server"), false
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

// errIncomplete is what the client of a stalled session is told, with the
// words of Postgres for a client that hangs up there (pq_getmessage in pqcomm.c).
func errIncomplete(limit time.Duration) error {
	return withDetail(fatal("08P01", "incomplete message from client"),
		"Waiting for the rest of the message took more than %v.", limit)
}
