package value

import "strings"

// Flags of a range (src/include/utils/rangetypes.h).
const (
	rangeEmpty         = 1
	rangeLowerClosed   = 2
	rangeUpperClosed   = 4
	rangeLowerInfinite = 8
	rangeUpperInfinite = 0x10
)

// decodeRange reads a range: the OID of its type, the bounds that there are, and a
// byte of flags.
func decodeRange(elem *Type, b []byte) (any, error) {
	if len(b) < 5 {
		return nil, errMalformed
	}
	r, _, err := decodeBounds(elem, b[:len(b)-1], 4, b[len(b)-1])
	if err != nil {
		return nil, err
	}
	return r, nil
}

// decodeBounds reads the bounds that these flags ask for.
func decodeBounds(elem *Type, b []byte, at int, flags byte) (r *Range, end int, err error) {
	if flags&rangeEmpty != 0 {
		return &Range{Empty: true}, at, nil
	}
	r = &Range{LowerClosed: flags&rangeLowerClosed != 0, UpperClosed: flags&rangeUpperClosed != 0}
	for _, side := range [...]struct {
		infinite byte
		bound    *any
	}{{rangeLowerInfinite, &r.Lower}, {rangeUpperInfinite, &r.Upper}} {
		if flags&side.infinite != 0 {
			continue
		}
		v, next, err := part(b, at, elem.Length, elem.Align)
		if err != nil {
			return nil, 0, err
		}
		if *side.bound, err = decode(elem, v); err != nil {
			return nil, 0, err
		}
		at = next
	}
	return r, at, nil
}

// decodeMultirange reads a multirange (src/backend/utils/adt/multirangetypes.c):
//
//	OID of its type (4 bytes) · number of ranges (4) · for each but the first its
//	length, or with the highest bit its offset (4) · flags of each (1) · bounds
func decodeMultirange(of *Type, b []byte) (any, error) {
	const isOffset = 1 << 31
	if len(b) < 8 {
		return nil, errMalformed
	}
	n := int(le.Uint32(b[4:]))
	m := Multirange{}
	if n == 0 {
		return &m, nil
	}
	if n > len(b)/5+1 || 8+4*(n-1)+n > len(b) {
		return nil, errMalformed
	}
	items, flags := b[8:8+4*(n-1)], b[8+4*(n-1):][:n]
	elem := of.Elem
	base := align(8+4*(n-1)+n, elem.Align)
	offset := 0
	for k := range n {
		if k > 0 {
			item := le.Uint32(items[4*(k-1):])
			if item&isOffset == 0 {
				offset += int(item)
			} else {
				offset = int(item &^ isOffset)
			}
			if offset > len(b) {
				return nil, errMalformed
			}
		}
		r, _, err := decodeBounds(elem, b, base+offset, flags[k])
		if err != nil {
			return nil, err
		}
		m = append(m, r)
	}
	return &m, nil
}

// appendRange writes a range as range_out does.
func appendRange(dst []byte, elem *Type, r *Range) []byte {
	if r.Empty {
		return append(dst, "empty"...)
	}
	open, closing := byte('('), byte(')')
	if r.LowerClosed {
		open = '['
	}
	if r.UpperClosed {
		closing = ']'
	}
	dst = appendBound(append(dst, open), elem, r.Lower)
	dst = appendBound(append(dst, ','), elem, r.Upper)
	return append(dst, closing)
}

func appendBound(dst []byte, elem *Type, v any) []byte {
	if v == nil {
		return dst
	}
	at := len(dst)
	return quoteBound(AppendText(dst, elem, v), at, "()[],")
}

func appendMultirange(dst []byte, of *Type, m Multirange) []byte {
	dst = append(dst, '{')
	for k, r := range m {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = appendRange(dst, of.Elem, r)
	}
	return append(dst, '}')
}

// parseRange reads what range_out writes.
func parseRange(elem *Type, text string) (any, error) {
	r, rest, err := takeRange(elem, text)
	if err != nil {
		return nil, err
	}
	if rest != "" {
		return nil, errSyntax
	}
	return r, nil
}

// takeRange takes a range off the front of s.
func takeRange(elem *Type, s string) (r *Range, rest string, err error) {
	if rest, ok := strings.CutPrefix(s, "empty"); ok {
		return &Range{Empty: true}, rest, nil
	}
	if s == "" || s[0] != '[' && s[0] != '(' {
		return nil, "", errSyntax
	}
	r = &Range{LowerClosed: s[0] == '['}
	s = s[1:]
	for _, side := range [...]struct {
		bound *any
		until string
	}{{&r.Lower, ","}, {&r.Upper, ")]"}} {
		text, rest, infinite, err := bound(s, side.until)
		if err != nil {
			return nil, "", err
		}
		if !infinite {
			if *side.bound, err = parse(elem, text); err != nil {
				return nil, "", err
			}
		}
		r.UpperClosed = rest[0] == ']'
		s = rest[1:]
	}
	return r, s, nil
}

// parseMultirange reads what multirange_out writes.
func parseMultirange(of *Type, text string) (any, error) {
	rest, ok := strings.CutPrefix(text, "{")
	if !ok {
		return nil, errSyntax
	}
	m := Multirange{}
	for rest != "}" {
		if len(m) > 0 {
			if rest, ok = strings.CutPrefix(rest, ","); !ok {
				return nil, errSyntax
			}
		}
		r, after, err := takeRange(of.Elem, rest)
		if err != nil {
			return nil, err
		}
		m, rest = append(m, r), after
	}
	return &m, nil
}

// appendRangeBinary writes what range_send does: the flags, and each bound with its
// length.
func appendRangeBinary(dst []byte, elem *Type, r *Range) ([]byte, bool) {
	if r.Empty {
		return append(dst, rangeEmpty), true
	}
	var flags byte
	for _, f := range [...]struct {
		set  bool
		flag byte
	}{
		{r.LowerClosed, rangeLowerClosed}, {r.UpperClosed, rangeUpperClosed},
		{r.Lower == nil, rangeLowerInfinite}, {r.Upper == nil, rangeUpperInfinite},
	} {
		if f.set {
			flags |= f.flag
		}
	}
	dst = append(dst, flags)
	ok := true
	for _, v := range [...]any{r.Lower, r.Upper} {
		if v == nil {
			continue
		}
		if dst, ok = appendSized(dst, elem, v); !ok {
			return dst, false
		}
	}
	return dst, true
}

// appendMultirangeBinary writes what multirange_send does.
func appendMultirangeBinary(dst []byte, of *Type, m Multirange) ([]byte, bool) {
	dst = be.AppendUint32(dst, uint32(len(m)))
	ok := true
	for _, r := range m {
		if dst, ok = appendSized(dst, of, r); !ok {
			return dst, false
		}
	}
	return dst, true
}
