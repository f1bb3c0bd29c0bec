package heap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/howdahdb/howdah/bridge/pglz"
)

var le = binary.LittleEndian

// HeaderSize is how many bytes of a tuple precede its Body, SizeofHeapTupleHeader.
const HeaderSize = 23

// Of Infomask and Infomask2 (src/include/access/htup_details.h), what a reader of
// columns needs.
const (
	hasNull   = 0x0001
	attsMask  = 0x07ff // of Infomask2: HEAP_NATTS_MASK
	loggedLen = 5      // SizeOfHeapHeader
)

// ErrCorrupt says that a tuple or a record is not what it should be.
var ErrCorrupt = errors.New("heap: corrupt data")

// Tuple is a row as the log and the pages have it.
type Tuple struct {
	Infomask2, Infomask uint16
	Hoff                uint8  // where the columns begin, from the start of the header
	Body                []byte // all behind the fixed header
}

// ParseTuple takes a logged tuple, and aliases it.
func ParseTuple(b []byte) (Tuple, error) {
	if len(b) < loggedLen {
		return Tuple{}, fmt.Errorf("%w: a tuple of %d bytes", ErrCorrupt, len(b))
	}
	t := Tuple{le.Uint16(b), le.Uint16(b[2:]), b[4], b[loggedLen:]}
	return t, t.check()
}

// Append appends the tuple as ParseTuple takes it.
func (t *Tuple) Append(dst []byte) []byte {
	dst = le.AppendUint16(dst, t.Infomask2)
	dst = le.AppendUint16(dst, t.Infomask)
	return append(append(dst, t.Hoff), t.Body...)
}

// Columns is how many columns the tuple has; those that were added to its table
// later it lacks.
func (t *Tuple) Columns() int { return int(t.Infomask2 & attsMask) }

// check makes sure of what Deform relies on: columns and null bitmap are inside.
func (t *Tuple) check() error {
	begin := int(t.Hoff) - HeaderSize
	if begin < 0 || begin > len(t.Body) || t.Infomask&hasNull != 0 && (t.Columns()+7)/8 > begin {
		return fmt.Errorf("%w: a tuple of %d columns and %d bytes, with its header of %d", ErrCorrupt, t.Columns(), len(t.Body), t.Hoff)
	}
	return nil
}

// Column is what has to be known of a column to walk over it: pg_attribute.attlen
// and attalign, which it keeps when it is dropped.
type Column struct {
	Length int16 // -1 variable, -2 a C string
	Align  byte  // c, s, i or d
}

// DatumKind says where a column's value is.
type DatumKind uint8

const (
	Null     DatumKind = iota
	Missing            // the tuple is older than the column: its value is pg_attribute.attmissingval
	Inline             // in Bytes
	External           // where Pointer says
)

// Datum is a column of a tuple.
type Datum struct {
	Kind DatumKind
	// Bytes are the value as the type's on-disk format has it, without the length of
	// a variable one and without compression. They alias the tuple if they can.
	Bytes   []byte
	Pointer Pointer
}

// Deform appends the columns of the tuple, as many as cols has
// (heap_deform_tuple in src/backend/access/common/heaptuple.c).
func (t *Tuple) Deform(dst []Datum, cols []Column) ([]Datum, error) {
	if err := t.check(); err != nil {
		return dst, err
	}
	n := t.Columns()
	if n > len(cols) {
		return dst, fmt.Errorf("%w: a tuple of %d columns, where its table has %d", ErrCorrupt, n, len(cols))
	}
	data, at := t.Body[int(t.Hoff)-HeaderSize:], 0
	for i, c := range cols {
		switch {
		case i >= n:
			dst = append(dst, Datum{Kind: Missing})
			continue
		case t.Infomask&hasNull != 0 && t.Body[i>>3]>>(i&7)&1 == 0:
			dst = append(dst, Datum{Kind: Null})
			continue
		}
		d, end, err := c.read(data, at)
		if err != nil {
			return dst, fmt.Errorf("column %d: %w", i+1, err)
		}
		dst, at = append(dst, d), end
	}
	return dst, nil
}

// read takes the column's value that begins at at, or behind the padding there.
func (c Column) read(b []byte, at int) (d Datum, end int, err error) {
	switch {
	case c.Length > 0:
		at = c.align(at)
		if end = at + int(c.Length); end > len(b) {
			return d, 0, errEnd
		}
		return Datum{Kind: Inline, Bytes: b[at:end:end]}, end, nil
	case c.Length == -2:
		at = c.align(at)
		if at > len(b) {
			return d, 0, errEnd
		}
		size := bytes.IndexByte(b[at:], 0)
		if size < 0 {
			return d, 0, errEnd
		}
		end = at + size
		return Datum{Kind: Inline, Bytes: b[at:end:end]}, end + 1, nil
	case c.Length == -1:
		return c.readVariable(b, at)
	}
	return d, 0, fmt.Errorf("%w: a length of %d", ErrCorrupt, c.Length)
}

var errEnd = fmt.Errorf("%w: it runs past the end of the tuple", ErrCorrupt)

func (c Column) align(at int) int {
	n := 8
	switch c.Align {
	case 'c':
		n = 1
	case 's':
		n = 2
	case 'i':
		n = 4
	}
	return (at + n - 1) &^ (n - 1)
}

// The first byte of a variable-length value (varattrib_1b and varattrib_4b in
// src/include/varatt.h, little-endian). Padding is zero, which no first byte of an
// unaligned value is.
const (
	varExternal   = 0x01 // then the kind of pointer
	varShort      = 0x01 // the lowest bit: the length is in the other seven
	varCompressed = 0x02 // of the two lowest bits
	varHeader     = 4

	pointerOnDisk = 18 // VARTAG_ONDISK
	pointerSize   = 2 + 16
)

func (c Column) readVariable(b []byte, at int) (d Datum, end int, err error) {
	if at < len(b) && b[at] == 0 {
		at = c.align(at)
	}
	if at >= len(b) {
		return d, 0, errEnd
	}
	first := b[at]
	if first == varExternal {
		if len(b)-at < pointerSize {
			return d, 0, errEnd
		}
		if tag := b[at+1]; tag != pointerOnDisk {
			return d, 0, fmt.Errorf("%w: a pointer of kind %d", ErrCorrupt, tag)
		}
		return Datum{Kind: External, Pointer: parsePointer(b[at+2:])}, at + pointerSize, nil
	}
	if first&varShort != 0 {
		if end = at + int(first>>1); end > len(b) {
			return d, 0, errEnd
		}
		return Datum{Kind: Inline, Bytes: b[at+1 : end : end]}, end, nil
	}
	if len(b)-at < varHeader {
		return d, 0, errEnd
	}
	size := le.Uint32(b[at:]) >> 2
	if size < varHeader || uint64(size) > uint64(len(b)-at) {
		return d, 0, errEnd
	}
	end = at + int(size)
	payload := b[at+varHeader : end : end]
	if first&3 == varCompressed {
		if payload, err = decompress(payload); err != nil {
			return d, 0, err
		}
	}
	return Datum{Kind: Inline, Bytes: payload}, end, nil
}

// What precedes compressed bytes, and is in a Pointer too: the size without
// compression and, in the highest two bits, its method.
const (
	rawSizeBits = 30
	rawSizeMask = 1<<rawSizeBits - 1

	methodPGLZ = 0
)

// decompress takes a compressed value behind its length (toast_decompress_datum).
func decompress(b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, errEnd
	}
	info, b := le.Uint32(b), b[4:]
	size := uint64(info & rawSizeMask)
	if method := info >> rawSizeBits; method != methodPGLZ {
		return nil, fmt.Errorf("heap: a value is compressed by method %d, not by pglz", method)
	}
	if size > uint64(len(b))*pglz.MaxRatio {
		return nil, fmt.Errorf("%w: %d bytes are said to be %d compressed", ErrCorrupt, len(b), size)
	}
	raw := make([]byte, size)
	if err := pglz.Decompress(raw, b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return raw, nil
}
