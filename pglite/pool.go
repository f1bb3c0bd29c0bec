package pglite

import (
	"context"
	"sync"
	"time"
)

// pool hands out backends. Its size is one for now; nothing here but size
// knows that.
//
// acquire gives, in this order: the idle backend that served the session
// last, an idle one booted for the same login, a new one while
// there are fewer than size, and otherwise the place of an idle one booted for
// others, which ends. Without any it waits its turn, first come first served,
// no longer than the queue's time-out.
type pool struct {
	size    int
	timeout time.Duration
	boot    func(context.Context, login) (*backend, error)
	retire  func(*backend) // ends a backend that a closed pool gets back

	// booting counts the boots that close may have to wait for; it grows under
	// mu and while closed is nil.
	booting sync.WaitGroup

	mu      sync.Mutex
	idle    []*backend
	used    int               // handed out or being booted
	out     map[*backend]bool // handed out
	waiters []chan struct{}   // first in line first; closed to call
	called  int               // waiters that were called and have not come yet
	closed  error             // why no backend is given any more
}

// acquire takes a backend for s. The error is an *Error (53300 after the
// time-out, or what the boot said), or the reason the pool is closed.
func (p *pool) acquire(ctx context.Context, s *Session) (*backend, error) {
	return p.take(ctx, s, s.want)
}

// take is acquire for any login, the zero one for whatever comes first; s may
// be nil.
func (p *pool) take(ctx context.Context, s *Session, want login) (*backend, error) {
	var timeout <-chan time.Time
	for first := true; ; first = false {
		p.mu.Lock()
		if !first {
			p.called--
		}
		if p.closed != nil {
			p.mu.Unlock()
			return nil, p.closed
		}
		if len(p.waiters)+p.called == 0 || !first {
			b, place := p.pick(s, want)
			if place {
				p.used++
				p.booting.Add(1)
				p.mu.Unlock()
				return p.prepare(ctx, b, want)
			}
		}
		turn := make(chan struct{})
		if first {
			p.waiters = append(p.waiters, turn)
		} else { // called, and yet nothing is free
			p.waiters = append([]chan struct{}{turn}, p.waiters...)
		}
		p.mu.Unlock()
		if timeout == nil {
			t := time.NewTimer(p.timeout)
			defer t.Stop()
			timeout = t.C
		}
		select {
		case <-turn:
		case <-timeout:
			p.leave(turn)
			return nil, &Error{
				Severity: "ERROR", Code: "53300",
				Message: "no backend became free within " + p.timeout.String(),
				Hint:    "Another client holds it in a transaction, or with session state such as LISTEN, a temporary table or an advisory lock.",
			}
		case <-ctx.Done():
			p.leave(turn)
			return nil, ctx.Err()
		}
	}
}

// pick takes an idle backend out of the pool; place tells that the caller may
// go on, with it or, when it is nil or for another role, by a boot. REQUIRES:
// mu.
func (p *pool) pick(s *Session, want login) (b *backend, place bool) {
	best := -1
	for k, x := range p.idle {
		if x.fits(want) && (best < 0 || s != nil && x.last == s) {
			best = k
		}
	}
	if best < 0 {
		if p.used+len(p.idle) < p.size {
			return nil, true
		}
		if len(p.idle) == 0 {
			return nil, false
		}
		best = 0
	}
	b = p.idle[best]
	p.idle = append(p.idle[:best], p.idle[best+1:]...)
	return b, true
}

// prepare makes what pick gave into the backend that is wanted.
func (p *pool) prepare(ctx context.Context, b *backend, want login) (*backend, error) {
	defer p.booting.Done()
	var err error
	if b == nil || !b.fits(want) || !b.alive() {
		b, err = p.replace(ctx, b, want)
	}
	p.mu.Lock()
	if err == nil && p.closed == nil {
		p.out[b] = true
		p.mu.Unlock()
		return b, nil
	}
	p.used--
	p.callNext()
	closed := p.closed
	p.mu.Unlock()
	if err == nil {
		p.retire(b)
		err = closed
	}
	return nil, err
}

// replace ends a backend, if there is one, and boots another in its place.
func (p *pool) replace(ctx context.Context, b *backend, want login) (*backend, error) {
	if b != nil {
		if err := b.end(); err != nil {
			return nil, err
		}
	}
	if want.role == "" {
		want.role, want.db = "postgres", "postgres"
	}
	return p.boot(ctx, want)
}

// release takes a backend back. One that has ended leaves its place to a new
// one; in a closed pool it ends now.
func (p *pool) release(b *backend) {
	alive := b.alive()
	p.mu.Lock()
	p.used--
	delete(p.out, b)
	closed := p.closed != nil
	if alive && !closed {
		p.idle = append(p.idle, b)
	}
	p.callNext()
	p.mu.Unlock()
	if alive && closed {
		p.retire(b)
	}
}

// callNext lets the first waiter try. Until it has, nobody else may. REQUIRES:
// mu.
func (p *pool) callNext() {
	if len(p.waiters) > 0 {
		close(p.waiters[0])
		p.waiters = p.waiters[1:]
		p.called++
	}
}

// leave gives up a place in the queue. A turn that came meanwhile passes on.
func (p *pool) leave(turn chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, w := range p.waiters {
		if w == turn {
			p.waiters = append(p.waiters[:k], p.waiters[k+1:]...)
			return
		}
	}
	p.called--
	p.callNext()
}

// wanted tells whether somebody waits.
func (p *pool) wanted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiters)+p.called > 0
}

// close lets nobody in any more and gives err to all who wait. It returns the
// backends there are, idle ones and those that somebody holds: whoever calls
// it ends them, which a holder notices at its next message.
func (p *pool) close(err error) []*backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed == nil {
		p.closed = err
	}
	for len(p.waiters) > 0 {
		p.callNext()
	}
	all := p.idle
	p.idle = nil
	for b := range p.out {
		all = append(all, b)
	}
	return all
}

// fits tells whether the backend was booted for this login; without a role any
// will do.
func (b *backend) fits(want login) bool { return want.role == "" || b.login == want }
