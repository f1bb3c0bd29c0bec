package pglite

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
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

	atStart    atStart
	checkpoint chan struct{} // 1 deep: full while a backend makes a checkpoint

	// entry is held by one backend that boots, up to shared memory: they all
	// write postmaster.pid, and take an empty one for that of another server.
	entry sync.Mutex

	mu struct { // a leaf
		sync.Mutex
		backends map[*backend]bool
		pids     map[uint32]*backend // by the pid they go by, see become
		over     bool                // nobody is admitted any more
		last     func()              // to be run when nothing is left; may be nil
	}
	condemned atomic.Bool // it ends soon: nobody is answered any more
	crashed   func(error) // told of a crash, once
	session   func(pid uint32) *Session
	absent    func() []absence // the sessions that no backend shows
	waitedFor func(db uint32)  // told that a backend waits for others to leave a database
	buried    chan struct{}    // closed when nothing is left of a server that has ended
	bury      sync.Once
}

func newServer(ns *vfs.Namespace, shm *vfs.Shared, slice time.Duration, n *counters) *server {
	s := &server{baton: newBaton(slice, &n.baton), counters: n, ns: ns, shm: shm, up: make(chan struct{}), buried: make(chan struct{}), checkpoint: make(chan struct{}, 1)}
	s.mu.backends, s.mu.pids = map[*backend]bool{}, map[uint32]*backend{}
	return s
}

// admit books a backend before it boots, unless the server is going.
func (s *server) admit(b *backend) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.over {
		return errCrashed
	}
	s.mu.backends[b] = true
	s.mu.pids[b.goesBy] = b
	return nil
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
	// The trap is only told: with it in the chain it would be that of others, too.
	if s.kill(fmt.Errorf("%w: %v", errCrashed, err)) && s.crashed != nil {
		s.crashed(err)
	}
}

// drop frees what is left of a server that has ended or crashed. It waits for
// the goroutines that are in its guests.
func (s *server) drop() {
	s.bury.Do(func() {
		s.mu.Lock()
		s.mu.over = true
		last := s.mu.last
		s.mu.Unlock()
		for _, b := range s.all() {
			b.abandon()
		}
		s.runners.Wait()
		s.free()
		if last != nil {
			last()
		}
		close(s.buried)
	})
	<-s.buried
}

// beforeBurial has do run when nothing is left of the server, before another may
// start; false when it is too late for that.
func (s *server) beforeBurial(do func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.over {
		return false
	}
	s.mu.last = do
	return true
}

// free gives up shared memory. REQUIRES: no backend is left.
func (s *server) free() {
	if s.shm != nil {
		_ = s.shm.Clear() // of a tree in memory
	}
	if p := s.segment.pages; p != nil {
		_ = p.Close()
	}
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
