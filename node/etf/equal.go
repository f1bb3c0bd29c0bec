package etf

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// Equal tells whether two terms are the same (=:=), in whichever of Go's types they
// are: 1 and 1.0 are not, and nor are 0.0 and -0.0, as since OTP 27. Funs are compared by their bytes.
func Equal(a, b Term) bool {
	if equal, ok := flat(a, b); ok {
		return equal
	}
	x, err := appendSorted(nil, a)
	if err != nil {
		return false
	}
	y, err := appendSorted(nil, b)
	return err == nil && bytes.Equal(x, y)
}

// flat compares two terms that are atoms or binaries, as keys of maps mostly are.
func flat(a, b Term) (equal, ok bool) {
	switch a := a.(type) {
	case Atom:
		switch b := b.(type) {
		case Atom:
			return a == b, true
		case []byte, string:
			return false, true
		}
	case []byte:
		switch b := b.(type) {
		case []byte:
			return bytes.Equal(a, b), true
		case string:
			return string(a) == b, true
		case Atom:
			return false, true
		}
	case string:
		switch b := b.(type) {
		case []byte:
			return a == string(b), true
		case string:
			return a == b, true
		case Atom:
			return false, true
		}
	}
	return false, false
}

// appendSorted appends the bytes that all terms equal to t have, and no other.
func appendSorted(dst []byte, t Term) ([]byte, error) {
	e := encoder{dst: dst, depth: MaxDepth, sorted: true}
	err := e.term(t)
	return e.dst, err
}

// sortedKeys are the keys of a map's pairs in the order of their bytes.
type sortedKeys struct {
	bytes []byte
	spans []span
}

// span is where the bytes of a pair's key are.
type span struct{ start, end, pair int }

func (s *sortedKeys) key(k int) []byte { return s.bytes[s.spans[k].start:s.spans[k].end] }

// sortKeys gives a duplicateKey as an error where two are the same.
func (m Map) sortKeys(depth int) (s sortedKeys, err error) {
	s.spans = make([]span, len(m))
	e := encoder{depth: depth, sorted: true}
	for k, p := range m {
		start := len(e.dst)
		if err := e.term(p.Key); err != nil {
			return s, err
		}
		s.spans[k] = span{start, len(e.dst), k}
	}
	s.bytes = e.dst
	slices.SortFunc(s.spans, func(a, b span) int {
		return bytes.Compare(e.dst[a.start:a.end], e.dst[b.start:b.end])
	})
	for k := range s.spans[1:] {
		if bytes.Equal(s.key(k), s.key(k+1)) {
			return s, duplicateKey(max(s.spans[k].pair, s.spans[k+1].pair))
		}
	}
	return s, nil
}

// sortedPairs writes a map's pairs in the order of their keys' bytes.
func (e *encoder) sortedPairs(m Map) error {
	if len(m) == 0 {
		return nil
	}
	keys, err := m.sortKeys(e.depth)
	if err != nil {
		return err
	}
	for k, s := range keys.spans {
		e.dst = append(e.dst, keys.key(k)...)
		if err := e.term(m[s.pair].Value); err != nil {
			return err
		}
	}
	return nil
}

// duplicateKey is the number of a pair that has the key of one before it.
type duplicateKey int

func (d duplicateKey) Error() string {
	return fmt.Sprintf("etf: pair %d of a map has the key of another", int(d))
}

// manyKeys is from where on sorting takes less than comparing all with all.
const manyKeys = 32

// duplicate finds a pair that has the key of one before it. All keys are terms.
func (m Map) duplicate() (pair int, found bool) {
	if len(m) < 2 {
		return 0, false
	}
	if len(m) <= manyKeys {
		if pair, found, ok := m.flatDuplicate(); ok {
			return pair, found
		}
	}
	var d duplicateKey
	_, err := m.sortKeys(MaxDepth)
	found = errors.As(err, &d)
	return int(d), found
}

// flatDuplicate is duplicate for maps all of whose keys are flat.
func (m Map) flatDuplicate() (pair int, found, ok bool) {
	for k, p := range m {
		if _, ok := flat(p.Key, p.Key); !ok {
			return 0, false, false
		}
		for _, q := range m[:k] {
			if equal, _ := flat(p.Key, q.Key); equal {
				return k, true, true
			}
		}
	}
	return 0, false, true
}
