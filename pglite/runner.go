package pglite

import "iter"

// A turn that follows another on the same thread finds the machine code and
// shared memory in that core's caches, and costs no wake-up. So when there is a
// queue, turns do not go from goroutine to goroutine: backends that have to wait
// before they begin run as coroutines, one after the other, on a goroutine that
// is there as long as turns follow each other. Whoever finds the baton free runs
// on its own goroutine, without a switch.

// runner says what the goroutine with the coroutines does next. It is part of
// baton.mu.
type runner struct {
	running bool
	ready   *backend   // has been given the baton
	unwind  []*backend // have waited for it when it was killed
}

// hosted is a backend's coroutine. While on, all of the guest runs there, and
// the goroutine that has backend.mu waits for events.
type hosted struct {
	on     bool
	work   func() error
	err    error // of work
	events chan event
	resume func() (event, bool)
	stop   func()
	yield  func(event) bool
}

// event is why a coroutine has stopped.
type event struct {
	resting bool   // until it is woken
	do      func() // is to be done without the baton; nil, with resting false: the work is done
}

// do enters, runs f and leaves. REQUIRES: not entered.
func (b *backend) do(f func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return errExited
	}
	free, err := b.srv.acquireOrHost(b, f)
	switch {
	case err != nil:
		return err
	case free:
		b.holding = true
		err = f()
		b.giveUp(err)
		return err
	}
	for e := range b.host.events {
		if e.do == nil {
			break
		}
		e.do()
		b.srv.again(b)
	}
	b.host.on = false
	if b.ended {
		b.host.stop()
	}
	return b.host.err
}

// rest waits until the baton has woken the backend.
func (b *backend) rest() {
	if b.host.on {
		b.host.yield(event{resting: true})
	} else {
		<-b.turn
	}
}

// hosting is what a backend's coroutine does.
func (b *backend) hosting(yield func(event) bool) {
	h := &b.host
	h.yield = yield
	for {
		if h.err = b.srv.granted(b); h.err == nil {
			b.holding = true
			h.err = h.work()
			b.giveUp(h.err)
		}
		h.work = nil
		if !yield(event{}) {
			return
		}
	}
}

// acquireOrHost takes the baton if it is free. Else it queues the backend, whose
// coroutine then does the work.
func (t *baton) acquireOrHost(b *backend, work func() error) (free bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.killed != nil {
		return false, t.mu.killed
	}
	if t.mu.holder == nil {
		t.grant(b)
		return true, nil
	}
	h := &b.host
	if h.events == nil {
		h.events = make(chan event, 1)
		h.resume, h.stop = iter.Pull(b.hosting)
	}
	h.on, h.work = true, work
	t.enqueue(b)
	return false, nil
}

// again asks for the baton for a coroutine that has given it up.
func (t *baton) again(b *backend) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.mu.killed != nil:
		t.wake(b)
	case t.mu.holder == nil:
		t.grant(b)
		t.wake(b)
	default:
		t.enqueue(b)
	}
}

// wake lets a backend go on that rests: it has the baton, or there is none any
// more. REQUIRES: mu.
func (t *baton) wake(b *backend) {
	if !b.host.on {
		b.turn <- struct{}{}
		return
	}
	if t.mu.killed != nil {
		t.mu.unwind = append(t.mu.unwind, b)
	} else {
		t.mu.ready = b
	}
	if !t.mu.running {
		t.mu.running = true
		t.runners.Go(t.run)
	}
}

// run is the runner's goroutine. It ends when no coroutine is to go on.
func (t *baton) run() {
	for b := t.next(); b != nil; b = t.next() {
		if e, _ := b.host.resume(); !e.resting {
			b.host.events <- e
		}
	}
}

func (t *baton) next() *backend {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.mu.ready
	t.mu.ready = nil
	if n := len(t.mu.unwind); b == nil && n > 0 {
		b = t.mu.unwind[n-1]
		t.mu.unwind = t.mu.unwind[:n-1]
	}
	t.mu.running = b != nil
	return b
}
