package pglite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/howdahdb/howdah/runtime"
	"github.com/howdahdb/howdah/runtime/linear"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// server is what a postmaster and its shared memory are to Postgres: the
// backends that run together, from a start to a shutdown or a crash. Its first
// backend recovers the cluster and makes shared memory; the others join.
//
// The segment is the first backend's own memory as long as that is alone, so
// that an image of it is an image of the server. The second backend makes it
// shared: from then on it is the same pages in all of them, at one address.
type server struct {
	*baton
	counters *counters // the cluster's
	ns       *vfs.Namespace
	shm      *vfs.Shared // what is mounted at /dev/shm, nil where nothing can be shared

	up  chan struct{} // closed when the first backend has started, or has not
	err error         // why it has not; nil

	segment struct { // guarded by the baton once up
		addr, size uint32
		control    uint32          // address of the DSM control segment
		pages      *linear.Segment // nil while the only backend has it for its own
		controlOf  *linear.Segment
	}

	atStart atStart

	// entry is held by one backend that boots, up to shared memory: they all
	// write postmaster.pid, and take an empty one for that of another server.
	entry sync.Mutex

	mu struct { // a leaf
		sync.Mutex
		backends map[*backend]bool
		pids     map[uint32]*backend // by the pid they go by, see become
	}
	crashed   func(error) // told of a crash, once
	session   func(pid uint32) *Session
	waitedFor func()        // told that a backend waits for others to end
	buried    chan struct{} // closed when nothing is left of a server that has ended
	bury      sync.Once
}

func newServer(ns *vfs.Namespace, shm *vfs.Shared, slice time.Duration, n *counters) *server {
	s := &server{baton: newBaton(slice, &n.baton), counters: n, ns: ns, shm: shm, up: make(chan struct{}), buried: make(chan struct{})}
	s.mu.backends, s.mu.pids = map[*backend]bool{}, map[uint32]*backend{}
	return s
}

// admit books a backend before it boots.
func (s *server) admit(b *backend) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.backends[b] = true
	s.mu.pids[b.goesBy] = b
}

// dismiss forgets one that has ended.
func (s *server) dismiss(b *backend) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.backends, b)
	if s.mu.pids[b.goesBy] == b {
		delete(s.mu.pids, b.goesBy)
	}
}

// rename notes that a backend goes by another pid.
func (s *server) rename(b *backend, pid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.pids[b.goesBy] == b {
		delete(s.mu.pids, b.goesBy)
	}
	b.goesBy = pid
	s.mu.pids[pid] = b
}

// byPID is the backend that goes by pid, nil for none.
func (s *server) byPID(pid uint32) *backend {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.pids[pid]
}

func (s *server) all() []*backend {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*backend, 0, len(s.mu.backends))
	for b := range s.mu.backends {
		all = append(all, b)
	}
	return all
}

// --- shared memory ---

// placed notes where the guest's shared memory lies: the first backend
// decides, others must agree, which they do as long as they have the first
// one's settings and code.
func (s *server) placed(b *backend, addr, size uint32) error {
	if b.first {
		if s.segment.size != 0 {
			return fmt.Errorf("a second shared segment of %d bytes", size)
		}
		s.segment.addr, s.segment.size = addr, size
		return nil
	}
	if addr != s.segment.addr || size != s.segment.size {
		return fmt.Errorf("shared memory would be %d bytes at %#x, the server's is %d bytes at %#x (a setting that needs a restart has changed?)",
			size, addr, s.segment.size, s.segment.addr)
	}
	return nil
}

// share makes the segment pages that others can map. REQUIRES: the baton;
// owner's guest is not running.
func (s *server) share(owner *backend) error {
	if s.segment.pages != nil {
		return nil
	}
	pages, err := owner.mem.Share(s.segment.addr, s.segment.size)
	if err != nil {
		return fmt.Errorf("pglite: share memory: %w", err)
	}
	s.segment.pages = pages
	return nil
}

// join maps what the server has over what a further backend has made for
// itself. REQUIRES: the baton.
func (s *server) join(b *backend) error {
	if s.segment.pages == nil {
		for _, x := range s.all() {
			if x != b && x.mapped {
				if err := s.share(x); err != nil {
					return err
				}
				break
			}
		}
		if s.segment.pages == nil {
			return errors.New("pglite: shared memory is gone")
		}
	}
	if err := b.mem.Map(s.segment.addr, s.segment.pages); err != nil {
		return err
	}
	own, name, err := b.controlSegment()
	if err != nil {
		return err
	}
	if own != s.segment.control {
		return fmt.Errorf("pglite: the DSM control segment is at %#x, the server's at %#x", own, s.segment.control)
	}
	if err := b.mem.Map(own, s.segment.controlOf); err != nil {
		return err
	}
	return s.shm.Unlink(name)
}

// found notes the first backend's DSM control segment.
func (s *server) found(b *backend) error {
	if s.shm == nil {
		return nil
	}
	at, _, err := b.controlSegment()
	if err != nil {
		return err
	}
	return s.foundAt(b, at)
}

// foundAt is found for one that lies at an address.
func (s *server) foundAt(b *backend, at uint32) error {
	name := ""
	for _, m := range b.inst.Mappings() {
		if m.Addr == at {
			name = strings.TrimPrefix(m.Path, sharedDir)
		}
	}
	f, err := s.shm.Open(name, vfs.ReadWrite, 0)
	if err != nil {
		return fmt.Errorf("pglite: open the DSM control segment %s: %w", name, err)
	}
	defer f.Close()
	s.segment.control = at
	s.segment.controlOf, err = f.(vfs.Segmented).Segment()
	return err
}

// --- end ---

// crash ends the server after a backend has trapped: what that one held in
// shared memory nobody can tell. The first reason counts.
func (s *server) crash(err error) {
	if s.kill(errors.Join(errCrashed, err)) && s.crashed != nil {
		s.crashed(err)
	}
}

// drop frees what is left of a server that has ended or crashed. It waits for
// the goroutines that are in its guests.
func (s *server) drop() {
	s.bury.Do(func() {
		for _, b := range s.all() {
			b.abandon()
		}
		s.free()
	})
	<-s.buried
}

// free gives up shared memory. REQUIRES: no backend is left.
func (s *server) free() {
	if s.shm != nil {
		_ = s.shm.Clear() // of a tree in memory
	}
	if p := s.segment.pages; p != nil {
		_ = p.Close()
	}
	close(s.buried)
}

func (s *server) crashedNow() bool {
	select {
	case <-s.dead:
		return true
	default:
		return false
	}
}

// lost tells whether an error means that a backend is in an unknown state.
func lost(err error) bool {
	var t *runtime.Trap
	return errors.As(err, &t)
}

// --- the cluster's servers ---

// boot starts a backend for the pool, and a server when there is none.
func (c *Cluster) boot(ctx context.Context, want login) (*backend, error) {
	for {
		select {
		case <-c.done:
			return nil, c.stopped()
		default:
		}
		s, first := c.serverNow()
		if first {
			b, err := c.start(ctx, s, want)
			if err != nil {
				s.err = err
				s.kill(err)
				close(s.up)
				s.drop()
				return nil, c.bootError(want, err)
			}
			close(s.up)
			return b, nil
		}
		select {
		case <-s.up:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if !s.crashedNow() {
			b, err := bootBackend(ctx, c, s, false, want)
			if err == nil || !s.crashedNow() {
				return b, c.bootError(want, err)
			}
		}
		select {
		case <-s.buried:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// start recovers the cluster and makes shared memory, or goes on from an image.
func (c *Cluster) start(ctx context.Context, s *server, want login) (*backend, error) {
	if p := c.frozen; p != nil {
		c.frozen = nil // a crash recovers from the files
		return p.thaw(ctx, c, s)
	}
	if err := clearTheWay(c.ns); err != nil {
		return nil, err
	}
	clean, err := wasShutDown(c.ns)
	if err != nil {
		return nil, err
	}
	s.atStart.files = s.lookAtFiles()
	b, err := bootBackend(ctx, c, s, true, want)
	if err == nil && !clean {
		c.counters.recoveries.Add(1)
	}
	return b, err
}

func (c *Cluster) bootError(want login, err error) error {
	if e := (*Error)(nil); err == nil || errors.As(err, &e) {
		return err
	}
	return fmt.Errorf("pglite: start a backend for role %q, database %q: %w", want.role, want.db, err)
}

// serverNow is the server that takes backends. The caller starts it when it is
// new.
func (c *Cluster) serverNow() (s *server, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.mu.server; s != nil && !s.over() {
		return s, false
	}
	s = newServer(c.ns, c.shm, c.o.Slice, &c.counters)
	s.crashed = func(err error) { c.crashed(s, err) }
	s.waitedFor = c.endFree
	s.session = c.session
	c.mu.server = s
	return s, true
}

// over tells whether nothing is left of the server. One whose memory can't be
// shared is over with its only backend.
func (s *server) over() bool {
	select {
	case <-s.buried:
		return true
	default:
	}
	select {
	case <-s.up:
		if s.shm == nil && len(s.all()) == 0 {
			s.drop()
			return true
		}
	default:
	}
	return false
}

// crashed is told that a backend has ended its server. All sessions end with
// 57P02, and the next backend that boots recovers the cluster from its files.
func (c *Cluster) crashed(s *server, err error) {
	c.counters.crashes.Add(1)
	c.log.Error().Err(err).Msg("a backend has crashed: all sessions end, and the cluster recovers")
	sessions := c.all()
	c.owned.Go(func() {
		for _, x := range sessions {
			x.hangUp(crashShutdown().encode())
		}
		s.drop()
	})
}

// endFree ends idle backends that belong to no session: whoever drops their
// database does not wait for them.
func (c *Cluster) endFree() {
	for _, b := range c.pool.takeFree() {
		c.owned.Go(func() { c.retire(b, false) })
	}
}

// endServer ends all backends, the last one with the shutdown checkpoint, and
// takes an image of that before if it is to. Without an image, for whatever
// reason, clusters are started from files. A cluster in memory of which nothing
// is to stay is dropped as it is.
func (c *Cluster) endServer(ctx context.Context, backends []*backend, freeze bool) (p *process) {
	c.mu.Lock()
	s := c.mu.server
	c.mu.Unlock()
	if s == nil || s.over() {
		return nil
	}
	if c.dir == nil && !freeze { // nobody reads what they would write
		s.drop()
		return nil
	}
	var last *backend
	for _, b := range backends {
		switch {
		case b.srv != s || !b.alive():
		case last == nil:
			last = b
		default:
			if b.last == c.host {
				b, last = last, b
			}
			c.retire(b, false)
		}
	}
	if freeze && c.Err() == nil {
		var err error
		if p, last, err = c.freeze(ctx, s, last); err != nil {
			c.log.Warn().Err(err).Msg("no image of the running server can be taken")
		}
	}
	if c.Err() == nil && (last == nil || !last.alive()) {
		last, _ = bootBackend(ctx, c, s, false, hostLogin)
	}
	if last != nil {
		c.retire(last, true)
	}
	s.drop()
	const lockFile = guestData + "/postmaster.pid"
	if c.Err() == nil {
		_ = c.ns.Unlink(lockFile)
	}
	return p
}
