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
