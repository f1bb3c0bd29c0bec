package pglite

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/howdahdb/howdah/runtime/linear"
)

// batonBackend is a backend without a guest: all that a baton needs of one.
func batonBackend() *backend { return &backend{turn: make(chan struct{}, 1)} }

// TestBatonIsFair lets sessions of all kinds share a baton, by a clock that
// only moves when all of them wait: those that run for ever, those that come for
// a moment, and those that come back at once. Nobody waits for more than a slice
// of each other session, plus what lies between two of its interrupt checks.
func TestBatonIsFair(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const (
		sessions = 24
		check    = 100 * time.Microsecond // between interrupt checks
		until    = 2 * time.Second
	)
	synctest.Test(t, func(t *testing.T) {
		baton := newBaton(0, new(batonStats))
		var wg sync.WaitGroup
		var turns [sessions]int
		for k := range sessions {
			rnd := rand.New(rand.NewPCG(seed, uint64(k)))
			wg.Go(func() {
				b := batonBackend()
				timed := func(wait func(*backend) error) {
					begin := time.Now()
					if err := wait(b); err != nil {
						t.Error(err)
					}
					if took, most := time.Since(begin), (sessions-1)*(baton.slice+check); took > most {
						t.Errorf("session %d waited %v for %d others, which may take %v", k, took, sessions-1, most)
					}
					turns[k]++
				}
				for end := time.Now().Add(until); time.Now().Before(end); {
					timed(baton.acquire)
					run := time.Duration(rnd.IntN(100)) * check
					if k%3 == 0 {
						run = until
					}
					for ; run > 0 && time.Now().Before(end); run -= check {
						time.Sleep(check)
						if baton.overdue() {
							timed(baton.yield)
						}
					}
					baton.release(b)
					if k%3 == 1 {
						time.Sleep(time.Duration(rnd.IntN(20)) * time.Millisecond)
					}
				}
			})
		}
		wg.Wait()
		for k, n := range turns {
			if least := int(until / (sessions * (baton.slice + check)) / 2); n < least {
				t.Errorf("session %d had %d turns, fewer than %d", k, n, least)
			}
		}
		if baton.running() != nil {
			t.Error("somebody has kept it")
		}
	})
}

// TestBatonSlice: the holder is reminded, by the flag that Postgres looks at,
// only after its slice and only when another waits.
func TestBatonSlice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		baton := newBaton(3*time.Millisecond, new(batonStats))
		holder, other := batonBackend(), batonBackend()
		mem, err := linear.Reserve(linear.PageSize)
		if err != nil {
			t.Fatal(err)
		}
		defer mem.Free()
		mem.Reallocate(linear.PageSize)
		holder.mem = mem
		reminded := func() bool { synctest.Wait(); return mem.LoadUint32(0) != 0 }
		if err := baton.acquire(holder); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if reminded() || baton.overdue() {
			t.Error("reminded while nobody waits")
		}
		done := make(chan error)
		go func() { done <- baton.acquire(other) }()
		if synctest.Wait(); !baton.overdue() {
			t.Error("not overdue after an hour")
		}
		if time.Sleep(baton.slice); !reminded() {
			t.Error("not reminded after a slice")
		}
		baton.release(holder)
		if err := <-done; err != nil {
			t.Error(err)
		}
		baton.release(other)
	})
}

// TestBatonKill: after kill all who wait and all who come are told why, and
// whoever holds it can still give it up.
func TestBatonKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		baton := newBaton(0, new(batonStats))
		holder, first := batonBackend(), errors.New("first")
		if err := baton.acquire(holder); err != nil {
			t.Fatal(err)
		}
		errs := make(chan error, 3)
		for range cap(errs) {
			go func() { errs <- baton.acquire(batonBackend()) }()
		}
		synctest.Wait()
		if !baton.kill(first) || baton.kill(errors.New("second")) {
			t.Error("the first reason does not count")
		}
		for range cap(errs) {
			if err := <-errs; err != first {
				t.Errorf("who waits gets %v", err)
			}
		}
		if baton.running() != holder {
			t.Error("the holder has lost it")
		}
		baton.release(holder)
		if err := baton.acquire(holder); err != first {
			t.Errorf("who comes gets %v", err)
		}
	})
}

// TestHosted lets goroutines work by do, some of which end, yield, or go away in
// between, and holds to it that one works at a time, that all of their work is
// done, and that the runner ends with the queue.
func TestHosted(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const sessions, rounds = 16, 200
	baton := newBaton(0, new(batonStats))
	var working, done, hosted int // by whoever holds the baton
	var wg sync.WaitGroup
	first := batonBackend() // holds it until there is a queue
	if err := baton.acquire(first); err != nil {
		t.Fatal(err)
	}
	for k := range sessions {
		rnd := rand.New(rand.NewPCG(seed, uint64(k)))
		wg.Go(func() {
			b := batonBackend()
			b.srv = &server{baton: baton}
			turn := func(begin bool) {
				if working++; working != 1 {
					t.Errorf("%d work at a time", working)
				}
				if begin && b.host.on {
					hosted++
				}
			}
			for range rounds {
				err := b.do(func() error {
					turn(true)
					for range rnd.IntN(4) {
						working--
						if rnd.IntN(2) == 0 {
							b.away(func() { time.Sleep(time.Duration(rnd.IntN(20)) * time.Microsecond) })
						} else {
							b.holding = false
							b.resume(baton.yield(b))
						}
						turn(false)
					}
					working--
					done++
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
			if b.host.stop != nil {
				b.host.stop()
			}
		})
	}
	for baton.waiting.Load() < sessions {
		time.Sleep(time.Millisecond)
	}
	baton.release(first)
	wg.Wait()
	baton.runners.Wait()
	if done != sessions*rounds || hosted == 0 {
		t.Errorf("%d of %d pieces of work are done, %d of them by the runner", done, sessions*rounds, hosted)
	}
	if baton.running() != nil {
		t.Error("somebody has kept it")
	}
}

// TestHostedKill: kill ends what the runner was to run, begun or not, and who
// has gone away when he comes back; each in its own goroutine's do.
func TestHostedKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		baton := newBaton(0, new(batonStats))
		dead := errors.New("dead")
		fake := func() *backend { b := batonBackend(); b.srv = &server{baton: baton}; return b }
		holder := fake()
		if err := baton.acquire(holder); err != nil {
			t.Fatal(err)
		}
		back := make(chan struct{})
		steps := map[string]func(*backend){
			"away":    func(b *backend) { b.away(func() { <-back }) },
			"yields":  func(b *backend) { b.holding = false; b.resume(baton.yield(b)) },
			"not yet": func(*backend) { t.Error("runs after kill") },
		}
		errs := make(chan error, len(steps))
		submit := func(name string) {
			go func() {
				b := fake()
				errs <- b.do(func() (err error) {
					defer func() {
						if e := recover(); e != nil { // as the guest's calls do
							err = e.(error)
						}
					}()
					steps[name](b)
					return nil
				})
				b.host.stop()
			}()
			synctest.Wait()
		}
		submit("away")
		submit("yields")
		second := fake()
		go func() {
			if err := baton.acquire(second); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		baton.release(holder) // away goes away, yields waits for second
		synctest.Wait()
		if baton.running() != second {
			t.Fatal("the queue has lost its order")
		}
		submit("not yet")
		baton.kill(dead)
		synctest.Wait()
		close(back)
		for range cap(errs) {
			if err := <-errs; err != dead {
				t.Errorf("got %v", err)
			}
		}
		baton.release(second)
		baton.runners.Wait()
	})
}
