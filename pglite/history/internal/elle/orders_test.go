package elle

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Small histories are held against the definitions: a serializable one has a
// serial order, one of snapshot isolation an order of snapshots and commits.
// Both are tried one after the other, which the graph is there to avoid.

// guess draws a history that the database may or may not have produced: what
// was appended is in the last lists in any order, what was read is any beginning
// of these.
func guess(t *rapid.T) []Txn {
	const keys = 2
	n := rapid.IntRange(1, 4).Draw(t, "transactions")
	h := make([]Txn, n)
	var next Element
	lists := map[Key][]Element{}
	for i := range h {
		for range rapid.IntRange(1, 3).Draw(t, "operations") {
			op := Op{Key: Key(rapid.IntRange(1, keys).Draw(t, "key"))}
			if rapid.Bool().Draw(t, "append") {
				next++
				op.Append = next
				lists[op.Key] = append(lists[op.Key], next)
			}
			h[i].Ops = append(h[i].Ops, op)
		}
		h[i].End = time.Hour
	}
	last := Txn{Start: time.Minute, End: time.Hour}
	for k := Key(1); k <= keys; k++ {
		lists[k] = rapid.Permutation(lists[k]).Draw(t, "list")
		last.Ops = append(last.Ops, Read(k, lists[k]...))
	}
	for i := range h {
		for j := range h[i].Ops {
			if op := &h[i].Ops[j]; op.Append == 0 {
				list := lists[op.Key]
				op.List = list[:rapid.IntRange(0, len(list)).Draw(t, "seen")]
			}
		}
	}
	return append(h, last)
}

// orders calls f with each permutation of 0 to n-1 that ok lets begin so, until
// f returns true.
func orders(n int, ok func(begun []int) bool, f func([]int) bool) bool {
	var extend func(begun []int) bool
	extend = func(begun []int) bool {
		if len(begun) == n {
			return f(begun)
		}
		for i := range n {
			if !slices.Contains(begun, i) {
				if next := append(slices.Clone(begun), i); ok(next) && extend(next) {
					return true
				}
			}
		}
		return false
	}
	return extend(nil)
}

// run gives what a transaction does to a snapshot, and whether it has read what
// is there.
func run(t Txn, snapshot map[Key][]Element) (after map[Key][]Element, ok bool) {
	after = map[Key][]Element{}
	for k, l := range snapshot {
		after[k] = l
	}
	for _, op := range t.Ops {
		if op.Append != 0 {
			after[op.Key] = append(slices.Clone(after[op.Key]), op.Append)
		} else if !slices.Equal(op.List, after[op.Key]) {
			return nil, false
		}
	}
	return after, true
}

func hasSerialOrder(h []Txn) bool {
	replay := func(order []int) bool {
		now, ok := map[Key][]Element{}, false
		for _, n := range order {
			if now, ok = run(h[n], now); !ok {
				return false
			}
		}
		return true
	}
	return orders(len(h), replay, func([]int) bool { return true })
}

// hasSnapshotOrder tries all orders of snapshots (2n) and commits (2n+1).
func hasSnapshotOrder(h []Txn) bool {
	replay := func(order []int) bool {
		type taken struct {
			at    int
			after map[Key][]Element
		}
		now, wrote, snapshots := map[Key][]Element{}, map[Key]int{}, map[int]taken{}
		for at, event := range order {
			n := event / 2
			if event%2 == 0 {
				after, ok := run(h[n], now)
				if !ok {
					return false
				}
				snapshots[n] = taken{at, after}
				continue
			}
			s, ok := snapshots[n]
			if !ok {
				return false
			}
			for _, op := range h[n].Ops {
				if op.Append == 0 {
					continue
				}
				if w, ok := wrote[op.Key]; ok && w > s.at && w != at {
					return false // the first committer wins
				}
				wrote[op.Key] = at
				now[op.Key] = s.after[op.Key]
			}
		}
		return true
	}
	return orders(2*len(h), replay, func([]int) bool { return true })
}

// TestAgainstOrders requires that Check forbids a history at a level exactly
// when there is no order that explains it.
func TestAgainstOrders(t *testing.T) {
	verdicts := map[[2]bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		h := guess(t)
		found, err := Check(h)
		if err != nil {
			t.Fatal(err)
		}
		serial, snapshot := hasSerialOrder(h), hasSnapshotOrder(h)
		verdicts[[2]bool{serial, snapshot}]++
		if got := Forbidden(Serializable, found); serial != (len(got) == 0) {
			t.Errorf("a serial order: %v, but Check has %v in\n%v", serial, got, h)
		}
		if got := Forbidden(RepeatableRead, found); snapshot != (len(got) == 0) {
			t.Errorf("an order of snapshots: %v, but Check has %v in\n%v", snapshot, got, h)
		}
	})
	t.Logf("histories by {serializable, snapshot isolation}: %v", verdicts)
}
