package value

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// appendChar writes a "char" as charout does.
func appendChar(dst, b []byte) ([]byte, error) {
	switch c := b[0]; {
	case c == 0:
		return dst, nil
	case c&0x80 != 0:
		return append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7), nil
	default:
		return append(dst, c), nil
	}
}

func appendName(dst, b []byte) ([]byte, error) {
	name, _, _ := bytes.Cut(b, []byte{0})
	return append(dst, name...), nil
}

// appendXML leaves the XML declaration, of which xml_out writes only some parts, to
// Postgres.
func appendXML(dst, b []byte) ([]byte, error) {
	if bytes.HasPrefix(b, []byte("<?xml")) {
		return nil, ErrNoDecoder
	}
	return append(dst, b...), nil
}

func appendTID(dst, b []byte) ([]byte, error) {
	block := uint32(le.Uint16(b))<<16 | uint32(le.Uint16(b[2:]))
	return fmt.Appendf(dst, "(%d,%d)", block, le.Uint16(b[4:])), nil
}

func appendXID8(dst, b []byte) ([]byte, error) {
	return strconv.AppendUint(dst, le.Uint64(b), 10), nil
}

func appendLSN(dst, b []byte) ([]byte, error) {
	lsn := le.Uint64(b)
	return fmt.Appendf(dst, "%X/%X", lsn>>32, uint32(lsn)), nil
}

// appendSnapshot writes a pg_snapshot or txid_snapshot: the number of xids, xmin,
// xmax and the xids (src/backend/utils/adt/xid8funcs.c).
func appendSnapshot(dst, b []byte) ([]byte, error) {
	if len(b) < 20 || len(b)%8 != 4 || int(le.Uint32(b)) != (len(b)-20)/8 {
		return nil, errMalformed
	}
	dst = strconv.AppendUint(dst, le.Uint64(b[4:]), 10)
	dst = strconv.AppendUint(append(dst, ':'), le.Uint64(b[12:]), 10)
	dst = append(dst, ':')
	for b = b[20:]; len(b) > 0; b = b[8:] {
		dst = strconv.AppendUint(dst, le.Uint64(b), 10)
		if len(b) > 8 {
			dst = append(dst, ',')
		}
	}
	return dst, nil
}

// appendMoney writes a money as cash_out does where lc_monetary is C.
func appendMoney(dst, b []byte) ([]byte, error) {
	cents := int64(le.Uint64(b))
	n := uint64(cents)
	if cents < 0 {
		n = -n
		dst = append(dst, '-')
	}
	dst = append(dst, '$')
	whole := strconv.AppendUint(nil, n/100, 10)
	for k, c := range whole {
		if k > 0 && (len(whole)-k)%3 == 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, c)
	}
	return append(dst, '.', byte('0'+n%100/10), byte('0'+n%10)), nil
}

// appendBits writes a bit or varbit: the number of bits and the bits, the highest of
// each byte first.
func appendBits(dst, b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, errMalformed
	}
	n, bits := int(int32(le.Uint32(b))), b[4:]
	if n < 0 || len(bits) != (n+7)/8 {
		return nil, errMalformed
	}
	for k := range n {
		dst = append(dst, '0'+bits[k/8]>>(7-k%8)&1)
	}
	return dst, nil
}

func float8(b []byte, k int) float64 { return math.Float64frombits(le.Uint64(b[8*k:])) }
