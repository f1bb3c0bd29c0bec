package history_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// nemesis disturbs the clients of a fleet: it cancels their statements in both
// ways there are, terminates their sessions, cuts their sockets with and
// without a word of TCP, and brings down the server.
type nemesis struct {
	f   *fleet
	rng *rand.Rand
	// every is the mean time between two disturbances of clients.
	every time.Duration
	// downs are the numbers of transactions at which the server goes down, in
	// ascending order: by a crash of one backend or, where that can be, as a
	// whole.
	downs []int

	ended chan struct{}
	wg    sync.WaitGroup
	count map[string]int
}

// crashFunction makes a backend read where no memory is: the function's argument
// is an integer, and it takes it for a pointer.
const crashFunction = `create function crash(int) returns int language internal strict as 'textlen'`

// start begins to disturb. The nemesis works until stop.
func (n *nemesis) start() {
	n.ended, n.count = make(chan struct{}), map[string]int{}
	n.wg.Go(func() {
		m := n.f.join(-2)
		defer m.leave()
		for {
			select {
			case <-n.ended:
				return
			case <-time.After(time.Duration(n.rng.Int64N(int64(2 * n.every)))):
			}
			n.f.mu.Lock()
			done := n.f.done
			n.f.mu.Unlock()
			if len(n.downs) > 0 && done >= n.downs[0] {
				n.downs = n.downs[1:]
				n.bringDown(m)
			} else {
				n.disturb(m)
			}
		}
	})
}

// stop ends the nemesis and says what it has done.
func (n *nemesis) stop() {
	close(n.ended)
	n.wg.Wait()
	n.f.t.Logf("nemesis: %v", n.count)
	if len(n.downs) > 0 {
		n.f.t.Errorf("the server did not go down at %v", n.downs)
	}
}

// victim is one of the clients' connections.
func (n *nemesis) victim() *pgx.Conn {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	var ids []int
	for id := range n.f.conns {
		if id >= 0 {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	return n.f.conns[ids[n.rng.IntN(len(ids))]]
}

// disturb does something to one client.
func (n *nemesis) disturb(m *member) {
	conn := n.victim()
	if conn == nil || m.ready() != nil {
		return
	}
	var what string
	switch pid := conn.PgConn().PID(); n.rng.IntN(10) {
	case 0, 1, 2:
		what = "pg_cancel_backend"
		_, _ = m.exec(fmt.Sprintf("select pg_cancel_backend(%d)", pid))
	case 3, 4, 5:
		what = "CancelRequest"
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = conn.PgConn().CancelRequest(ctx) // there may be nothing to cancel
	case 6, 7:
		what = "pg_terminate_backend"
		_, _ = m.exec(fmt.Sprintf("select pg_terminate_backend(%d)", pid))
	case 8:
		what = "socket closed"
		cut(conn, false)
	default:
		what = "socket reset"
		cut(conn, true)
	}
	n.count[what]++
}

// bringDown crashes a backend, or kills the server.
func (n *nemesis) bringDown(m *member) {
	if n.f.s.kill != nil && n.rng.IntN(2) == 0 {
		n.count["server killed"]++
		n.f.s.kill(n.f.t)
		return
	}
	if err := m.ready(); err != nil {
		n.f.t.Error(err)
		return
	}
	n.count["backend crashed"]++
	if n.rng.IntN(2) == 0 { // with locks and a change that nobody is to see
		_, _ = m.exec("begin; update crashed set n = n + 1")
	}
	if _, err := m.exec("select crash(-1)"); err == nil || refused(err) {
		n.f.t.Errorf("a backend that crashes says %v", err)
	}
}

// prepareCrash makes what bringDown needs.
func (f *fleet) prepareCrash() {
	f.must(crashFunction + "; create table crashed (n int); insert into crashed values (0)")
}

// checkCrash looks for what crashed transactions have left.
func (f *fleet) checkCrash() {
	f.t.Helper()
	if got := f.must("select n from crashed"); got[0] != "0" {
		f.t.Errorf("crashed transactions have changed %s rows", got[0])
	}
}

// downs spreads n moments over a number of transactions.
func downs(n, transactions int) []int {
	var out []int
	for k := range n {
		out = append(out, transactions*(k+1)/(n+2))
	}
	return out
}

// TestCrash: the function brings a server down and it comes back, with what was
// committed and without what was not.
func TestCrash(t *testing.T) {
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			f := newFleet(t, s.start(t))
			f.prepareCrash()
			n := &nemesis{f: f, rng: rand.New(rand.NewPCG(1, 1)), count: map[string]int{}}
			bystander := f.join(0)
			defer bystander.leave()
			if err := bystander.ready(); err != nil {
				t.Fatal(err)
			}
			if _, err := bystander.exec("begin; insert into crashed values (7)"); err != nil {
				t.Fatal(err)
			}
			m := f.join(-2)
			defer m.leave()
			for range 3 {
				n.bringDown(m)
			}
			if _, err := bystander.exec("commit"); err == nil {
				t.Error("a transaction outlives a crash")
			}
			f.checkCrash()
		})
	}
}
