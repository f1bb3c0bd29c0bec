// Package pglz decompresses Postgres' own LZ: page images in the log, and values
// that are kept compressed (src/common/pg_lzcompress.c).
package pglz

import "errors"

// ErrCorrupt says that bytes are not what a compression has made, or not of as many.
var ErrCorrupt = errors.New("pglz: corrupt data")

// MaxRatio bounds how many bytes one byte can stand for: three are 273 of them.
const MaxRatio = 91

// Decompress fills dst with what src is the compression of. A control byte stands
// before eight items, its lowest bit for the first of them: 0 for a byte as it is,
// 1 for bytes that stood before in the output,
//
//	high 4 bits of the distance, length − 3 (4 bits) · low 8 bits of the distance
//	further length (8 bits), if the length so far is 18
//
// where the length may be greater than the distance.
func Decompress(dst, src []byte) error {
	n := 0
	for n < len(dst) {
		if len(src) == 0 {
			return ErrCorrupt
		}
		control := src[0]
		src = src[1:]
		for range 8 {
			if n == len(dst) {
				break
			}
			if control&1 == 0 {
				if len(src) == 0 {
					return ErrCorrupt
				}
				dst[n] = src[0]
				n, src = n+1, src[1:]
			} else {
				if len(src) < 2 {
					return ErrCorrupt
				}
				length, back := int(src[0]&15)+3, int(src[0]&0xf0)<<4|int(src[1])
				src = src[2:]
				if length == 18 {
					if len(src) == 0 {
						return ErrCorrupt
					}
					length, src = length+int(src[0]), src[1:]
				}
				if back == 0 || back > n {
					return ErrCorrupt
				}
				// Byte by byte: what is copied may be what the copy has just made.
				for end := min(n+length, len(dst)); n < end; n++ {
					dst[n] = dst[n-back]
				}
			}
			control >>= 1
		}
	}
	if len(src) != 0 {
		return ErrCorrupt
	}
	return nil
}
