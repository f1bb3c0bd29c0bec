package history_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
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

	begun    time.Time
	complete atomic.Bool // everything was done once
	ended    chan struct{}
	wg       sync.WaitGroup
	count    map[string]int
}

// crashFunction makes a backend read where no memory is: the function's argument
// is an integer, and it takes it for a pointer.
const crashFunction = `create function crash(int) returns int language internal strict as 'textlen'`

// newNemesis makes one for a number of transactions.
func newNemesis(f *fleet, seed uint64, transactions int) *nemesis {
	n := &nemesis{f: f, rng: rand.New(rand.NewPCG(seed, uint64(clients))), every: 8 * time.Millisecond}
	times := need.Choose(1, 2)
	for k := range times {
		n.downs = append(n.downs, transactions*(k+1)/(times+2))
	}
	return n
}

// start begins to disturb. The nemesis works until stop.
func (n *nemesis) start() {
	n.begun, n.ended, n.count = time.Now(), make(chan struct{}), map[string]int{}
	n.wg.Go(func() {
		m := n.f.join(-2)
		defer m.leave()
		for {
			select {
			case <-n.ended:
				return
			case <-time.After(n.pause()):
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
			n.complete.Store(n.undone() == "" && len(n.downs) == 0)
		}
	})
}

// unfinished tells clients to go on, lest a history be over before anything has
// happened to it.
func (n *nemesis) unfinished() bool {
	return n != nil && !n.complete.Load() && time.Since(n.begun) < patience
}

// pause is how long it waits, which is not long before it has done everything
// once.
func (n *nemesis) pause() time.Duration {
	mean := n.every
	if n.undone() != "" {
		mean /= 8
	}
	return time.Duration(n.rng.Int64N(int64(2 * mean)))
}

// undone is a disturbance that has not been made yet.
func (n *nemesis) undone() string {
	for _, d := range disturbances {
		if n.count[d] == 0 {
			return d
		}
	}
	return ""
}

// stop ends the nemesis and says what it has done, which is something of
// everything.
func (n *nemesis) stop() {
	close(n.ended)
	n.wg.Wait()
	n.f.t.Logf("nemesis: %v", n.count)
	if d := n.undone(); d != "" {
		n.f.t.Errorf("no %s", d)
	}
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

// disturbances are what is done to a client, as often as they stand here.
var disturbances = [...]string{
	cancels, cancels, cancels, cancelRequests, cancelRequests, cancelRequests,
	terminations, terminations, closed, reset,
}

const (
	cancels        = "pg_cancel_backend"
	cancelRequests = "CancelRequest"
	terminations   = "pg_terminate_backend"
	closed         = "socket closed"
	reset          = "socket reset"
)

// disturb does something to one client: at first what has not been done yet.
func (n *nemesis) disturb(m *member) {
	conn := n.victim()
	if conn == nil || m.ready() != nil {
		return
	}
	what := n.undone()
	if what == "" {
		what = disturbances[n.rng.IntN(len(disturbances))]
	}
	switch what {
	case cancels, terminations:
		sent, err := query(m, pgx.RowTo[bool], fmt.Sprintf("select %s(%d)", what, conn.PgConn().PID()))
		if err != nil || !sent[0] { // it has just gone
			return
		}
	case cancelRequests:
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = conn.PgConn().CancelRequest(ctx) // there may be nothing to cancel
	default:
		cut(conn, what == reset)
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

// testCrash: the function brings a server down and it comes back, with what was
// committed and without what was not.
func testCrash(t *testing.T, srv *server) {
	f := newFleet(t, srv)
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
	for range need.Choose(1, 6) {
		n.bringDown(m)
	}
	for end := time.Now().Add(patience); ; { // a native server needs a moment to notice
		if _, err := bystander.exec("insert into crashed values (7)"); err != nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("a session outlives a crash")
		}
	}
	f.checkCrash()
}
