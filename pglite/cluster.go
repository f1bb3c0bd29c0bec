package pglite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/runtime/linear"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// Cluster is a running PostgreSQL cluster. Its methods may be called from any
// goroutine.
type Cluster struct {
	o         Options
	log       zerolog.Logger
	engine    *engine
	ns        *vfs.Namespace
	mem       *vfs.Memory // root of ns
	dir       *dataDir    // nil in memory
	shm       *vfs.Shared // /dev/shm; nil where memory can't be shared
	pool      pool
	host      *Session       // adopts backends for the host's own SQL
	owned     sync.WaitGroup // goroutines that Close waits for
	wal       walMeter
	counters  counters
	pinger    pinger
	idle      context.CancelFunc // ends the housekeeping
	frozen    *process           // the first server goes on from it; nil for a boot
	who       *identity          // that it is to have; nil to leave it
	vacuuming sync.WaitGroup     // keepTables, whose worker ends before the server does
	marks     markSet

	mu struct {
		sync.Mutex
		sessions map[uint32]*Session // by pid
		server   *server             // the present one
		err      error               // why the cluster has stopped
	}
	done   chan struct{} // closed when it stops
	closed chan struct{} // closed when Close has finished
	once   sync.Once
	cerr   error
}

// Open starts a cluster: it loads the artifact, takes the data directory's
// lock, makes the cluster with initdb if there is none, and starts a backend,
// which recovers what a crash has left.
func Open(ctx context.Context, o Options) (*Cluster, error) { return openFrom(ctx, o, nil) }

// openFrom is Open, from an image unless that is nil.
func openFrom(ctx context.Context, o Options, from *Image) (*Cluster, error) {
	if err := checkSettings(o.Settings); err != nil {
		return nil, err
	}
	var dir *dataDir
	if o.Dir != "" {
		var err error
		if dir, err = openDataDir(o.Dir); err != nil {
			return nil, err
		}
		if from != nil && !dir.empty {
			return nil, errors.Join(fmt.Errorf("%w: %s has a cluster already", ErrNotCluster, dir.path), dir.close())
		}
	}
	return open(ctx, o, dir, from)
}

// open starts a cluster on a data directory, which it closes in any case; nil
// is memory.
func open(ctx context.Context, o Options, dir *dataDir, from *Image) (_ *Cluster, err error) {
	c := &Cluster{o: o, log: o.Logger, dir: dir, done: make(chan struct{}), closed: make(chan struct{})}
	c.mu.sessions = map[uint32]*Session{}
	house, idle := context.WithCancel(context.Background())
	c.idle = idle
	c.host = &Session{c: c, want: hostLogin, startup: hostSettings}
	defer func() {
		if err != nil {
			idle()
			c.free()
		}
	}()
	if from != nil {
		c.engine, c.frozen = from.engine.retain(), from.running(&o)
	} else if c.engine, err = acquireEngine(ctx, &o, func(e *engine) { e.readAhead(ctx, &o) }); err != nil {
		return nil, err
	} else if c.frozen, err = c.engine.storedProcess(ctx, &o); err != nil {
		return nil, err
	} else if c.frozen != nil {
		c.who = newIdentity()
	}
	if err := c.openFiles(ctx, from); err != nil {
		return nil, err
	}
	c.pool = pool{
		size: o.maxBackends(), reserve: 1, timeout: o.queueTimeout(), boot: c.boot, retire: c.retire,
		host: c.host, out: map[*backend]*Session{},
	}
	if c.shm == nil {
		c.pool.size, c.pool.reserve, c.host.want = 1, 0, login{}
		c.log.Warn().Msg("this system can't map memory twice: one session at a time, others wait for its transaction")
	}
	ended := o.step("first statement")
	err = c.prepareRole(ctx)
	ended()
	if err != nil {
		c.endServer(ctx, c.pool.close(ErrClosed), false)
		c.owned.Wait()
		return nil, err
	}
	c.engine.trim()
	if !o.NoHousekeeping {
		c.owned.Go(func() { c.writeWAL(house) })
		ended := o.step("rules of housekeeping")
		rules, err := c.readRules(ctx)
		ended()
		if err != nil {
			c.endServer(ctx, c.pool.close(ErrClosed), false)
			c.owned.Wait()
			return nil, err
		}
		c.owned.Go(func() { c.keepHouse(house, rules) })
		if c.shm != nil {
			c.vacuuming.Go(func() { c.keepTables(house, rules.naptime) })
		}
	}
	return c, nil
}

// openFiles makes the guest's tree, with a cluster in it.
func (c *Cluster) openFiles(ctx context.Context, from *Image) error {
	if err := c.openData(ctx, from); err != nil {
		return err
	}
	if err := c.ns.Mount(hostDir, c.hostFiles()); err != nil {
		return err
	}
	for name, h := range c.markHandles() {
		if err := c.ns.Mount(hostDir+"/"+name, h); err != nil {
			return err
		}
	}
	if !linear.CanShare {
		return nil
	}
	c.shm = vfs.NewShared()
	return c.ns.Mount(sharedDir, c.shm)
}

// openData makes the tree as far as it holds files.
func (c *Cluster) openData(ctx context.Context, from *Image) error {
	if c.dir == nil {
		var err error
		if c.frozen != nil {
			c.mem = c.frozen.files.Clone()
			if c.who != nil {
				err = identify(c.mem, guestData, c.who)
			}
		} else {
			c.mem, err = c.engine.cluster(ctx, &c.o, from)
		}
		if err != nil {
			return err
		}
		c.ns = vfs.NewNamespace(c.mem)
		return c.observe(&c.wal)
	}
	if c.dir.empty {
		fresh, err := c.engine.cluster(ctx, &c.o, from)
		if err != nil {
			return err
		}
		ended := c.o.step("fill the directory")
		err = c.dir.fill(fresh)
		ended()
		if err = errors.Join(err, fresh.Close()); err != nil {
			return err
		}
	}
	base, err := c.engine.baseFiles(ctx, &c.o)
	if err != nil {
		return err
	}
	c.mem = base.Clone()
	c.ns = vfs.NewNamespace(c.mem)
	if err := c.mem.Mkdir(guestData, 0o700); err != nil && vfs.Errno(err) != errExist {
		return err
	}
	if err := c.ns.Mount(guestData, c.dir.fs); err != nil {
		return err
	}
	return c.observe(newDurability(c.ns, &c.wal, &c.counters.syncs, c.stop, c.away))
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

// away runs do, which takes long, without the baton when a guest's call has led
// here.
func (c *Cluster) away(do func()) {
	c.mu.Lock()
	s := c.mu.server
	c.mu.Unlock()
	if s != nil {
		if b := s.running(); b != nil {
			b.away(do)
			return
		}
	}
	do()
}

// retire ends a backend as well as it goes.
func (c *Cluster) retire(b *backend, last bool) {
	select {
	case <-c.done:
		if err := c.Err(); err != nil { // on such files nothing is written any more
			b.abandon()
			return
		}
	default:
	}
	if err := b.end(last); err != nil && !errors.Is(err, errCrashed) {
		c.log.Error().Err(err).Msg("backend did not shut down")
	}
}

// Close ends the cluster: running statements are terminated, backends end as at
// a client's leave, the last one with the shutdown checkpoint, and sessions
// find that out at their next message (a server tells its clients before, see
// wire.Server.Shutdown). When ctx ends before a statement does, Close returns
// its error and leaves what still runs as a crash would.
func (c *Cluster) Close(ctx context.Context) error { return c.shut(ctx, nil) }

// shut is Close. When the cluster ends well it becomes an image, if that is not
// nil.
func (c *Cluster) shut(ctx context.Context, to *Image) error {
	c.once.Do(func() {
		defer close(c.closed)
		c.idle()
		c.pinger.close()
		c.marks.close()
		backends := c.pool.close(ErrClosed)
		for _, s := range c.all() {
			s.terminate()
		}
		ended, late := make(chan *process), make(chan struct{})
		go func() {
			c.pool.booting.Wait()
			c.vacuuming.Wait()
			p := c.endServer(ctx, backends, to != nil)
			c.owned.Wait()
			select {
			case ended <- p:
			case <-late:
				_ = p.close() // nobody takes it any more
			}
		}()
		select {
		case p := <-ended:
			c.stopQuietly()
			if to != nil && c.Err() == nil {
				to.engine, to.files, to.process = c.engine.retain(), c.mem.Clone(), p
			} else {
				_ = p.close()
			}
			c.free()
		case <-ctx.Done():
			close(late)
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
		errs = append(errs, c.marks.drop(), c.mem.Close())
	}
	if c.shm != nil {
		errs = append(errs, c.shm.Close())
	}
	if c.engine != nil {
		errs = append(errs, c.engine.release())
	}
	if err := errors.Join(errs...); err != nil {
		c.log.Error().Err(err).Msg("closing")
	}
}

// enter books a session unless others have been faster to the last place of its role
// or database; leave takes it out.
func (c *Cluster) enter(s *Session, own limits) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.err != nil {
		return c.mu.err
	}
	ofRole, ofDB := c.tooMany(s.want, own)
	switch {
	case ofRole != nil:
		return ofRole
	case ofDB != nil:
		return ofDB
	}
	c.mu.sessions[s.pid] = s
	return nil
}

func (c *Cluster) leave(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.mu.sessions, s.pid)
}

// session is the one with this pid, nil for none.
func (c *Cluster) session(pid uint32) *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.sessions[pid]
}

func (c *Cluster) all() []*Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*Session, 0, len(c.mu.sessions))
	for _, s := range c.mu.sessions {
		all = append(all, s)
	}
	return all
}
