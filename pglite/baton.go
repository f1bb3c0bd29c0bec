package pglite

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// baton says which backend of a server runs. Postgres' processes share memory
// and synchronise with atomic instructions; this build has none, so one
// backend runs at a time, and another goes on only where the first has called
// the host.
//
// Invariants:
//
//  1. Guest memory, private or shared, is touched only by the goroutine whose
//     backend holds the baton. Exceptions: a backend that boots, up to the
//     moment it maps the shared segment, runs on its own; and the flags that
//     poke and raise store atomically.
//  2. A backend asks for the baton and gives it up on the goroutine that has
//     its backend.mu, or on the coroutine that works for that one (see hosted).
//     It may hold the one without the other (while it waits), never the baton
//     alone.
//  3. Whoever holds the baton never waits for anything but the guest: not for
//     a client, a disk, a lock that is held while the baton is waited for.
//     away, park and yield give it up and take it again.
//  4. The queue is first come, first served, and the baton is handed over, not
//     offered: a backend waits for no more than one turn of each that was in
//     the queue before it. A turn ends by itself, or at the first of Postgres'
//     interrupt checks after a slice.
//  5. After kill nobody gets the baton any more.
//
// A backend may give the baton up with lightweight locks held, as a process may
// be descheduled: who wants such a lock sleeps (see sleep).
type baton struct {
	slice time.Duration

	waiting atomic.Int32 // backends in queue
	since   atomic.Int64 // when the holder got it, by clock
	dead    chan struct{}

	mu struct {
		sync.Mutex
		holder *backend
		queue  []*backend // first in line first
		asleep []*backend // wait for a lightweight lock, or their group's leader
		killed error
		timer  *time.Timer // runs while there is a queue
		runner
	}
	runners sync.WaitGroup
	stats   *batonStats
}

const defaultSlice = time.Millisecond

// started is what clock counts from.
var started = time.Now()

func clock() int64 { return int64(time.Since(started)) }

func newBaton(slice time.Duration, stats *batonStats) *baton {
	if slice <= 0 {
		slice = defaultSlice
	}
	return &baton{slice: slice, dead: make(chan struct{}), stats: stats}
}

// acquire waits for the baton. The error is what kill was given.
func (t *baton) acquire(b *backend) error {
	t.mu.Lock()
	if t.mu.killed != nil {
		t.mu.Unlock()
		return t.mu.killed
	}
	if t.mu.holder == nil {
		t.grant(b)
		t.mu.Unlock()
		return nil
	}
	t.enqueue(b)
	t.mu.Unlock()
	return t.wait(b)
}

// release gives the baton up.
func (t *baton) release(b *backend) {
	t.mu.Lock()
	t.pass(b)
	t.mu.Unlock()
}

// yield lets everyone in the queue have a turn first.
func (t *baton) yield(b *backend) error {
	t.mu.Lock()
	if len(t.mu.queue) == 0 {
		t.since.Store(clock())
		t.mu.Unlock()
		return nil
	}
	t.stats.yields.Add(1)
	t.enqueue(b)
	t.pass(b)
	t.mu.Unlock()
	return t.wait(b)
}

// sleep waits until the holder of a lightweight lock has let b have it. In
// Postgres that is a semaphore (PGSemaphoreLock), of which this build has left
// nothing but loops that look at a flag of the waiting process; whoever gives
// up the baton looks at it for b.
func (t *baton) sleep(b *backend) error {
	t.mu.Lock()
	if !b.lockBound() {
		t.mu.Unlock()
		return nil
	}
	t.stats.sleeps.Add(1)
	t.mu.asleep = append(t.mu.asleep, b)
	t.pass(b)
	t.mu.Unlock()
	return t.wait(b)
}

// overdue tells whether the holder has had its slice while others wait.
func (t *baton) overdue() bool {
	return t.waiting.Load() > 0 && clock()-t.since.Load() >= int64(t.slice)
}

// kill makes all who wait return err, and all who ask from now on. The first
// reason counts; the others get false.
func (t *baton) kill(err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.killed != nil {
		return false
	}
	t.mu.killed = err
	close(t.dead)
	for _, b := range append(t.mu.queue, t.mu.asleep...) {
		t.wake(b)
	}
	t.mu.queue, t.mu.asleep = nil, nil
	t.waiting.Store(0)
	return true
}

// seize kills when its turn has come, so that no guest runs at that moment. It
// tells whether nobody else was faster.
func (t *baton) seize(err error) bool {
	b := &backend{turn: make(chan struct{}, 1)} // stands in the queue for the host, and is no guest
	return t.acquire(b) == nil && t.kill(err)
}

// reason is what kill was given, nil before.
func (t *baton) reason() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.killed
}

// running is the backend that holds the baton, nil for none.
func (t *baton) running() *backend {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.holder
}

func (t *baton) wait(b *backend) error {
	began := clock()
	b.rest()
	t.stats.waited.Add(clock() - began)
	return t.granted(b)
}

// granted tells whether b, which has been woken, was given the baton.
func (t *baton) granted(b *backend) error {
	select {
	case <-t.dead:
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.mu.holder != b { // it may have been killed while b ran
			return t.mu.killed
		}
	default:
	}
	return nil
}

// enqueue, grant, pass and wake REQUIRE mu.
func (t *baton) enqueue(b *backend) {
	t.mu.queue = append(t.mu.queue, b)
	t.waiting.Add(1)
	if len(t.mu.queue) > 1 {
		return
	}
	if t.mu.timer == nil {
		t.mu.timer = time.AfterFunc(t.slice, t.tick)
	} else {
		t.mu.timer.Reset(t.slice)
	}
}

func (t *baton) grant(b *backend) {
	t.mu.holder = b
	t.since.Store(clock())
	t.stats.turns.Add(1)
}

// pass takes the baton from b, wakes those whose lightweight lock has come
// meanwhile, and hands it to the next.
func (t *baton) pass(b *backend) {
	t.mu.holder = nil
	kept := t.mu.asleep[:0]
	for _, x := range t.mu.asleep {
		if x.lockBound() {
			kept = append(kept, x)
		} else {
			t.enqueue(x)
		}
	}
	t.mu.asleep = kept
	if len(t.mu.queue) == 0 || t.mu.killed != nil {
		return
	}
	next := t.mu.queue[0]
	t.mu.queue = append(t.mu.queue[:0], t.mu.queue[1:]...)
	t.waiting.Add(-1)
	t.grant(next)
	t.wake(next)
}

// tick reminds a holder whose slice is over, as long as there is a queue.
func (t *baton) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.mu.queue) == 0 {
		return // the next to come starts the timer again
	}
	left := t.slice - time.Duration(clock()-t.since.Load())
	if left <= 0 {
		if t.mu.holder != nil {
			t.mu.holder.remind()
		}
		left = t.slice
	}
	t.mu.timer.Reset(left)
}

// errCrashed is what backends are ended with when one of them has crashed.
var errCrashed = errors.New("pglite: another backend has crashed")
