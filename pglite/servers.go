package pglite

import (
	"context"
	"errors"
	"fmt"
)

// The servers of a cluster, one after the other: a crash ends one, and the next
// backend that boots begins another.

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
		defer c.o.step("thaw the backend")()
		return p.thaw(ctx, c, s)
	}
	if err := clearTheWay(c.ns); err != nil {
		return nil, err
	}
	clean, err := wasShutDown(c.ns)
	if err != nil {
		return nil, err
	}
	if !clean {
		if err := removeTemporary(c.ns); err != nil {
			return nil, err
		}
	}
	s.atStart.files = s.lookAtFiles()
	ended := c.o.step("boot the backend")
	b, err := bootBackend(ctx, c, s, true, want)
	ended()
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
	s.session, s.absent = c.session, c.absent
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

// endFree ends idle backends of a database that belong to no session: whoever drops
// it does not wait for them.
func (c *Cluster) endFree(db uint32) {
	for _, b := range c.pool.takeFree(db) {
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
