package pglite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// Cluster is a running PostgreSQL cluster. Its methods may be called from any
// goroutine.
type Cluster struct {
	o      Options
	log    zerolog.Logger
	engine *engine
	ns     *vfs.Namespace
	mem    *vfs.Memory // root of ns
	dir    *dataDir    // nil in memory
	pool   pool
	host   *Session // adopts a backend for the host's own SQL

	mu struct {
		sync.Mutex
		sessions map[*Session]bool
		err      error // why the cluster has stopped
	}
	done   chan struct{} // closed when it stops
	closed chan struct{} // closed when Close has finished
	once   sync.Once
	cerr   error
}

// Open starts a cluster: it loads the artifact, takes the data directory's
// lock, makes the cluster with initdb if there is none, and starts a backend,
// which recovers what a crash has left.
func Open(ctx context.Context, o Options) (*Cluster, error) {
	if err := checkSettings(o.Settings); err != nil {
		return nil, err
	}
	var dir *dataDir
	if o.Dir != "" {
		var err error
		if dir, err = openDataDir(o.Dir); err != nil {
			return nil, err
		}
	}
	return open(ctx, o, dir)
}

// open starts a cluster on a data directory, which it closes in any case; nil
// is memory.
func open(ctx context.Context, o Options, dir *dataDir) (_ *Cluster, err error) {
	c := &Cluster{o: o, log: o.Logger, dir: dir, done: make(chan struct{}), closed: make(chan struct{})}
	c.mu.sessions = map[*Session]bool{}
	c.host = &Session{c: c, pid: newPID(), startup: hostSettings}
	defer func() {
		if err != nil {
			c.free()
		}
	}()
	if c.engine, err = acquireEngine(ctx, &o); err != nil {
		return nil, err
	}
	if err := c.openFiles(ctx); err != nil {
		return nil, err
	}
	c.pool = pool{
		size: 1, timeout: o.queueTimeout(), boot: c.boot, retire: c.retire,
		out: map[*backend]bool{},
	}
	if err := c.prepareRole(ctx); err != nil {
		for _, b := range c.pool.close(ErrClosed) {
			c.retire(b)
		}
		return nil, err
	}
	c.engine.trim()
	return c, nil
}

// openFiles makes the guest's tree, with a cluster in it.
func (c *Cluster) openFiles(ctx context.Context) error {
	if c.dir == nil {
		var err error
		if c.mem, err = c.engine.freshCluster(ctx, &c.o); err != nil {
			return err
		}
		c.ns = vfs.NewNamespace(c.mem)
		return nil
	}
	if c.dir.empty {
		fresh, err := c.engine.newCluster(ctx, &c.o)
		if err != nil {
			return err
		}
		err = c.dir.fill(fresh)
		if err = errors.Join(err, fresh.Close()); err != nil {
			return err
		}
	}
	c.mem = c.engine.base.Clone()
	c.ns = vfs.NewNamespace(c.mem)
	if err := c.mem.Mkdir(guestData, 0o700); err != nil && vfs.Errno(err) != errExist {
		return err
	}
	if err := c.ns.Mount(guestData, c.dir.fs); err != nil {
		return err
	}
	c.ns.SetObserver(newDurability(c.ns, c.stop))
	return nil
}

// prepareRole boots the first backend, which also shows that the cluster can
// be served, and sets the superuser's password.
func (c *Cluster) prepareRole(ctx context.Context) error {
	if c.o.Password == "" {
		_, err := c.asHost(ctx, "select 1")
		return err
	}
	_, err := c.asHost(ctx, "alter role postgres password "+quoteLiteral(c.o.Password))
	return err
}

// boot starts a backend for the pool.
func (c *Cluster) boot(ctx context.Context, want login) (*backend, error) {
	select {
	case <-c.done:
		return nil, c.stopped()
	default:
	}
	if err := clearTheWay(c.ns); err != nil {
		return nil, err
	}
	b, err := boot(ctx, c.engine, c.ns, c.postgresArgs(), want, logWriter{log: c.log})
	if err != nil {
		if e := (*Error)(nil); !errors.As(err, &e) {
			err = fmt.Errorf("pglite: start a backend for role %q, database %q: %w", want.role, want.db, err)
		}
		return nil, err
	}
	b.mem.Trim()
	return b, nil
}

// crashed drops a backend that has trapped, with all it held. The next one
// that boots recovers the cluster from its files. Running out of file system
// is another matter: see stop.
func (c *Cluster) crashed(b *backend, err error) {
	if errors.Is(err, errExited) || !b.alive() {
		return
	}
	c.log.Error().Err(err).Uint32("pid", b.pid).Msg("backend crashed; the next one recovers the cluster")
	b.abandon()
}

// stop ends the cluster for good: nothing that is not yet acknowledged will
// be, since what is on disk is no longer known. The first reason counts.
func (c *Cluster) stop(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.err != nil {
		return
	}
	c.mu.err = err
	close(c.done)
	c.log.Error().Err(err).Msg("the cluster stops")
}

func (c *Cluster) stopped() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.err
}

// Done is closed when the cluster has failed or was closed.
func (c *Cluster) Done() <-chan struct{} { return c.done }

// Err is why the cluster has failed; nil while it runs, and after Close.
func (c *Cluster) Err() error {
	if err := c.stopped(); !errors.Is(err, ErrClosed) {
		return err
	}
	return nil
}

// retire ends a backend as well as it goes.
func (c *Cluster) retire(b *backend) {
	select {
	case <-c.done:
		if err := c.Err(); err != nil { // on such files nothing is written any more
			b.abandon()
			return
		}
	default:
	}
	if err := b.end(); err != nil {
		c.log.Error().Err(err).Msg("backend did not shut down")
	}
}

// Close ends the cluster: running statements are terminated, backends end as at
// a client's leave, the last one with the shutdown checkpoint, and sessions
// find that out at their next message (a server tells its clients before, see
// wire.Server.Shutdown). When ctx ends before a statement does, Close returns
// its error and leaves what still runs as a crash would.
func (c *Cluster) Close(ctx context.Context) error {
	c.once.Do(func() {
		defer close(c.closed)
		backends := c.pool.close(ErrClosed)
		for _, s := range c.all() {
			s.terminate()
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.pool.booting.Wait()
			for _, b := range backends {
				c.retire(b)
			}
		}()
		select {
		case <-ended:
			c.stopQuietly()
			c.free()
		case <-ctx.Done():
			c.stopQuietly()
			c.cerr = fmt.Errorf("pglite: a statement did not end: %w", ctx.Err())
		}
	})
	<-c.closed
	return c.cerr
}

// stopQuietly makes Done tell that the cluster is closed.
func (c *Cluster) stopQuietly() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.err == nil {
		c.mu.err = ErrClosed
		close(c.done)
	}
}

// free gives up files, lock and engine.
func (c *Cluster) free() {
	var errs []error
	if c.dir != nil {
		errs = append(errs, c.dir.close())
	}
	if c.mem != nil {
		errs = append(errs, c.mem.Close())
	}
	if c.engine != nil {
		errs = append(errs, c.engine.release())
	}
	if err := errors.Join(errs...); err != nil {
		c.log.Error().Err(err).Msg("closing")
	}
}

// enter books a session, leave takes it out.
func (c *Cluster) enter(s *Session) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.err != nil {
		return c.mu.err
	}
	c.mu.sessions[s] = true
	return nil
}

func (c *Cluster) leave(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.mu.sessions, s)
}

// count counts the sessions of a role and of a database.
func (c *Cluster) count(user, db string) (ofRole, ofDB int) {
	for _, s := range c.all() {
		if s.want.role == user {
			ofRole++
		}
		if s.want.db == db {
			ofDB++
		}
	}
	return ofRole, ofDB
}

func (c *Cluster) all() []*Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*Session, 0, len(c.mu.sessions))
	for s := range c.mu.sessions {
		all = append(all, s)
	}
	return all
}
