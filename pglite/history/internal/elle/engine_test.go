package elle

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// An engine is a small database with Postgres' rules: snapshots by statement or
// by transaction, row locks until the end, the first writer wins. Its faults
// are what a broken one would do.
type engine struct {
	level Level
	fault fault
	rng   *rand.Rand
	clock time.Duration
	log   map[Key][]version // what has committed, in order
	locks map[Key]*running
}

type fault int

const (
	sound        fault = iota
	dirtyReads         // a statement sees what another has not committed
	oldSnapshots       // a snapshot leaves out what was committed lately
	noLocks            // writers do not wait for each other
	lostCommits        // an acknowledged commit leaves out a key now and then
	undeadAborts       // what was rolled back stays now and then
)

type version struct {
	at   time.Duration
	list []Element
}

type running struct {
	Txn
	todo     []Op
	snapshot time.Duration
	wrote    map[Key][]Element // the lists as they will be
}

func (e *engine) now() time.Duration { e.clock++; return e.clock }

// list is what a snapshot shows.
func (e *engine) list(k Key, snapshot time.Duration) []Element {
	var l []Element
	for _, v := range e.log[k] {
		if v.at <= snapshot {
			l = v.list
		}
	}
	return l
}

// step runs the next statement, or the end, of a transaction; waiting tells
// that it can't yet.
func (e *engine) step(r *running) (done, waiting bool) {
	if len(r.todo) == 0 {
		e.end(r)
		return true, false
	}
	op := r.todo[0]
	k := op.Key
	if e.level == ReadCommitted || r.snapshot == 0 {
		r.snapshot = e.now()
		if e.fault == oldSnapshots && e.rng.IntN(4) == 0 {
			r.snapshot = max(1, r.snapshot-40)
		}
	}
	if op.Append != 0 || e.level == Serializable { // which is by locking here
		if holder := e.locks[k]; holder != nil && holder != r && e.fault != noLocks {
			return false, true
		}
		e.locks[k] = r
		latest := e.list(k, e.clock)
		if e.level == RepeatableRead && e.fault != noLocks && len(latest) > len(e.list(k, r.snapshot)) {
			r.Outcome = Aborted // could not serialize access
			e.unlock(r)
			return true, false
		}
		if e.level != RepeatableRead && e.fault != noLocks {
			r.snapshot = e.clock
		}
	}
	seen, ok := r.wrote[k]
	if !ok {
		seen = e.list(k, r.snapshot)
	}
	if op.Append != 0 {
		r.wrote[k] = append(slices.Clone(seen), op.Append)
	} else {
		if holder := e.locks[k]; e.fault == dirtyReads && holder != nil && holder.wrote[k] != nil {
			seen = holder.wrote[k]
		}
		op.List = seen
	}
	r.Ops, r.todo = append(r.Ops, op), r.todo[1:]
	return false, false
}

func (e *engine) unlock(r *running) {
	for k, holder := range e.locks {
		if holder == r {
			delete(e.locks, k)
		}
	}
}

// end commits or rolls back. A tenth of the clients hears nothing of it.
func (e *engine) end(r *running) {
	aborts := e.rng.IntN(8) == 0
	at := e.now()
	for k, l := range r.wrote {
		if aborts != (e.fault == undeadAborts && e.rng.IntN(4) == 0) || e.fault == lostCommits && e.rng.IntN(8) == 0 {
			continue
		}
		e.log[k] = append(e.log[k], version{at, l})
	}
	e.unlock(r)
	r.End = e.now()
	switch {
	case e.rng.IntN(10) == 0:
		r.Outcome = Unknown
	case aborts:
		r.Outcome = Aborted
	}
}

// history runs transactions of some clients in a random order.
func (e *engine) history(txns int) []Txn {
	const clients, keys = 6, 3
	var (
		h      []Txn
		active = map[int]*running{}
		next   Element
		begun  int
	)
	for begun < txns || len(active) > 0 {
		c := e.rng.IntN(clients)
		r := active[c]
		if r == nil {
			if begun == txns {
				continue
			}
			begun++
			r = &running{Txn: Txn{Client: c, Start: e.now()}, wrote: map[Key][]Element{}}
			for range 1 + e.rng.IntN(4) {
				op := Op{Key: Key(e.rng.IntN(keys))}
				if e.rng.IntN(2) == 0 {
					next++
					op.Append = next
				}
				r.todo = append(r.todo, op)
			}
			active[c] = r
		}
		done, waiting := e.step(r)
		if waiting && e.rng.IntN(20) == 0 { // in place of deadlock detection
			r.Outcome = Aborted
			e.unlock(r)
			done = true
		}
		if done {
			h = append(h, r.Txn)
			delete(active, c)
		}
	}
	final := Txn{Start: e.now()}
	for k := range Key(keys) {
		final.Ops = append(final.Ops, Read(k, e.list(k, e.clock)...))
	}
	final.End = e.now()
	return append(h, final)
}

// forbidden runs histories on an engine and counts what its level excludes.
func forbidden(t *testing.T, l Level, f fault) map[Anomaly]int {
	t.Helper()
	count := map[Anomaly]int{}
	for seed := range uint64(60) {
		e := &engine{
			level: l, fault: f, rng: rand.New(rand.NewPCG(seed, uint64(f))),
			log: map[Key][]version{}, locks: map[Key]*running{},
		}
		h := e.history(60)
		found, err := Check(h)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range Forbidden(l, found) {
			if f == sound {
				t.Fatalf("%s, seed %d: %v", l, seed, x)
			}
			count[x.Anomaly]++
		}
	}
	return count
}

// TestSoundEngine: nothing that a level excludes is found where there is none.
func TestSoundEngine(t *testing.T) {
	for _, l := range []Level{ReadCommitted, RepeatableRead, Serializable} {
		forbidden(t, l, sound)
	}
}

// TestFaults: what each fault does is found at every level, by a name that
// tells of it.
func TestFaults(t *testing.T) {
	for f, want := range map[fault]map[Level]Anomaly{
		dirtyReads:   {ReadCommitted: G1a, RepeatableRead: G1a},
		oldSnapshots: {ReadCommitted: StaleRead, RepeatableRead: StaleRead},
		noLocks:      {ReadCommitted: Incompatible, RepeatableRead: Incompatible, Serializable: Incompatible},
		lostCommits:  {ReadCommitted: LostAppend, RepeatableRead: LostAppend, Serializable: LostAppend},
		undeadAborts: {ReadCommitted: G1a, RepeatableRead: G1a, Serializable: G1a},
	} {
		for l, a := range want {
			if count := forbidden(t, l, f); count[a] == 0 {
				t.Errorf("fault %d, %s: found %v, not %s", f, l, count, a)
			}
		}
	}
}

// TestWeakLevels: the anomalies that a level allows are found in what it does.
func TestWeakLevels(t *testing.T) {
	for l, want := range map[Level][]Anomaly{
		ReadCommitted:  {Unrepeatable, GSingle, GNonadjacent, GSingleRealtime, G2Item},
		RepeatableRead: {G2Item},
	} {
		count := map[Anomaly]int{}
		for seed := range uint64(60) {
			e := &engine{level: l, rng: rand.New(rand.NewPCG(seed, 1)), log: map[Key][]version{}, locks: map[Key]*running{}}
			found, err := Check(e.history(60))
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range found {
				count[x.Anomaly]++
			}
		}
		for _, a := range want {
			if count[a] == 0 {
				t.Errorf("%s: found %v, no %s", l, count, a)
			}
		}
	}
}
