package wal

import "errors"

var errPGLZ = errors.New("bad pglz data")

// decompress fills dst with what src is the compression of by Postgres' own LZ
// (pglz_decompress in src/common/pg_lzcompress.c). A control byte stands before
// eight items, its lowest bit for the first of them: 0 for a byte as it is, 1 for
// bytes that stood before in the output,
//
//	high 4 bits of the distance, length − 3 (4 bits) · low 8 bits of the distance
//	further length (8 bits), if the length so far is 18
//
// where the length may be greater than the distance.
func decompress(dst, src []byte) error {
	n := 0
	for n < len(dst) {
		if len(src) == 0 {
			return errPGLZ
		}
		control := src[0]
		src = src[1:]
		for range 8 {
			if n == len(dst) {
				break
			}
			if control&1 == 0 {
				if len(src) == 0 {
					return errPGLZ
				}
				dst[n] = src[0]
				n, src = n+1, src[1:]
			} else {
				if len(src) < 2 {
					return errPGLZ
				}
				length, back := int(src[0]&15)+3, int(src[0]&0xf0)<<4|int(src[1])
				src = src[2:]
				if length == 18 {
					if len(src) == 0 {
						return errPGLZ
					}
					length, src = length+int(src[0]), src[1:]
				}
				if back == 0 || back > n {
					return errPGLZ
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
		return errPGLZ
	}
	return nil
}
