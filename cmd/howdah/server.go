package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/howdahdb/howdah/bridge/capture"
	"github.com/howdahdb/howdah/cmd/bundle"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/admin"
	"github.com/howdahdb/howdah/pglite/template"
	"github.com/howdahdb/howdah/pglite/wire"
)

// drainTime is how long running statements may go on after the first signal.
const drainTime = 10 * time.Second

// server is a cluster with the listeners in front of it. Its goroutines, one
// per listener, end in shutdown.
type server struct {
	db      *bundle.Database
	front   *wire.Server
	admin   *admin.Server // nil: none
	serving sync.WaitGroup
	broken  chan error // room for every listener's error
}

// openCluster is pglite.Open, or what opens a clone.
type openCluster func(context.Context, pglite.Options) (*pglite.Cluster, error)

// startServer opens the cluster and serves it on the listeners, which it owns
// from here on, also when it fails.
func startServer(ctx context.Context, open openCluster, o bundle.Options, w wire.Options, show *adminListener, listeners ...net.Listener) (_ *server, err error) {
	defer func() {
		if err != nil {
			show.close()
			closeAll(listeners)
		}
	}()
	report, end := newProgress(o.Cluster.Logger)
	o.Cluster.Progress = report
	db, err := bundle.OpenWith(ctx, open, o)
	end()
	if err != nil {
		return nil, startError(ctx, o.Cluster.Dir, err)
	}
	w.Cluster, w.Replication = db.Cluster, db.Replication()
	front, err := wire.New(w)
	if err != nil {
		return nil, errors.Join(err, db.Close(ctx))
	}
	s := &server{db: db, front: front, broken: make(chan error, len(listeners)+1)}
	if show != nil {
		s.admin = admin.New(db.Cluster, db.Figures, o.Cluster.Logger)
		s.serving.Go(func() { s.broken <- s.admin.Serve(show.Listener, show.certificate) })
	}
	for _, l := range listeners {
		s.serving.Go(func() { s.broken <- s.front.Serve(context.WithoutCancel(ctx), l) })
	}
	return s, nil
}

// wait returns nil when ctx ends, and an error when the server does before.
func (s *server) wait(ctx context.Context) error {
	var err error
	select {
	case <-ctx.Done():
		return nil
	case err = <-s.broken:
	case <-s.db.Cluster.Done():
		err = s.db.Cluster.Err()
	}
	if err == nil {
		err = pglite.ErrClosed
	}
	return err
}

// shutdown closes the listeners first, then lets sessions finish what they run
// for up to drainTime, which the admin endpoint still tells about, and closes
// the cluster last, with a checkpoint.
func (s *server) shutdown(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	drain, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	if s.admin != nil {
		s.admin.Drain()
	}
	err := s.front.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // the sessions that were left have been told 57P01
	}
	if s.admin != nil {
		_ = s.admin.Shutdown(drain) // of a client that is slow to read
	}
	s.serving.Wait()
	return errors.Join(err, s.db.Close(ctx))
}

// startError tells what the user has to correct from what went wrong at start:
// a data directory that is taken, foreign or out of reach, a setting that
// Postgres refuses, and a statement of a template.
func startError(ctx context.Context, dir string, err error) error {
	var refused *pglite.Error
	var wrong *template.Error
	var capturing *capture.BeginError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("stopped before the database was ready: %w", context.Cause(ctx))
	case errors.As(err, &capturing):
		return fmt.Errorf("%w; --no-feed serves without it, and when %s is removed a new feed begins", err, filepath.Join(dir, bundle.Folder))
	case errors.Is(err, pglite.ErrLocked), errors.Is(err, pglite.ErrNotCluster),
		errors.Is(err, fs.ErrPermission), isAbout(err, dir), errors.As(err, &refused), errors.As(err, &wrong):
		return usageError{err}
	}
	return err
}

// isAbout reports whether err comes from opening or making dir itself.
func isAbout(err error, dir string) bool {
	var failed *fs.PathError
	if dir == "" || !errors.As(err, &failed) {
		return false
	}
	abs, absErr := filepath.Abs(dir)
	return absErr == nil && failed.Path == abs
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}
