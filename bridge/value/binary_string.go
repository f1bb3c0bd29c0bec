package value

import (
	"encoding/hex"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// appendStringBinary writes what the send function makes of a value that is a string
// here: its text, or what the text stands for.
func appendStringBinary(dst []byte, t *Type, s string) ([]byte, bool) {
	if t.Kind == EnumKind {
		return append(dst, s...), true
	}
	switch t.OID {
	case oidText, oidVarchar, oidBpchar, oidName, oidRefcursor:
		return append(dst, s...), true
	case oidXML:
		return append(dst, s...), !strings.HasPrefix(s, "<?xml") // xml_send has a declaration of its own
	case oidJSONPath:
		return append(append(dst, 1), s...), true
	case oidChar:
		return appendCharBinary(dst, s)
	case oidTID:
		block, offset, ok := strings.Cut(strings.Trim(s, "()"), ",")
		b, err1 := strconv.ParseUint(block, 10, 32)
		o, err2 := strconv.ParseUint(offset, 10, 16)
		return be.AppendUint16(be.AppendUint32(dst, uint32(b)), uint16(o)), ok && err1 == nil && err2 == nil
	case oidXID8:
		n, err := strconv.ParseUint(s, 10, 64)
		return be.AppendUint64(dst, n), err == nil
	case oidLSN:
		high, low, ok := strings.Cut(s, "/")
		h, err1 := strconv.ParseUint(high, 16, 32)
		l, err2 := strconv.ParseUint(low, 16, 32)
		return be.AppendUint64(dst, h<<32|l), ok && err1 == nil && err2 == nil
	case oidSnapshot, oidTxidSnapshot:
		return appendSnapshotBinary(dst, s)
	case oidMoney:
		digits := strings.NewReplacer("$", "", ",", "", ".", "").Replace(s)
		n, err := strconv.ParseInt(digits, 10, 64)
		return be.AppendUint64(dst, uint64(n)), err == nil
	case oidBit, oidVarbit:
		return appendBitsBinary(dst, s)
	case oidInet, oidCIDR:
		return appendAddressBinary(dst, s, t.OID == oidCIDR)
	case oidMacaddr, oidMacaddr8:
		b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
		return append(dst, b...), err == nil
	case oidPoint, oidLseg, oidBox, oidLine, oidCircle, oidPath, oidPolygon:
		return appendGeometryBinary(dst, t.OID, s)
	}
	return dst, false
}

func appendCharBinary(dst []byte, s string) ([]byte, bool) {
	switch len(s) {
	case 0:
		return append(dst, 0), true
	case 1:
		return append(dst, s[0]), true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(s, `\`), 8, 8)
	return append(dst, byte(n)), err == nil
}

func appendSnapshotBinary(dst []byte, s string) ([]byte, bool) {
	bounds := strings.SplitN(s, ":", 3)
	if len(bounds) != 3 {
		return dst, false
	}
	xids := bounds[:2]
	if bounds[2] != "" {
		xids = append(xids, strings.Split(bounds[2], ",")...)
	}
	dst = be.AppendUint32(dst, uint32(len(xids)-2))
	for _, x := range xids {
		n, err := strconv.ParseUint(x, 10, 64)
		if err != nil {
			return dst, false
		}
		dst = be.AppendUint64(dst, n)
	}
	return dst, true
}

// appendBitsBinary writes the number of bits and the bits, the highest of each byte
// first.
func appendBitsBinary(dst []byte, s string) ([]byte, bool) {
	dst = be.AppendUint32(dst, uint32(len(s)))
	for k := range len(s) {
		if k%8 == 0 {
			dst = append(dst, 0)
		}
		dst[len(dst)-1] |= s[k] & 1 << (7 - k%8)
	}
	return dst, true
}

// appendAddressBinary writes family, bits, whether it is a cidr, size and address.
func appendAddressBinary(dst []byte, s string, network bool) ([]byte, bool) {
	host, bits, masked := strings.Cut(s, "/")
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return dst, false
	}
	b := addr.AsSlice()
	n, family := uint64(8*len(b)), byte(familyIPv6)
	if masked {
		if n, err = strconv.ParseUint(bits, 10, 8); err != nil {
			return dst, false
		}
	}
	if len(b) == 4 {
		family = familyIPv4
	}
	cidr := byte(0)
	if network {
		cidr = 1
	}
	return append(append(dst, family, byte(n), cidr, byte(len(b))), b...), true
}

// appendGeometryBinary writes the numbers in the text, whatever stands between them;
// a path has before them whether it is closed, and it and a polygon their number of
// points.
func appendGeometryBinary(dst []byte, oid uint32, s string) ([]byte, bool) {
	numbers := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("()[]<>{},", r) })
	if oid == oidPath {
		closed := byte(0)
		if strings.HasPrefix(s, "(") {
			closed = 1
		}
		dst = append(dst, closed)
	}
	if oid == oidPath || oid == oidPolygon {
		dst = be.AppendUint32(dst, uint32(len(numbers)/2))
	}
	for _, n := range numbers {
		f, err := parseFloat(n, 64)
		if err != nil {
			return dst, false
		}
		dst = be.AppendUint64(dst, math.Float64bits(f))
	}
	return dst, true
}
