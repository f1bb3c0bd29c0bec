package wasmfile

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// FormatError says where a binary does not follow the format.
type FormatError struct {
	Section string // "import", "code", …; "module" outside of sections
	Offset  int    // in bytes, from the start of the binary
	Err     error
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("wasm: %s section at offset %#x: %v", e.Section, e.Offset, e.Err)
}

func (e *FormatError) Unwrap() error { return e.Err }

var (
	errShort   = errors.New("unexpected end")
	errInteger = errors.New("integer too large")
)

// reader is a cursor over one section. The first error sticks: it moves the
// cursor to the end, and every later read gives zero, so that loops end and
// only one check is needed where a list is finished.
type reader struct {
	b       []byte
	pos     int
	base    int // offset of b in the binary
	section string
	err     error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = &FormatError{Section: r.section, Offset: r.base + r.pos, Err: err}
	}
	r.pos = len(r.b)
}

func (r *reader) failf(format string, args ...any) { r.fail(fmt.Errorf(format, args...)) }

func (r *reader) done() bool { return r.pos >= len(r.b) }

func (r *reader) left() int { return len(r.b) - r.pos }

func (r *reader) byte() byte {
	if r.done() {
		r.fail(errShort)
		return 0
	}
	c := r.b[r.pos]
	r.pos++
	return c
}

// take gives the next n bytes, still part of the binary.
func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(r.left()) {
		r.fail(errShort)
		return nil
	}
	p := r.b[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return p
}

func (r *reader) u32() uint32 {
	var x uint32
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		if shift == 28 && c > 0x0f {
			break
		}
		x |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return x
		}
	}
	r.fail(errInteger)
	return 0
}

// signed reads a signed LEB128 of up to bits bits.
func (r *reader) signed(bits int) int64 {
	var x int64
	for shift := 0; shift < bits; {
		c := r.byte()
		x |= int64(c&0x7f) << shift
		shift += 7
		if c < 0x80 {
			if shift < 64 && c&0x40 != 0 {
				x |= -1 << shift
			}
			if rest := 64 - bits; x<<rest>>rest != x {
				break
			}
			return x
		}
	}
	r.fail(errInteger)
	return 0
}

func (r *reader) name() string {
	s := string(r.take(r.u32()))
	if !utf8.ValidString(s) {
		r.failf("name is not UTF-8")
		return ""
	}
	return s
}

// count reads the length of a list whose elements take at least size bytes
// each, so that a forged length can't ask for more memory than its input.
func (r *reader) count(size int) int {
	n := r.u32()
	if uint64(n)*uint64(size) > uint64(r.left()) {
		r.failf("list of %d elements does not fit", n)
		return 0
	}
	return int(n)
}

// limits skips the limits of a table or memory and gives them.
func (r *reader) limits() (l Limits) {
	flags := r.byte()
	if flags > 3 {
		r.failf("unknown limits %#x", flags)
		return l
	}
	l.Min, l.Shared = r.u32(), flags&2 != 0
	if flags&1 != 0 {
		l.Max, l.HasMax = r.u32(), true
	}
	return l
}
