package replication

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"maps"
	"sync"

	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
)

// Options say what a Server serves.
type Options struct {
	// Log has the sets of the cluster.
	Log *feed.Log
	// Drain waits until all that is durable of the cluster's log is in Log.
	Drain func(context.Context) error
	// Position is up to where Log has everything, whether it has sets there or not.
	Position func() wal.LSN
	// CatalogChange gives the last commit that has changed a catalog, and the newest
	// transaction that has, as capture.Capture does.
	CatalogChange func() (at wal.LSN, xid uint32)
	// Connect gives connections of the host's own to a database, as a superuser. The
	// caller closes it.
	Connect func(database string) (*sql.DB, error)
	// Snapshot reads the rows that there are, for streams that begin with them.
	Snapshot feed.Snapshotter
	// Logger hears of streams that could not begin, or go on. A subscriber that has
	// lost its place shows nowhere else on the server: no slot in the cluster does.
	Logger zerolog.Logger
}

// Server serves the connections in replication mode of one cluster.
type Server struct {
	o Options

	mu struct {
		sync.Mutex
		// inUse are the slots that somebody streams, by their names, and for how long
		// that was waited for.
		inUse map[string]*use
		// confirmed is what subscribers have acknowledged in a history of the log,
		// which the slots in the cluster are told of later.
		confirmed map[confirmed]wal.LSN
	}
}

// use is that of a slot by a stream.
type use struct {
	pid   uint32
	ended chan struct{}
}

// New makes a server. The log stays the caller's.
func New(o Options) *Server {
	s := &Server{o: o}
	s.mu.inUse, s.mu.confirmed = map[string]*use{}, map[confirmed]wal.LSN{}
	return s
}

// Session is a connection in replication mode, after its start-up messages and
// before the first ReadyForQuery.
type Session struct {
	Client Client
	PID    uint32 // as pg_backend_pid has it
	// Serve runs the SQL session: it says ReadyForQuery, and answers messages until
	// there are none.
	Serve func(context.Context, Client) error
}

// Serve serves a connection until its client has left or ctx ends.
func (s *Server) Serve(ctx context.Context, session Session) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &conn{
		srv: s, ctx: ctx, client: session.Client, pid: session.PID,
		b: startBackend(ctx, session.Client, session.Serve),
	}
	err := c.serve()
	c.leave()
	cerr := c.b.close()
	switch {
	case errors.Is(err, errLeft):
		return cerr
	case errors.Is(err, io.EOF):
		return nil
	}
	return errors.Join(err, cerr)
}

// acquire makes a slot a connection's.
func (s *Server) acquire(slot string, pid uint32) (*use, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.mu.inUse[slot]; u != nil {
		return nil, inUse(slot, u.pid)
	}
	u := &use{pid: pid, ended: make(chan struct{})}
	s.mu.inUse[slot] = u
	return u, nil
}

func inUse(slot string, pid uint32) error {
	return errorf("55006", "replication slot \"%s\" is active for PID %d", slot, pid)
}

func (s *Server) release(slot string, u *use) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.inUse, slot)
	close(u.ended)
}

// user is who streams a slot, nil if nobody does.
func (s *Server) user(slot string) *use {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.inUse[slot]
}

// confirmed names what was acknowledged: positions of one history do not hold in
// another.
type confirmed struct {
	slot string
	id   feed.ID
}

// confirm notes what the subscriber of a slot has acknowledged.
func (s *Server) confirm(slot string, lsn wal.LSN) {
	key := confirmed{slot, s.o.Log.ID()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.confirmed[key] = max(s.mu.confirmed[key], lsn)
}

func (s *Server) confirmed(slot string) wal.LSN {
	key := confirmed{slot, s.o.Log.ID()}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.confirmed[key]
}

// forget drops what is known of a slot that is no more.
func (s *Server) forget(slot string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.mu.confirmed, func(c confirmed, _ wal.LSN) bool { return c.slot == slot })
}
