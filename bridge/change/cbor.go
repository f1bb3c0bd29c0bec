package change

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// Major types of CBOR (RFC 8949 §3.1), as the upper bits of a head.
const (
	majorUint   = 0 << 5
	majorNegint = 1 << 5
	majorBytes  = 2 << 5
	majorText   = 3 << 5
	majorArray  = 4 << 5
	majorMap    = 5 << 5
	majorTag    = 6 << 5
	majorSimple = 7 << 5
)

const (
	cborFalse     = majorSimple | 20
	cborTrue      = majorSimple | 21
	cborNull      = majorSimple | 22
	cborUndefined = majorSimple | 23
	cborFloat32   = majorSimple | 26
	cborFloat64   = majorSimple | 27
)

var be = binary.BigEndian

// appendHead appends the shortest head there is for n.
func appendHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return be.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return be.AppendUint32(append(b, major|26), uint32(n))
	}
	return be.AppendUint64(append(b, major|27), n)
}

func appendUint(b []byte, n uint64) []byte { return appendHead(b, majorUint, n) }

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		return appendHead(b, majorNegint, ^uint64(n))
	}
	return appendHead(b, majorUint, uint64(n))
}

func appendArray(b []byte, n int) []byte { return appendHead(b, majorArray, uint64(n)) }

func appendTag(b []byte, tag uint64) []byte { return appendHead(b, majorTag, tag) }

func appendBytes(b, v []byte) []byte {
	return append(appendHead(b, majorBytes, uint64(len(v))), v...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, cborTrue)
	}
	return append(b, cborFalse)
}

// appendText appends text, which is what the database has it to be: in one whose
// encoding is SQL_ASCII it need not be UTF-8.
func appendText(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		b = appendHead(appendTag(b, tagText), majorBytes, uint64(len(s)))
		return append(b, s...)
	}
	return append(appendHead(b, majorText, uint64(len(s))), s...)
}

// cborReader reads items from the front of b. After the first error it reads
// nothing: zeros, and no elements.
//
// Nothing is allocated for a length before as many bytes are known to be there.
type cborReader struct {
	b     []byte
	size  int // of b at the beginning
	depth int
	err   error
}

func (r *cborReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w, at byte %d: %s", ErrMalformed, r.size-len(r.b), fmt.Sprintf(format, args...))
	}
	r.b = nil
}

func (r *cborReader) peek() byte {
	if len(r.b) == 0 {
		r.fail("it ends too early")
		return 0
	}
	return r.b[0]
}

// head reads a head, which must be definite and the shortest for its number.
func (r *cborReader) head() (major byte, n uint64) {
	first := r.peek()
	if r.err != nil {
		return 0, 0
	}
	major, info := first&0xe0, first&0x1f
	if info < 24 {
		r.b = r.b[1:]
		return major, uint64(info)
	}
	size := 1 << (info - 24)
	if info > 27 || len(r.b) < 1+size {
		r.fail("head %#x is of an indefinite length, reserved or cut short", first)
		return 0, 0
	}
	var least uint64
	switch p := r.b[1:]; size {
	case 1:
		n, least = uint64(p[0]), 24
	case 2:
		n, least = uint64(be.Uint16(p)), 1<<8
	case 4:
		n, least = uint64(be.Uint32(p)), 1<<16
	case 8:
		n, least = be.Uint64(p), 1<<32
	}
	if n < least {
		r.fail("%d has a longer head than it needs", n)
		return 0, 0
	}
	r.b = r.b[1+size:]
	return major, n
}

// want reads a head of a major type.
func (r *cborReader) want(major byte, what string) uint64 {
	got, n := r.head()
	if got != major {
		r.fail("%s expected, not major type %d", what, got>>5)
		return 0
	}
	return n
}

func (r *cborReader) uint(limit uint64) uint64 {
	n := r.want(majorUint, "a number")
	if n > limit {
		r.fail("%d is more than %d", n, limit)
		return 0
	}
	return n
}

func (r *cborReader) int(least, most int64) int64 {
	major, u := r.head()
	if r.err != nil {
		return 0
	}
	n := int64(u)
	if major == majorNegint {
		n = ^n
	}
	if major > majorNegint || u > math.MaxInt64 || n < least || n > most {
		r.fail("no number from %d to %d", least, most)
		return 0
	}
	return n
}

// count reads the head of an array or a map, each element of which has at least
// size bytes.
func (r *cborReader) count(major byte, size int) int {
	n := r.want(major, "an array or a map")
	if n > uint64(len(r.b)/size) {
		r.fail("%d elements of at least %d bytes in %d bytes", n, size, len(r.b))
		return 0
	}
	return int(n)
}

// array reads the head of an array of n elements.
func (r *cborReader) array(n int) {
	if got := r.count(majorArray, 1); got != n {
		r.fail("%d elements and not %d", got, n)
	}
}

func (r *cborReader) span(major byte, what string) []byte {
	n := r.want(major, what)
	if n > uint64(len(r.b)) {
		r.fail("%s of %d bytes is cut short", what, n)
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

// bytes gives a copy.
func (r *cborReader) bytes() []byte {
	return append([]byte{}, r.span(majorBytes, "a byte string")...)
}

func (r *cborReader) bool() bool {
	switch b := r.peek(); b {
	case cborFalse, cborTrue:
		r.b = r.b[1:]
		return b == cborTrue
	}
	r.fail("true or false expected")
	return false
}

// yes reads the true of a key that is left out for false.
func (r *cborReader) yes() bool {
	if !r.bool() {
		r.fail("false is left out")
		return false
	}
	return true
}

// text reads what appendText has written.
func (r *cborReader) text() string {
	if r.peek()&0xe0 != majorTag {
		p := r.span(majorText, "a text")
		if !utf8.Valid(p) {
			r.fail("a text is not UTF-8")
			return ""
		}
		return string(p)
	}
	if tag := r.want(majorTag, "a tag"); tag != tagText {
		r.fail("a text with tag %d", tag)
		return ""
	}
	return r.otherText()
}

// otherText reads the content of tagText.
func (r *cborReader) otherText() string {
	p := r.span(majorBytes, "a byte string")
	if utf8.Valid(p) {
		r.fail("a text of UTF-8 has the tag of one that is not")
		return ""
	}
	return string(p)
}

// within bounds the depth of what f reads.
func (r *cborReader) within(f func()) {
	if r.depth++; r.depth > maxDepth {
		r.fail("nested more than %d deep", maxDepth)
	} else {
		f()
	}
	r.depth--
}
