package elle

import (
	"cmp"
	"slices"
	"time"
)

// dep is a kind of dependency; a set of them where that is said.
type dep uint8

const (
	ww dep = 1 << iota
	wr
	rw
	rt
)

func (d dep) String() string {
	return map[dep]string{ww: "ww", wr: "wr", rw: "rw", rt: "rt"}[d]
}

// edge is a dependency between transactions. What it is about is for people.
type edge struct {
	from, to int
	kind     dep
	key      Key
	element  Element // that from or, for rw, to has appended
}

// dependencies are the edges between transactions that have committed.
func (v *versions) dependencies() []edge {
	var all []edge
	add := func(e edge) {
		if e.from != e.to && v.committed[e.from] && v.committed[e.to] {
			all = append(all, e)
		}
	}
	at := func(k Key, i int) (int, bool) {
		list := v.order[k]
		if i < 0 || i >= len(list) {
			return 0, false
		}
		p, ok := v.writes[write{k, list[i]}]
		return p.txn, ok
	}
	for k, list := range v.order {
		for i := 1; i < len(list); i++ {
			a, okA := at(k, i-1)
			b, okB := at(k, i)
			if okA && okB {
				add(edge{a, b, ww, k, list[i-1]})
			}
		}
	}
	for n, t := range v.h {
		for i, op := range t.Ops {
			list := foreign(t, i)
			if op.Append != 0 || !isPrefix(list, v.order[op.Key]) {
				continue
			}
			if w, ok := at(op.Key, len(list)-1); ok {
				add(edge{w, n, wr, op.Key, list[len(list)-1]})
			}
			if w, ok := at(op.Key, len(list)); ok {
				add(edge{n, w, rw, op.Key, v.order[op.Key][len(list)]})
			}
		}
	}
	return append(all, v.realTime()...)
}

// realTime gives as few rt edges as say what all of them do: a transaction that
// has ended before another began that ended before a third began needs no edge
// to the third.
func (v *versions) realTime() []edge {
	type moment struct {
		at  time.Duration
		txn int
		end bool
	}
	var moments []moment
	for n, t := range v.h {
		if !v.committed[n] {
			continue
		}
		moments = append(moments, moment{t.Start, n, false})
		if t.Outcome == Committed {
			moments = append(moments, moment{t.End, n, true})
		}
	}
	slices.SortFunc(moments, func(a, b moment) int {
		if c := cmp.Compare(a.at, b.at); c != 0 {
			return c
		}
		if a.end != b.end { // at the same moment: not before
			if a.end {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.txn, b.txn)
	})
	var all []edge
	ended := map[int]bool{} // those that are before whatever begins now, by no other's mediation
	before := map[int][]int{}
	for _, m := range moments {
		if m.end {
			for _, e := range before[m.txn] {
				delete(ended, e)
			}
			delete(before, m.txn)
			ended[m.txn] = true
			continue
		}
		for e := range ended {
			all = append(all, edge{from: e, to: m.txn, kind: rt})
			before[m.txn] = append(before[m.txn], e)
		}
	}
	return all
}

// A graph has arcs between moments of transactions. What Postgres promises is
// that there is no cycle, see the package comment.
type graph struct {
	arcs [][]arc // by node
}

// arc leads to a node. Its edge is nil between two moments of one transaction.
type arc struct {
	to int
	e  *edge
}

// shape says which moments of a transaction stand for the ends of an edge.
type shape int

const (
	// commits has one node for a transaction.
	commits shape = iota
	// statements has begin and commit, as read committed does.
	statements
	// snapshots has snapshot and commit.
	snapshots
)

// newGraph makes the graph of a set of kinds of edges.
func newGraph(txns int, edges []edge, s shape, kinds dep) *graph {
	per := 2
	if s == commits {
		per = 1
	}
	g := &graph{make([][]arc, per*txns)}
	if s != commits {
		for n := range txns {
			g.arcs[early(n)] = []arc{{to: late(n)}}
		}
	}
	for i := range edges {
		e := &edges[i]
		if e.kind&kinds == 0 {
			continue
		}
		from, to := e.from, e.to
		if s != commits {
			from, to = late(e.from), late(e.to)
			if e.kind == rw {
				from = early(e.from)
			} else if s == snapshots || e.kind == rt {
				to = early(e.to)
			}
		}
		g.arcs[from] = append(g.arcs[from], arc{to, e})
	}
	return g
}

// early and late are the nodes of a transaction that has two: its begin or
// snapshot, and its commit.
func early(txn int) int { return 2 * txn }
func late(txn int) int  { return 2*txn + 1 }
