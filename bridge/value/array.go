package value

import (
	"slices"
	"strconv"
	"strings"
)

// maxDims is MAXDIM, how many dimensions an array has at most.
const maxDims = 6

// decodeArray reads an array (src/include/utils/array.h):
//
//	number of dimensions (4 bytes) · offset of the elements, or 0 without NULLs (4) ·
//	OID of their type (4) · length of each dimension (4) · lower bound of each (4) ·
//	with NULLs a bit for each element that is not · elements
func decodeArray(t *Type, b []byte) (any, error) {
	elem := t.element()
	if len(b) < 12 {
		return nil, errMalformed
	}
	ndim, data := int(int32(le.Uint32(b))), int(int32(le.Uint32(b[4:])))
	if ndim < 0 || ndim > maxDims || len(b) < 12+8*ndim || le.Uint32(b[8:]) != elem.OID {
		return nil, errMalformed
	}
	if ndim == 0 {
		return &Array{}, nil
	}
	a := &Array{Dims: make([]Dim, ndim)}
	n := 1
	for k := range a.Dims {
		d := Dim{int32(le.Uint32(b[12+4*k:])), int32(le.Uint32(b[12+4*(ndim+k):]))}
		// No element takes less than a bit, and only a vector may have none.
		if d.Length <= 0 && (ndim > 1 || !t.vector()) || d.Length < 0 || int(d.Length) > 8*len(b)/n {
			return nil, errMalformed
		}
		n *= int(d.Length)
		a.Dims[k] = d
	}
	bitmap, at := []byte(nil), align(12+8*ndim, 'd')
	if data == 0 {
		if n > len(b) {
			return nil, errMalformed
		}
	} else {
		bitmap, at = b[12+8*ndim:], data-header
		if len(bitmap) < (n+7)/8 || at < 12+8*ndim+(n+7)/8 {
			return nil, errMalformed
		}
	}
	a.Elements = make([]any, n)
	for k := range a.Elements {
		if bitmap != nil && bitmap[k/8]>>(k%8)&1 == 0 {
			continue
		}
		v, end, err := part(b, align(at, elem.Align), elem.Length, elem.Align)
		if err != nil {
			return nil, err
		}
		if a.Elements[k], err = decode(elem, v); err != nil {
			return nil, err
		}
		at = end
	}
	return a, nil
}

// vector tells whether t is an int2vector or oidvector, an array of one dimension from
// 0 whose text is its own.
func (t *Type) vector() bool { return t.OID == oidInt2Vector || t.OID == oidOIDVector }

// element is the type of an array's elements. A vector needs none in its Type.
func (t *Type) element() *Type {
	switch t.OID {
	case oidInt2Vector:
		return int2Type
	case oidOIDVector:
		return oidType
	}
	return t.Elem
}

var (
	int2Type = &Type{OID: oidInt2, Name: "int2", Length: 2, Align: 's', ByVal: true}
	oidType  = &Type{OID: oidOID, Name: "oid", Length: 4, Align: 'i', ByVal: true}
)

// appendArray writes an array as array_out does, and the two vector types as theirs.
func appendArray(dst []byte, t *Type, a *Array) []byte {
	if t.vector() {
		for k, e := range a.Elements {
			if k > 0 {
				dst = append(dst, ' ')
			}
			dst = AppendText(dst, oidType, e)
		}
		return dst
	}
	if len(a.Dims) == 0 {
		return append(dst, "{}"...)
	}
	if slices.ContainsFunc(a.Dims, func(d Dim) bool { return d.Lower != 1 }) {
		for _, d := range a.Dims {
			dst = append(dst, '[')
			dst = strconv.AppendInt(dst, int64(d.Lower), 10)
			dst = append(dst, ':')
			dst = strconv.AppendInt(dst, int64(d.Lower)+int64(d.Length)-1, 10)
			dst = append(dst, ']')
		}
		dst = append(dst, '=')
	}
	w := arrayWriter{t.Elem, delimiter(t.Elem), a.Elements}
	return w.append(dst, a.Dims)
}

func delimiter(elem *Type) byte {
	switch {
	case elem.Delim != 0:
		return elem.Delim
	case elem.OID == oidBox: // the only one of Postgres' own with another
		return ';'
	}
	return ','
}

// arrayWriter writes elements one after the other.
type arrayWriter struct {
	elem  *Type
	delim byte
	left  []any
}

func (w *arrayWriter) append(dst []byte, dims []Dim) []byte {
	dst = append(dst, '{')
	for k := range dims[0].Length {
		if k > 0 {
			dst = append(dst, w.delim)
		}
		if len(dims) > 1 {
			dst = w.append(dst, dims[1:])
		} else if len(w.left) > 0 {
			dst = w.element(dst, w.left[0])
			w.left = w.left[1:]
		}
	}
	return append(dst, '}')
}

func (w *arrayWriter) element(dst []byte, v any) []byte {
	if v == nil {
		return append(dst, "NULL"...)
	}
	at := len(dst)
	dst = AppendText(dst, w.elem, v)
	text := dst[at:]
	if len(text) == 4 && strings.EqualFold(string(text), "null") {
		return quote(dst, at, '\\')
	}
	for _, c := range text {
		if c == '"' || c == '\\' || c == '{' || c == '}' || c == w.delim || space(c) {
			return quote(dst, at, '\\')
		}
	}
	if len(text) == 0 {
		return quote(dst, at, '\\')
	}
	return dst
}

// space is array_isspace, and isspace in the C locale.
func space(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// quote puts dst[at:] into quotes, with escape before a quote inside and a backslash
// before a backslash.
func quote(dst []byte, at int, escape byte) []byte {
	more := 2
	for _, c := range dst[at:] {
		if c == '"' || c == '\\' {
			more++
		}
	}
	end := len(dst)
	dst = slices.Grow(dst, more)[:end+more]
	to := len(dst) - 1
	dst[to] = '"'
	for from := end - 1; from >= at; from-- {
		to--
		dst[to] = dst[from]
		switch dst[from] {
		case '"':
			to--
			dst[to] = escape
		case '\\':
			to--
			dst[to] = '\\'
		}
	}
	dst[at] = '"'
	return dst
}

// appendArrayBinary writes what array_send does.
func appendArrayBinary(dst []byte, t *Type, a *Array) ([]byte, bool) {
	elem := t.element()
	dst = be.AppendUint32(dst, uint32(len(a.Dims)))
	var nulls uint32
	if slices.Contains(a.Elements, nil) {
		nulls = 1
	}
	dst = be.AppendUint32(dst, nulls)
	dst = be.AppendUint32(dst, elem.OID)
	for _, d := range a.Dims {
		dst = be.AppendUint32(be.AppendUint32(dst, uint32(d.Length)), uint32(d.Lower))
	}
	ok := true
	for _, e := range a.Elements {
		if dst, ok = appendSized(dst, elem, e); !ok {
			return dst, false
		}
	}
	return dst, true
}

// appendSized writes the length of a value and then the value, -1 for NULL.
func appendSized(dst []byte, t *Type, v any) ([]byte, bool) {
	at := len(dst)
	dst = append(dst, 0xff, 0xff, 0xff, 0xff)
	if v == nil {
		return dst, true
	}
	dst, ok := appendBinary(dst, t, v)
	be.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst, ok
}
