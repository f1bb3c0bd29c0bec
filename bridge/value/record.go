package value

import "strings"

// decodeRecord reads a composite, which is kept as a tuple with the type in place of
// xmin and xmax (HeapTupleHeaderData in src/include/access/htup_details.h):
//
//	typmod (4 bytes) · OID of the type (4) · ctid (6) · number of columns and flags (2) ·
//	flags (2) · where the columns begin (1) · with NULLs a bit for each that is not ·
//	columns
func decodeRecord(t *Type, b []byte) (any, error) {
	const fixed = 23 - header
	const hasNull, columnCount = 1, 0x7ff
	if len(b) < fixed {
		return nil, errMalformed
	}
	n, at := int(le.Uint16(b[14:])&columnCount), int(b[18])-header
	var bitmap []byte
	if le.Uint16(b[16:])&hasNull != 0 {
		bitmap = b[fixed:]
	}
	if n > len(t.Fields) || at < fixed || bitmap != nil && len(bitmap) < (n+7)/8 {
		return nil, errMalformed
	}
	r := &Record{Names: make([]string, 0, len(t.Fields)), Values: make([]any, 0, len(t.Fields))}
	for k := range t.Fields {
		f := &t.Fields[k]
		var v any
		// Columns that were added later are missing.
		if k < n && (bitmap == nil || bitmap[k/8]>>(k%8)&1 == 1) {
			b, end, err := part(b, at, f.Length, f.Align)
			if err != nil {
				return nil, err
			}
			if !f.Dropped {
				if v, err = decode(f.Type, b); err != nil {
					return nil, err
				}
			}
			at = end
		}
		if !f.Dropped {
			r.Names, r.Values = append(r.Names, f.Name), append(r.Values, v)
		}
	}
	return r, nil
}

// appendRecord writes a composite as record_out does.
func appendRecord(dst []byte, t *Type, r *Record) []byte {
	dst = append(dst, '(')
	n := 0
	for f := range t.columns() {
		if n == len(r.Values) {
			break
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		if v := r.Values[n]; v != nil {
			at := len(dst)
			dst = quoteBound(AppendText(dst, f.Type, v), at, "(),")
		}
		n++
	}
	return append(dst, ')')
}

// columns are the fields that are not dropped.
func (t *Type) columns() func(yield func(*Field) bool) {
	return func(yield func(*Field) bool) {
		for k := range t.Fields {
			if f := &t.Fields[k]; !f.Dropped && !yield(f) {
				return
			}
		}
	}
}

// quoteBound quotes dst[at:] if it is empty or has one of these characters, a quote,
// a backslash or white space.
func quoteBound(dst []byte, at int, special string) []byte {
	need := at == len(dst)
	for _, c := range dst[at:] {
		if c == '"' || c == '\\' || space(c) || strings.IndexByte(special, c) >= 0 {
			need = true
			break
		}
	}
	if !need {
		return dst
	}
	return quote(dst, at, '"')
}

// parseRecord reads what record_out writes.
func parseRecord(t *Type, text string) (any, error) {
	rest, ok := strings.CutPrefix(text, "(")
	if !ok {
		return nil, errSyntax
	}
	r := &Record{Names: make([]string, 0, len(t.Fields)), Values: make([]any, 0, len(t.Fields))}
	for f := range t.columns() {
		if len(r.Names) > 0 {
			if rest, ok = strings.CutPrefix(rest, ","); !ok {
				return nil, errSyntax
			}
		}
		s, after, null, err := bound(rest, ",)")
		if err != nil {
			return nil, err
		}
		rest = after
		var v any
		if !null {
			if v, err = parse(f.Type, s); err != nil {
				return nil, err
			}
		}
		r.Names, r.Values = append(r.Names, f.Name), append(r.Values, v)
	}
	if rest != ")" {
		return nil, errSyntax
	}
	return r, nil
}

// bound takes a column or a range's bound off s, up to one of these characters. It
// is NULL, or infinite, if there is nothing at all.
func bound(s, until string) (text, rest string, null bool, err error) {
	if strings.HasPrefix(s, `"`) {
		text, rest, ok := unquote(s)
		if !ok || rest == "" || strings.IndexByte(until, rest[0]) < 0 {
			return "", "", false, errSyntax
		}
		return text, rest, false, nil
	}
	end := strings.IndexAny(s, until)
	if end < 0 {
		return "", "", false, errSyntax
	}
	return s[:end], s[end:], end == 0, nil
}

// appendRecordBinary writes what record_send does.
func appendRecordBinary(dst []byte, t *Type, r *Record) ([]byte, bool) {
	dst = be.AppendUint32(dst, uint32(len(r.Values)))
	n, ok := 0, true
	for f := range t.columns() {
		if n == len(r.Values) {
			return dst, false
		}
		dst = be.AppendUint32(dst, f.Type.OID)
		if dst, ok = appendSized(dst, f.Type, r.Values[n]); !ok {
			return dst, false
		}
		n++
	}
	return dst, n == len(r.Values)
}
