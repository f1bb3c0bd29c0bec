package pglite

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/howdahdb/howdah/runtime"
	"github.com/howdahdb/howdah/runtime/linear"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// process is a server as it ran, with a backend of the host's alone in it, idle
// after a checkpoint. Clusters that are started from an Image with one go on from
// there, instead of a boot: that is five times as fast.
type process struct {
	image *runtime.Image
	files *vfs.Memory // as they were then

	settings []Setting // of the cluster's Options
	size     int       // of its pool: it decides how large shared memory is
	atStart  atStart
	ids      []uint32 // where in memory the cluster's identifier is, if others are to have another,
	nonces   []uint32 // and the secret beside it
	segment  struct{ addr, size, control uint32 }
	shm      map[string][]byte // the files of dynamic shared memory

	login
	exitAt      uint32
	localLatch  uint32
	params      []Setting
	base, given map[string]string
	gucs        int
	customs     customNames
}

// freeze takes the process of a cluster whose pool is closed. All backends but
// the one that it returns have ended.
func (c *Cluster) freeze(ctx context.Context, s *server, last *backend) (_ *process, _ *backend, err error) {
	if last != nil && (last.login.role != hostLogin.role || last.login.db != hostLogin.db || last.last != c.host) {
		c.retire(last, false)
		last = nil
	}
	if last == nil {
		if last, err = bootBackend(ctx, c, s, false, hostLogin); err != nil {
			return nil, nil, err
		}
	}
	if err := last.adopt(c.host); err != nil {
		return nil, last, err
	}
	if _, err := last.asHost("checkpoint"); err != nil {
		return nil, last, err
	}
	p, err := last.freeze(c)
	return p, last, err
}

func (b *backend) freeze(c *Cluster) (_ *process, err error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer func() { b.leave(err) }()
	p := &process{
		settings: slices.Clone(c.o.Settings), size: c.pool.size,
		atStart: b.srv.atStart, login: b.login, exitAt: b.exitAt, localLatch: b.localLatch,
		params: slices.Clone(b.params), base: maps.Clone(b.base), given: maps.Clone(b.given), gucs: b.gucs, customs: b.customs,
	}
	p.segment.addr, p.segment.size, p.segment.control = b.srv.segment.addr, b.srv.segment.size, b.srv.segment.control
	if p.shm, err = readAll(c.shm); err != nil {
		return nil, err
	}
	if len(b.prepared) > 0 || b.altered || len(b.customs) != len(b.born) {
		return nil, errors.New("pglite: freeze a backend that a session has left something in")
	}
	if p.image, err = b.inst.Image(); err != nil {
		return nil, err
	}
	p.files = c.mem.Clone()
	return p, nil
}

// running is the process that a cluster of these options can go on from, nil for
// none.
func (i *Image) running(o *Options) *process {
	p := i.process
	if p == nil || !linear.CanShare || o.Dir != "" || o.maxBackends() != p.size || !slices.Equal(o.Settings, p.settings) {
		return nil
	}
	return p
}

// close gives the memory of a process up; nil has none.
func (p *process) close() error {
	if p == nil {
		return nil
	}
	return errors.Join(p.image.Close(), p.files.Close())
}

// thaw starts the process in a new server, with what must be no other's: pid,
// start time, and the states of random number generators.
func (p *process) thaw(ctx context.Context, c *Cluster, s *server) (_ *backend, err error) {
	b := newBackend(c, s, true, p.login)
	b.base, b.given = maps.Clone(p.base), maps.Clone(p.given)
	b.params, b.gucs, b.customs, b.born = p.params, p.gucs, p.customs, p.customs
	b.exitAt, b.localLatch = p.exitAt, p.localLatch
	b.mu.Lock()
	defer func() { b.leave(err) }()
	if err := s.admit(b); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	for name, data := range p.shm {
		if err := writeFile(c.shm, name, data); err != nil {
			return nil, fmt.Errorf("pglite: start from an image: %w", err)
		}
	}
	if b.inst, err = p.image.Restore(ctx, b.process(c)); err != nil {
		return nil, fmt.Errorf("pglite: start from an image: %w", err)
	}
	b.haveMemory()
	if err := b.resolve(); err != nil {
		return nil, err
	}
	if err := s.acquire(b); err != nil {
		return nil, err
	}
	b.holding, b.mapped = true, true
	s.segment.addr, s.segment.size = p.segment.addr, p.segment.size
	s.atStart = p.atStart
	s.atStart.files = s.lookAtFiles()
	if err := s.foundAt(b, p.segment.control); err != nil {
		return nil, err
	}
	b.become(nil)
	prng, err := b.inst.Address("pg_global_prng_state")
	if err != nil {
		return nil, err
	}
	_, _ = rand.Read(b.inst.Bytes(prng, 16)) // never fails (crypto/rand)
	clear(b.inst.Bytes(randomStateAddr, randomStateSize))
	if c.who != nil {
		p.rename(b.inst, c.who)
	}
	b.inst.PutUint64(startTimeAddr, uint64(time.Since(postgresEpoch).Microseconds()))
	c.counters.thawed.Add(1)
	b.begin()
	return b, nil
}

// readAll reads the files of a tree of one level.
func readAll(fsys vfs.FS) (map[string][]byte, error) {
	entries, err := list(fsys, "/")
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if all["/"+e.Name], err = readFile(fsys, "/"+e.Name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// postgresEpoch is what a TimestampTz counts microseconds from.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
