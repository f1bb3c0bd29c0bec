package elle

import (
	"fmt"
	"slices"
)

// place is where an element was appended.
type place struct {
	txn  int
	last bool // nothing follows it in its transaction, on the same key
}

type write struct {
	key     Key
	element Element
}

// versions is what the lists of a history say about its writes.
type versions struct {
	h         []Txn
	writes    map[write]place
	order     map[Key][]Element // the longest list that was seen
	committed []bool            // by transaction
	findings  []Finding
}

// newVersions reads all lists. The error is a history that can't be judged,
// since an element was appended twice.
func newVersions(h []Txn) (*versions, error) {
	v := &versions{h: h, writes: map[write]place{}, order: map[Key][]Element{}, committed: make([]bool, len(h))}
	for n, t := range h {
		latest := map[Key]write{}
		for _, op := range t.Ops {
			if op.Append == 0 {
				continue
			}
			w := write{op.Key, op.Append}
			if _, twice := v.writes[w]; twice || op.Append < 0 {
				return nil, fmt.Errorf("elle: element %d of key %d is not unique and positive", w.element, w.key)
			}
			if before, ok := latest[op.Key]; ok {
				v.writes[before] = place{txn: n}
			}
			v.writes[w] = place{txn: n, last: true}
			latest[op.Key] = w
		}
	}
	v.findOrder()
	for n, t := range h {
		v.committed[n] = t.Outcome == Committed
	}
	for k, list := range v.order {
		for _, e := range list {
			if p, ok := v.writes[write{k, e}]; ok && h[p.txn].Outcome == Unknown {
				v.committed[p.txn] = true
			}
		}
	}
	return v, nil
}

// findOrder takes the longest list of each key for its order of versions.
func (v *versions) findOrder() {
	for _, t := range v.h {
		for n, op := range t.Ops {
			if list := v.seen(t, n); op.Append == 0 && len(list) > len(v.order[op.Key]) {
				v.order[op.Key] = list
			}
		}
	}
}

// seen is what the n-th operation, a read, tells of versions that are there for
// all: what a transaction has appended itself only if it has committed.
func (v *versions) seen(t Txn, n int) []Element {
	if t.Outcome == Committed {
		return t.Ops[n].List
	}
	return foreign(t, n)
}

// foreign is what the n-th operation, a read, saw in front of the first element
// that its own transaction has appended.
func foreign(t Txn, n int) []Element {
	list := t.Ops[n].List
	for _, op := range t.Ops[:n] {
		if op.Append != 0 && op.Key == t.Ops[n].Key {
			if at := slices.Index(list, op.Append); at >= 0 {
				list = list[:at]
			}
		}
	}
	return list
}

func (v *versions) report(a Anomaly, t Txn, format string, args ...any) {
	v.findings = append(v.findings, Finding{a, fmt.Sprintf(format, args...) + "\n\t" + t.String()})
}

// check finds the anomalies that need no graph.
func (v *versions) check() {
	for n, t := range v.h {
		for k, op := range t.Ops {
			if op.Append == 0 {
				v.checkList(n, k)
			}
		}
		v.checkOwn(t)
		v.checkOrder(t)
	}
	v.checkLost()
}

// checkList looks at the k-th operation of the n-th transaction, a read, by
// itself. Aborted readers see no less than others: Postgres checks snapshots,
// not outcomes.
func (v *versions) checkList(n, k int) {
	t := v.h[n]
	op := t.Ops[k]
	twice := map[Element]bool{}
	for _, e := range op.List {
		if twice[e] {
			v.report(Duplicate, t, "%d is twice in %v", e, op.List)
		}
		twice[e] = true
	}
	list := foreign(t, k)
	if !isPrefix(list, v.order[op.Key]) {
		v.report(Incompatible, t, "%v does not begin %v, both of key %d", list, v.order[op.Key], op.Key)
	}
	for i, e := range list {
		p, ok := v.writes[write{op.Key, e}]
		switch {
		case !ok:
			v.report(Garbage, t, "nobody has appended %d to key %d", e, op.Key)
		case p.txn == n:
			v.report(OwnWrites, t, "%d of key %d was read before it was appended", e, op.Key)
		case v.h[p.txn].Outcome == Aborted:
			v.report(G1a, t, "%d of key %d is of %v", e, op.Key, v.h[p.txn])
		case i == len(list)-1 && !p.last:
			v.report(G1b, t, "%d of key %d is not the last one of %v", e, op.Key, v.h[p.txn])
		}
	}
}

// checkOwn looks at what a transaction sees of itself.
func (v *versions) checkOwn(t Txn) {
	expected, own := map[Key][]Element{}, map[Key][]Element{}
	for _, op := range t.Ops {
		k := op.Key
		want, known := expected[k]
		switch {
		case op.Append != 0:
			own[k] = append(own[k], op.Append)
			if known {
				expected[k] = append(slices.Clone(want), op.Append)
			}
			continue
		case !isSuffix(own[k], op.List):
			v.report(OwnWrites, t, "%v of key %d does not end with %v", op.List, k, own[k])
		case known && !slices.Equal(want, op.List):
			v.report(Unrepeatable, t, "key %d is %v, and was to be %v", k, op.List, want)
		}
		expected[k] = op.List
	}
}

// checkOrder looks for the appends of a transaction in the order of versions.
// Those of others in between are found as cycles.
func (v *versions) checkOrder(t Txn) {
	appended, listed := map[Key][]Element{}, map[Key][]Element{}
	for _, op := range t.Ops {
		if op.Append != 0 {
			appended[op.Key] = append(appended[op.Key], op.Append)
		}
	}
	for k, own := range appended {
		for _, e := range v.order[k] {
			if slices.Contains(own, e) {
				listed[k] = append(listed[k], e)
			}
		}
		if !isPrefix(listed[k], own) {
			v.report(Reordered, t, "%v of key %d are %v in %v", own, k, listed[k], v.order[k])
		}
	}
}

// checkLost looks for acknowledged appends that no list has, although one was
// read later.
func (v *versions) checkLost() {
	latest := map[Key]int{} // the reader that began last
	for n, t := range v.h {
		for _, op := range t.Ops {
			if op.Append == 0 {
				if m, ok := latest[op.Key]; !ok || v.h[m].Start < t.Start {
					latest[op.Key] = n
				}
			}
		}
	}
	for _, t := range v.h {
		if t.Outcome != Committed {
			continue
		}
		for _, op := range t.Ops {
			if op.Append == 0 || slices.Contains(v.order[op.Key], op.Append) {
				continue
			}
			if m, ok := latest[op.Key]; ok && t.End < v.h[m].Start {
				v.report(LostAppend, t, "%d of key %d is missing from %v", op.Append, op.Key, v.h[m])
			}
		}
	}
}

func isPrefix(a, b []Element) bool { return len(a) <= len(b) && slices.Equal(a, b[:len(a)]) }
func isSuffix(a, b []Element) bool { return len(a) <= len(b) && slices.Equal(a, b[len(b)-len(a):]) }
