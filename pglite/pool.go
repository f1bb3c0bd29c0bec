package pglite

import (
	"context"
	"sync"
	"time"
)

// pool hands out backends.
//
// acquire gives, in this order: the idle backend that served the session last,
// an idle one of the same login that no session has its state in, a new one
// while there are fewer than size, an idle one that other sessions of the login
// have used, and the place of an idle one booted for another login, which ends.
// Without any it waits its turn, first come first served, no longer than the
// queue's time-out. So up to size sessions have a backend each, and keep it.
//
// The host's own SQL takes any idle backend, or one beyond size: it does not
// wait for clients.
type pool struct {
	size    int
	reserve int // backends beyond size for the host
	timeout time.Duration
	boot    func(context.Context, login) (*backend, error)
	retire  func(b *backend, last bool) // ends a backend
	host    *Session

	// booting counts the boots that close may have to wait for; it grows under
	// mu and while closed is nil.
	booting sync.WaitGroup

	mu      sync.Mutex
	idle    []*backend
	used    int                   // handed out or being booted
	hosts   int                   // of these, for the host
	out     map[*backend]*Session // handed out, and to whom
	waiters []chan struct{}       // first in line first; closed to call
	called  int                   // waiters that were called and have not come yet
	closed  error                 // why no backend is given any more

	stats poolStats
}

// acquire takes a backend for s. The error is an *Error (53300 after the
// time-out, what the boot said, or what has ended the wait), or the reason the pool is
// closed.
func (p *pool) acquire(ctx context.Context, s *Session) (*backend, error) {
	return p.take(ctx, s, s.want)
}

// take is acquire for any login, the zero one for whatever comes first.
func (p *pool) take(ctx context.Context, s *Session, want login) (*backend, error) {
	var timeout <-chan time.Time
	var giveUp <-chan error
	if s != nil {
		giveUp = s.giveUp
	}
	for first := true; ; first = false {
		p.mu.Lock()
		if !first {
			p.called--
		}
		if p.closed != nil {
			p.mu.Unlock()
			return nil, p.closed
		}
		if len(p.waiters)+p.called == 0 || !first || s == p.host && p.reserve > 0 {
			b, place := p.pick(s, want)
			if place {
				p.used++
				if s == p.host {
					p.hosts++
				}
				p.booting.Add(1)
				if p.used-p.hosts < p.size { // one may have come free while nobody was in line
					p.callNext()
				}
				p.mu.Unlock()
				return p.prepare(ctx, b, s, want)
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
			t, began := time.NewTimer(p.timeout), time.Now()
			defer t.Stop()
			p.stats.waits.Add(1)
			defer func() { p.stats.waited.Add(int64(time.Since(began))) }()
			timeout = t.C
		}
		select {
		case <-turn:
		case <-timeout:
			p.leave(turn)
			p.stats.timeouts.Add(1)
			return nil, &Error{
				Severity: "ERROR", Code: "53300",
				Message: "no backend became free within " + p.timeout.String(),
				Hint:    "Other clients hold them in transactions, or with session state such as LISTEN, a temporary table or an advisory lock.",
			}
		case err := <-giveUp:
			p.leave(turn)
			return nil, err
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
	host := p.reserve > 0 && s == p.host
	if !host && p.used-p.hosts >= p.size {
		return nil, false
	}
	best, rank, others := -1, rankNone, 0
	for k, x := range p.idle {
		if x.last == p.host && p.reserve > 0 {
			others++
		}
		if !x.fits(want) {
			continue
		}
		if r := p.rank(s, x); r < rank {
			best, rank = k, r
		}
	}
	n := p.used + len(p.idle)
	room := n < p.size+p.reserve && (host || n-p.hosts-others < p.size)
	switch {
	case best >= 0 && (rank <= rankFree || !room):
	case room:
		return nil, true
	case len(p.idle) == 0:
		return nil, false
	case best < 0:
		best = p.cheapest()
	}
	b = p.idle[best]
	p.idle = append(p.idle[:best], p.idle[best+1:]...)
	return b, true
}

// How well an idle backend suits a session.
const (
	rankOwn  = iota // it has the session's state
	rankFree        // it has nobody's
	rankUsed        // it has another's, which is carried over
	rankHost        // it has the host's, which comes back soon
	rankNone
)

// rank looks at a backend that is idle. The host's state is nobody's when
// there is no other backend. REQUIRES: mu.
func (p *pool) rank(s *Session, x *backend) int {
	switch {
	case x.last == s && s != nil:
		return rankOwn
	case x.last == nil:
		return rankFree
	case x.last == p.host:
		if p.used+len(p.idle) == 1 {
			return rankFree
		}
		return rankHost
	case x.last.isClosed():
		return rankFree
	}
	return rankUsed
}

// cheapest is the idle backend to end for another: the one that has been idle
// for longest among those that fewest miss. REQUIRES: mu, and one is idle.
func (p *pool) cheapest() int {
	best, rank := 0, rankNone
	for k, x := range p.idle {
		if r := p.rank(nil, x); r < rank {
			best, rank = k, r
		}
	}
	return best
}

// takeFree takes out the idle backends of a database that no client's session has
// its state in.
func (p *pool) takeFree(db uint32) (free []*backend) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.idle[:0]
	for _, x := range p.idle {
		if x.login.dbOID == db && (x.last == p.host || p.rank(nil, x) == rankFree) {
			free = append(free, x)
		} else {
			kept = append(kept, x)
		}
	}
	p.idle = kept
	return free
}

// reclaim hands out the idle backend that has the state of s, nil for none.
func (p *pool) reclaim(s *Session) *backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, x := range p.idle {
		if x.last == s {
			p.idle = append(p.idle[:k], p.idle[k+1:]...)
			p.used++
			p.out[x] = s
			return x
		}
	}
	return nil
}

// prepare makes what pick gave into the backend that is wanted.
func (p *pool) prepare(ctx context.Context, b *backend, s *Session, want login) (*backend, error) {
	defer p.booting.Done()
	var err error
	if b == nil || !b.fits(want) || !b.alive() {
		b, err = p.replace(ctx, b, want)
	}
	p.mu.Lock()
	if err == nil && p.closed == nil {
		p.out[b] = s
		p.mu.Unlock()
		return b, nil
	}
	p.put(s)
	p.callNext()
	closed := p.closed
	p.mu.Unlock()
	if err == nil {
		p.retire(b, false)
		err = closed
	}
	return nil, err
}

// replace ends a backend, if there is one, and boots another in its place.
func (p *pool) replace(ctx context.Context, b *backend, want login) (*backend, error) {
	if b != nil {
		p.retire(b, p.reserve == 0)
	}
	if want.role == "" {
		want = hostLogin
	}
	return p.boot(ctx, want)
}

// release takes a backend back. One that has ended leaves its place to a new
// one; in a closed pool it ends now.
func (p *pool) release(b *backend) {
	alive := b.alive()
	p.mu.Lock()
	p.put(p.out[b])
	delete(p.out, b)
	closed := p.closed != nil
	if alive && !closed {
		p.idle = append(p.idle, b)
	}
	p.callNext()
	p.mu.Unlock()
	if alive && closed {
		p.retire(b, false)
	}
}

// put books that a place is free. REQUIRES: mu.
func (p *pool) put(s *Session) {
	p.used--
	if s == p.host {
		p.hosts--
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
func (b *backend) fits(want login) bool {
	have := b.login
	if want.roleOID == 0 {
		have.roleOID, have.dbOID = 0, 0
	}
	return want.role == "" || have == want
}
