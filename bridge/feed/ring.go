package feed

import (
	"slices"
	"sort"

	"github.com/howdahdb/howdah/bridge/change"
)

// ring holds the newest sets in memory, where all subscribers that keep up share
// them.
//
// Invariants: entries rise by place; none between after and the first entry is
// missing; those from whole on belong to a transaction that is not complete yet and
// are not shown.
type ring struct {
	after   place
	entries []entry
	whole   int // entries that are shown
	bytes   int
}

type entry struct {
	set  *change.Set
	size int // of the encoded set, which stands for what it takes in memory
}

// find gives the first set behind a place. in says whether the ring reaches back to
// the place; without it the set may be found in the files.
func (r *ring) find(p place) (s *change.Set, in bool) {
	if p.before(r.after) {
		return nil, false
	}
	k := sort.Search(r.whole, func(k int) bool { return p.before(placeOf(r.entries[k].set)) })
	if k == r.whole {
		return nil, true
	}
	return r.entries[k].set, true
}

// push adds a set. What it belongs to is shown once it is whole.
func (r *ring) push(s *change.Set, size int) {
	r.entries = append(r.entries, entry{s, size})
	r.bytes += size
	if !s.More {
		r.whole = len(r.entries)
	}
}

// drop takes back what is not shown. newest is the place behind what is.
func (r *ring) drop(newest place) {
	for _, e := range r.entries[r.whole:] {
		r.bytes -= e.size
	}
	clear(r.entries[r.whole:])
	r.entries = r.entries[:r.whole]
	if newest.before(r.after) {
		r.after = newest // some of it had been let go, and so all before it
	}
}

// shrink lets go of the oldest sets until the others fit, but of none beyond keep,
// which are nowhere else.
func (r *ring) shrink(bytes, sets int, keep place) {
	n := 0
	for n < len(r.entries) && (r.bytes > bytes || len(r.entries)-n > sets) {
		p := placeOf(r.entries[n].set)
		if keep.before(p) {
			break
		}
		r.after = p
		r.bytes -= r.entries[n].size
		n++
	}
	if n == 0 {
		return
	}
	// The array moves on under append, so that dropping costs nothing per set left.
	clear(r.entries[:n])
	r.entries = r.entries[n:]
	r.whole = max(0, r.whole-n)
}

// reset empties the ring: what comes next comes behind p.
func (r *ring) reset(p place) {
	*r = ring{after: p, entries: slices.Clip(r.entries[:0])}
}
