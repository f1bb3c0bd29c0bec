package pglite

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

func testPool(boot func(context.Context, login) (*backend, error)) *pool {
	if boot == nil {
		boot = func(context.Context, login) (*backend, error) { return &backend{}, nil }
	}
	return &pool{size: 1, timeout: 20 * time.Second, boot: boot, retire: func(b *backend, _ bool) { b.live.ended = true }, host: &Session{}, out: map[*backend]*Session{}}
}

// TestPoolIsFair: nobody overtakes a waiter that was called.
func TestPoolIsFair(t *testing.T) {
	p := testPool(nil)
	for range 500 {
		b, err := p.take(t.Context(), nil, login{})
		if err != nil {
			t.Fatal(err)
		}
		var order []string // guarded by who holds the backend
		var wg sync.WaitGroup
		turn := func(name string) {
			b, err := p.take(t.Context(), nil, login{})
			if err != nil {
				t.Error(err)
				return
			}
			order = append(order, name)
			p.release(b)
		}
		wg.Go(func() { turn("first") })
		for !p.wanted() {
			time.Sleep(time.Microsecond)
		}
		p.release(b)
		turn("second")
		wg.Wait()
		if order[0] != "first" {
			t.Fatal("the second came first")
		}
	}
	if p.used != 0 || p.called != 0 || len(p.waiters) != 0 || len(p.idle) != 1 {
		t.Errorf("%d used, %d called, %d wait, %d idle", p.used, p.called, len(p.waiters), len(p.idle))
	}
}

// TestPoolCallsAll: two backends come free while one waits, and who comes next
// gets the other, although the one that waited keeps its own.
func TestPoolCallsAll(t *testing.T) {
	p := testPool(nil)
	p.size = 2
	take := func() *backend {
		b, err := p.take(t.Context(), nil, login{})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for range 500 {
		a, b := take(), take()
		kept := make(chan *backend)
		go func() {
			b, _ := p.take(context.WithoutCancel(t.Context()), nil, login{})
			kept <- b
		}()
		for !p.wanted() {
			time.Sleep(time.Microsecond)
		}
		p.release(a)
		p.release(b)
		mine := take()
		theirs := <-kept
		if theirs == nil {
			t.Fatal("the first got none")
		}
		p.release(mine)
		p.release(theirs)
	}
}

// TestPoolClosesDuringBoot: a backend that boots while the pool closes is
// retired before the closing is over, and nobody gets it.
func TestPoolClosesDuringBoot(t *testing.T) {
	booting, finish := make(chan struct{}), make(chan struct{})
	made := &backend{}
	p := testPool(func(context.Context, login) (*backend, error) {
		close(booting)
		<-finish
		return made, nil
	})
	taken := make(chan error, 1)
	go func() {
		_, err := p.take(context.Background(), nil, login{})
		taken <- err
	}()
	<-booting
	if all := p.close(ErrClosed); len(all) != 0 {
		t.Errorf("%d backends before one has booted", len(all))
	}
	close(finish)
	p.booting.Wait()
	if !made.live.ended {
		t.Error("the backend goes on")
	}
	if err := <-taken; !errors.Is(err, ErrClosed) {
		t.Errorf("take gives %v", err)
	}
}

// TestPoolPlaces: whatever fails, a place does not get lost.
func TestPoolPlaces(t *testing.T) {
	fail := errors.New("no boot")
	var bootErr error
	p := testPool(func(context.Context, login) (*backend, error) {
		if bootErr != nil {
			return nil, bootErr
		}
		return &backend{}, nil
	})
	take := func() (*backend, error) { return p.take(t.Context(), nil, login{}) }
	bootErr = fail
	if _, err := take(); err != fail {
		t.Fatal(err)
	}
	bootErr = nil
	b, err := take()
	if err != nil {
		t.Fatal(err)
	}
	p.timeout = time.Millisecond
	if _, err := take(); err == nil || err.(*Error).Code != "53300" {
		t.Errorf("a full pool gives %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.take(gone, nil, login{}); !errors.Is(err, context.Canceled) && err.(*Error).Code != "53300" {
		t.Errorf("a wait without context gives %v", err)
	}
	p.timeout = 20 * time.Second
	p.release(b)
	b.live.ended = true // while nobody holds it
	again, err := take()
	if err != nil || again == b {
		t.Errorf("an ended backend is handed out, %v", err)
	}
	again.live.ended = true // while it is held
	p.release(again)
	if b, err = take(); err != nil || b == again {
		t.Errorf("an ended backend is handed out, %v", err)
	}
	p.release(b)
	if p.used != 0 || p.called != 0 || len(p.out) != 0 || len(p.waiters) != 0 || len(p.idle) != 1 {
		t.Errorf("%d used, %d called, %d out, %d wait, %d idle", p.used, p.called, len(p.out), len(p.waiters), len(p.idle))
	}
}

// TestLateCancel: a cancel or termination that comes when the statement is
// over does not meet the next session's.
func TestLateCancel(t *testing.T) {
	c, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	var s [2]*Session
	for k := range s {
		if s[k], err = c.NewSession(t.Context(), SessionOptions{User: "postgres"}); err != nil {
			t.Fatal(err)
		}
		defer s[k].Close()
	}
	for _, late := range []func(*Session){(*Session).Cancel, (*Session).terminate} {
		if err := s[0].acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := s[0].b
		b.mu.Lock()
		s[0].running(b)
		late(s[0])
		s[0].rests(b)
		b.mu.Unlock()
		if b.inst.Uint32(b.addr.queryCancelPending)|b.inst.Uint32(b.addr.procDiePending) != 0 {
			t.Error("a flag is left")
		}
		s[0].release()
		if err := s[1].acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s[1].b.asHost("select 1"); err != nil {
			t.Error(err)
		}
		s[1].release()
	}
}
