package etf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"unicode/utf8"
)

// Append appends a term with its version byte. If t is no term, dst comes back as it
// was, with an error that says why.
func Append(dst []byte, t Term) ([]byte, error) {
	e := encoder{dst: append(dst, version), depth: MaxDepth}
	if err := e.term(t); err != nil {
		return dst, err
	}
	return e.dst, nil
}

// AppendBare appends a term without a version byte, as it is inside another.
func AppendBare(dst []byte, t Term) ([]byte, error) {
	e := encoder{dst: dst, depth: MaxDepth}
	if err := e.term(t); err != nil {
		return dst, err
	}
	return e.dst, nil
}

// AppendVersion begins a term that is put together with the functions below, each of
// which appends a term, or the beginning of one that needs as many more.
func AppendVersion(dst []byte) []byte { return append(dst, version) }

// AppendTuple begins a tuple: arity terms have to follow.
func AppendTuple(dst []byte, arity int) []byte {
	if arity < 256 {
		return append(dst, smallTupleExt, byte(arity))
	}
	return appendUint32(append(dst, largeTupleExt), arity)
}

// AppendList begins a list of at least one element: n terms and a tail, which is
// AppendNil in a proper list, have to follow.
func AppendList(dst []byte, n int) []byte { return appendUint32(append(dst, listExt), n) }

// AppendNil appends [].
func AppendNil(dst []byte) []byte { return append(dst, nilExt) }

// AppendMap begins a map: n times a key and its value have to follow, and no two keys
// may be equal.
func AppendMap(dst []byte, n int) []byte { return appendUint32(append(dst, mapExt), n) }

// AppendBinary appends a binary.
func AppendBinary[T []byte | string](dst []byte, b T) []byte {
	return append(appendUint32(append(dst, binaryExt), len(b)), b...)
}

// AppendInt appends an integer.
func AppendInt(dst []byte, v int64) []byte {
	switch {
	case v >= 0 && v <= 255:
		return append(dst, smallIntegerExt, byte(v))
	case v >= math.MinInt32 && v <= math.MaxInt32:
		return binary.BigEndian.AppendUint32(append(dst, integerExt), uint32(v))
	}
	u, sign := uint64(v), byte(0)
	if v < 0 {
		u, sign = -u, 1
	}
	start := len(dst)
	dst = append(dst, smallBigExt, 0, sign)
	for ; u != 0; u >>= 8 {
		dst = append(dst, byte(u))
	}
	dst[start+1] = byte(len(dst) - start - 3)
	return dst
}

// AppendFloat appends a float; NaN and infinities are none.
func AppendFloat(dst []byte, v float64) ([]byte, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return dst, fmt.Errorf("etf: %v is not an Erlang float", v)
	}
	return binary.BigEndian.AppendUint64(append(dst, newFloatExt), math.Float64bits(v)), nil
}

// AppendAtom appends an atom.
func AppendAtom(dst []byte, a Atom) ([]byte, error) {
	if !utf8.ValidString(string(a)) {
		return dst, fmt.Errorf("etf: atom %q is not UTF-8", a)
	}
	if len(a) > maxAtom {
		if n := utf8.RuneCountInString(string(a)); n > maxAtom {
			return dst, fmt.Errorf("etf: atom of %d characters, the most is %d", n, maxAtom)
		}
		dst = binary.BigEndian.AppendUint16(append(dst, atomUTF8Ext), uint16(len(a)))
	} else {
		dst = append(dst, smallAtomUTF8Ext, byte(len(a)))
	}
	return append(dst, a...), nil
}

func appendUint32(dst []byte, n int) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

// tooLong tells whether a count does not fit the u32 that it is written as.
func tooLong(n int) bool { return uint64(n) > math.MaxUint32 }

var (
	errDepth = fmt.Errorf("etf: term deeper than %d", MaxDepth)
	errLong  = errors.New("etf: more than a u32 can count")
)

// encoder appends one term to dst.
type encoder struct {
	dst   []byte
	depth int // how many levels are left
	// sorted puts the pairs of maps into the order of their keys' bytes, so that equal
	// terms have equal bytes.
	sorted bool
}

func (e *encoder) term(t Term) (err error) {
	switch v := t.(type) {
	case int64:
		e.dst = AppendInt(e.dst, v)
		return nil
	case Atom:
		e.dst, err = AppendAtom(e.dst, v)
		return err
	case []byte:
		if tooLong(len(v)) {
			return errLong
		}
		e.dst = AppendBinary(e.dst, v)
		return nil
	case string:
		if tooLong(len(v)) {
			return errLong
		}
		e.dst = AppendBinary(e.dst, v)
		return nil
	case float64:
		e.dst, err = AppendFloat(e.dst, v)
		return err
	case float32:
		e.dst, err = AppendFloat(e.dst, float64(v))
		return err
	case bool:
		if v {
			e.dst = append(e.dst, smallAtomUTF8Ext, 4, 't', 'r', 'u', 'e')
		} else {
			e.dst = append(e.dst, smallAtomUTF8Ext, 5, 'f', 'a', 'l', 's', 'e')
		}
		return nil
	case nil:
		e.dst = append(e.dst, smallAtomUTF8Ext, 3, 'n', 'i', 'l')
		return nil
	case Bitstring:
		return e.bitstring(v)
	case PID:
		return e.pid(v)
	case Port:
		return e.port(v)
	case Ref:
		return e.ref(v)
	case Export:
		return e.export(v)
	case Fun:
		return e.fun(v)
	}
	if small, large, ok := integer(t); ok {
		if large != nil {
			return e.big(large)
		}
		e.dst = AppendInt(e.dst, small)
		return nil
	}
	if e.depth == 0 {
		return errDepth
	}
	e.depth--
	defer func() { e.depth++ }()
	switch v := t.(type) {
	case Tuple:
		if tooLong(len(v)) {
			return errLong
		}
		e.dst = AppendTuple(e.dst, len(v))
		return e.terms(v)
	case List:
		return e.list(v)
	case ImproperList:
		return e.improper(v)
	case Map:
		return e.mapping(v)
	}
	return fmt.Errorf("etf: %T is not a term", t)
}

func (e *encoder) terms(ts []Term) error {
	for _, t := range ts {
		if err := e.term(t); err != nil {
			return err
		}
	}
	return nil
}

// list writes what term_to_binary does: integers of a byte as a string.
func (e *encoder) list(l List) error {
	if len(l) == 0 {
		e.dst = AppendNil(e.dst)
		return nil
	}
	if tooLong(len(l)) {
		return errLong
	}
	if len(l) <= math.MaxUint16 {
		start := len(e.dst)
		e.dst = binary.BigEndian.AppendUint16(append(e.dst, stringExt), uint16(len(l)))
		for _, t := range l {
			small, large, ok := integer(t)
			if !ok || large != nil || small < 0 || small > 255 {
				break
			}
			e.dst = append(e.dst, byte(small))
		}
		if len(e.dst) == start+3+len(l) {
			return nil
		}
		e.dst = e.dst[:start]
	}
	e.dst = AppendList(e.dst, len(l))
	if err := e.terms(l); err != nil {
		return err
	}
	e.dst = AppendNil(e.dst)
	return nil
}

// improper puts a list that is another's tail into one with it.
func (e *encoder) improper(l ImproperList) error {
	for depth := e.depth; ; depth-- {
		if len(l.Elems) == 0 {
			return errors.New("etf: improper list without elements")
		}
		if depth == 0 {
			return errDepth
		}
		switch tail := l.Tail.(type) {
		case List:
			return e.list(slices.Concat(l.Elems, []Term(tail)))
		case ImproperList:
			l = ImproperList{Elems: slices.Concat(l.Elems, tail.Elems), Tail: tail.Tail}
			continue
		}
		break
	}
	if tooLong(len(l.Elems)) {
		return errLong
	}
	e.dst = AppendList(e.dst, len(l.Elems))
	if err := e.terms(l.Elems); err != nil {
		return err
	}
	return e.term(l.Tail)
}

func (e *encoder) mapping(m Map) error {
	if tooLong(len(m)) {
		return errLong
	}
	e.dst = AppendMap(e.dst, len(m))
	if e.sorted {
		return e.sortedPairs(m)
	}
	for _, p := range m {
		if err := e.term(p.Key); err != nil {
			return err
		}
		if err := e.term(p.Value); err != nil {
			return err
		}
	}
	if k, ok := m.duplicate(); ok {
		return duplicateKey(k)
	}
	return nil
}

// big writes an integer beyond an int64.
func (e *encoder) big(v *big.Int) error {
	n := (v.BitLen() + 7) / 8
	if n > maxBig {
		return fmt.Errorf("etf: integer of %d bytes, the most is %d", n, maxBig)
	}
	sign := byte(0)
	if v.Sign() < 0 {
		sign = 1
	}
	if n < 256 {
		e.dst = append(e.dst, smallBigExt, byte(n), sign)
	} else {
		e.dst = append(appendUint32(append(e.dst, largeBigExt), n), sign)
	}
	start := len(e.dst)
	e.dst = append(e.dst, make([]byte, n)...)
	v.FillBytes(e.dst[start:])
	slices.Reverse(e.dst[start:])
	return nil
}

func (e *encoder) bitstring(v Bitstring) error {
	if len(v.Bytes) == 0 || v.Bits == 0 || v.Bits > 7 {
		return fmt.Errorf("etf: bitstring with %d bits in the last of %d bytes", v.Bits, len(v.Bytes))
	}
	if tooLong(len(v.Bytes)) {
		return errLong
	}
	e.dst = append(appendUint32(append(e.dst, bitBinaryExt), len(v.Bytes)), v.Bits)
	e.dst = append(e.dst, v.Bytes...)
	e.dst[len(e.dst)-1] &= 0xff << (8 - v.Bits)
	return nil
}
