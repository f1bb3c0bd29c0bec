package etf

import (
	"encoding/binary"
	"fmt"
)

// Limits bound what decoding may cost, beyond memory in proportion to the input. A
// limit that is zero is the default.
type Limits struct {
	// Depth is how many terms may be inside each other, 1,000 by default and at most
	// MaxDepth. The elements of a list are beside each other.
	Depth int
	// Inflated is how many bytes a compressed term may have, 64 MiB by default.
	Inflated int
}

const (
	// MaxDepth is how deep a term may be that is encoded, or decoded at all.
	MaxDepth = 10_000
	// maxKeys is how often a key of a map may have a map inside, one of whose keys has
	// one, and so on: each time costs a comparison of all that is inside.
	maxKeys = 8

	defaultDepth    = 1000
	defaultInflated = 64 << 20
)

// Error says where and why bytes are not a term.
type Error struct {
	// Offset is where the tag is, from the beginning of the input; in a compressed
	// term, from the beginning of what was inflated.
	Offset   int
	Inflated bool
	Tag      byte
	Why      string
}

func (e *Error) Error() string {
	where := ""
	if e.Inflated {
		where = " of the inflated term"
	}
	return fmt.Sprintf("etf: offset %d%s, tag %s: %s", e.Offset, where, tagName(e.Tag), e.Why)
}

// Decode reads the term at the beginning of b, with its version byte, and gives what
// comes after it. Binaries share memory with b. An error is an *Error.
func Decode(b []byte) (t Term, rest []byte, err error) { return Limits{}.Decode(b) }

// DecodeBare reads a term that has no version byte.
func DecodeBare(b []byte) (t Term, rest []byte, err error) { return Limits{}.DecodeBare(b) }

// Decode is the function Decode with limits of the caller's.
func (l Limits) Decode(b []byte) (Term, []byte, error) {
	if len(b) == 0 {
		return nil, nil, &Error{Why: "no version byte"}
	}
	if b[0] != version {
		return nil, nil, &Error{Tag: b[0], Why: "not the version byte 131"}
	}
	if len(b) > 1 && b[1] == compressedExt {
		return l.inflate(b)
	}
	return l.decode(b, 1)
}

// DecodeBare is the function DecodeBare with limits of the caller's.
func (l Limits) DecodeBare(b []byte) (Term, []byte, error) { return l.decode(b, 0) }

func (l Limits) decode(b []byte, off int) (Term, []byte, error) {
	if l.Depth <= 0 {
		l.Depth = defaultDepth
	}
	d := decoder{b: b, off: off, depth: min(l.Depth, MaxDepth), keys: maxKeys}
	t, err := d.term()
	if err != nil {
		return nil, nil, err
	}
	return t, b[d.off:], nil
}

// decoder reads one term.
//
// Invariant: claimed ≤ len(b) − off. The terms that have begun need at least claimed
// bytes more, one for each term that they announced and that has not begun. Whoever
// announces n terms claims n bytes that nobody else can, so that what is allocated
// for announced terms, all together, is in proportion to the input.
type decoder struct {
	b       []byte
	off     int
	claimed int
	depth   int // how many levels are left
	keys    int // how many levels of maps in keys are left

	at  int  // where the term's tag is, for errors
	tag byte // the term's tag
}

func (d *decoder) left() int { return len(d.b) - d.off - d.claimed }

func (d *decoder) fail(format string, args ...any) error {
	return &Error{Offset: d.at, Tag: d.tag, Why: fmt.Sprintf(format, args...)}
}

// take gives the next n bytes.
func (d *decoder) take(n int) ([]byte, error) {
	if n > d.left() {
		return nil, d.fail("needs %d bytes of %d", n, d.left())
	}
	p := d.b[d.off : d.off+n : d.off+n]
	d.off += n
	return p, nil
}

func (d *decoder) uint8() (uint8, error) {
	p, err := d.take(1)
	if err != nil {
		return 0, err
	}
	return p[0], nil
}

func (d *decoder) uint16() (uint16, error) {
	p, err := d.take(2)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint16(p), nil
}

func (d *decoder) uint32() (uint32, error) {
	p, err := d.take(4)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(p), nil
}

// sized gives as many bytes as a u32 says.
func (d *decoder) sized() ([]byte, error) {
	n, err := d.uint32()
	if err != nil {
		return nil, err
	}
	return d.takeLong(n)
}

func (d *decoder) takeLong(n uint32) ([]byte, error) {
	if uint64(n) > uint64(d.left()) {
		return nil, d.fail("needs %d bytes of %d", n, d.left())
	}
	return d.take(int(n))
}

// claim is for terms that were announced.
func (d *decoder) claim(terms uint64) error {
	if terms > uint64(d.left()) {
		return d.fail("announces %d terms in %d bytes", terms, d.left())
	}
	d.claimed += int(terms)
	return nil
}

// claimedTerm reads one of the terms that were claimed.
func (d *decoder) claimedTerm() (Term, error) {
	d.claimed--
	return d.term()
}

// begin reads a tag.
func (d *decoder) begin() error {
	d.at, d.tag = d.off, 0
	tag, err := d.uint8()
	d.tag = tag
	return err
}

func (d *decoder) term() (Term, error) {
	if err := d.begin(); err != nil {
		return nil, err
	}
	if d.depth == 0 {
		return nil, d.fail("too deep")
	}
	d.depth--
	t, err := d.body()
	d.depth++
	return t, err
}

func (d *decoder) body() (Term, error) {
	switch d.tag {
	case smallAtomUTF8Ext, atomUTF8Ext, smallAtomExt, atomExt:
		p, err := d.atomText()
		if err != nil {
			return nil, err
		}
		if known, ok := knownAtoms[string(p)]; ok {
			return known, nil
		}
		return Atom(p), nil
	case smallIntegerExt:
		v, err := d.uint8()
		return int64(v), err
	case integerExt:
		v, err := d.uint32()
		return int64(int32(v)), err
	case smallBigExt, largeBigExt:
		return d.big()
	case newFloatExt:
		return d.newFloat()
	case floatExt:
		return d.float()
	case binaryExt:
		return boxed(d.sized())
	case bitBinaryExt:
		return d.bitstring()
	case smallTupleExt, largeTupleExt:
		return boxed(d.tuple())
	case nilExt:
		return emptyList, nil
	case stringExt:
		return boxed(d.string(nil))
	case listExt:
		return d.list()
	case mapExt:
		return boxed(d.mapping())
	case newPIDExt, pidExt:
		return boxed(d.pid())
	case v4PortExt, newPortExt, portExt:
		return boxed(d.port())
	case newerReferenceExt, newReferenceExt, referenceExt:
		return boxed(d.ref())
	case newFunExt:
		return boxed(d.fun())
	case exportExt:
		return boxed(d.export())
	}
	return nil, d.fail("not a term that nodes send")
}

var emptyList Term = List{}

// boxed keeps a value out of the heap where there is an error.
func boxed[T any](v T, err error) (Term, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}
