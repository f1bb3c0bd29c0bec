package pglite

import (
	"context"
	"fmt"
	"sync"
)

// pinger runs one round trip at a time, for all who ask meanwhile: a cluster
// that hangs collects no goroutines.
type pinger struct {
	mu      sync.Mutex
	closed  bool // none begins any more
	running *roundTrip
}

type roundTrip struct {
	done chan struct{}
	err  error // once done
}

// Ping runs a statement of the host's own, on whatever backend the pool has for
// it. nil means that the cluster answers; otherwise the error tells why not,
// within ctx.
func (c *Cluster) Ping(ctx context.Context) error {
	p := &c.pinger
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return ErrClosed
	}
	r := p.running
	if r == nil {
		r = &roundTrip{done: make(chan struct{})}
		p.running = r
		c.owned.Go(func() {
			_, r.err = c.asHost(context.Background(), "select 1")
			p.mu.Lock()
			p.running = nil
			p.mu.Unlock()
			close(r.done)
		})
	}
	p.mu.Unlock()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("pglite: the database has not answered: %w", ctx.Err())
	}
}

func (p *pinger) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
}
