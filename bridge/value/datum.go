package value

import (
	"fmt"

	"github.com/howdahdb/howdah/bridge/pglz"
)

// header is the length word of a datum, which Decode's bytes lack: alignment within
// an array, a composite or a range counts from there.
const header = 4

// align rounds an offset within a datum's bytes up by pg_type.typalign.
func align(at int, typalign byte) int {
	n := 1
	switch typalign {
	case 's':
		n = 2
	case 'i':
		n = 4
	case 'd':
		n = 8
	}
	return (at+header+n-1)&-n - header
}

// part cuts the value of a type of this length and alignment out of a datum at an
// offset, and tells where it ends (att_pointer_alignby and fetch_att, src/include/
// access/tupmacs.h).
func part(b []byte, at int, length int16, typalign byte) (v []byte, end int, err error) {
	switch {
	case length > 0:
		at = align(at, typalign)
		end = at + int(length)
		if at < 0 || end > len(b) {
			return nil, 0, errMalformed
		}
		return b[at:end], end, nil
	case length != -1:
		return nil, 0, ErrNoDecoder
	}
	if at < 0 || at >= len(b) {
		return nil, 0, errMalformed
	}
	if b[at] == 0 { // padding, or a header with 4 bytes that begins with 0
		at = align(at, typalign)
	}
	return varlena(b, at)
}

// varlena cuts out what has a length before it (src/include/varatt.h).
func varlena(b []byte, at int) (v []byte, end int, err error) {
	if at >= len(b) {
		return nil, 0, errMalformed
	}
	switch first := b[at]; {
	case first == 1: // a pointer out of line, which no datum has inside
		return nil, 0, errMalformed
	case first&1 == 1:
		end = at + int(first>>1)
		if end > len(b) {
			return nil, 0, errMalformed
		}
		return b[at+1 : end], end, nil
	}
	if len(b)-at < 4 {
		return nil, 0, errMalformed
	}
	word := le.Uint32(b[at:])
	size := int(word >> 2)
	if size < 4 || size > len(b)-at {
		return nil, 0, errMalformed
	}
	v, end = b[at+4:at+size], at+size
	if word&3 == 2 {
		v, err = decompress(v)
	}
	return v, end, err
}

// decompress restores a column of a composite, which may have come compressed from
// the table where it stood before: a word with its size (30 bits) and how it is
// compressed, 0 for pglz, and then what that has made of it.
func decompress(b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, errMalformed
	}
	word, b := le.Uint32(b), b[4:]
	if word>>30 != 0 {
		return nil, ErrNoDecoder
	}
	if int(word) > len(b)*pglz.MaxRatio {
		return nil, errMalformed
	}
	raw := make([]byte, word)
	if err := pglz.Decompress(raw, b); err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return raw, nil
}
