package value

import (
	"encoding/hex"
	"strconv"
)

// AppendText appends the text that the output function of t writes of v, which is
// what Decode or Parse gave for t. NULL and Unchanged have no text; Raw is written
// as a bytea is.
func AppendText(dst []byte, t *Type, v any) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return append(dst, 't')
		}
		return append(dst, 'f')
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case string:
		return append(dst, v...)
	case Numeric:
		return append(dst, v...)
	case JSON:
		return append(dst, v...)
	case float32:
		return appendFloat(dst, float64(v), 32)
	case float64:
		return appendFloat(dst, v, 64)
	case []byte:
		return appendBytea(dst, v)
	case Raw:
		return appendBytea(dst, v)
	case Date:
		return v.append(dst)
	case Time:
		return v.append(dst)
	case TimeTZ:
		return v.append(dst)
	case Timestamp:
		return v.append(dst)
	case TimestampTZ:
		return v.append(dst)
	case Interval:
		return v.append(dst)
	case UUID:
		return v.append(dst)
	}
	return appendMade(dst, t, v)
}

// appendMade writes a value that is made of others.
func appendMade(dst []byte, t *Type, v any) []byte {
	t = t.base()
	switch v := v.(type) {
	case *Array:
		return appendArray(dst, t, v)
	case *Record:
		return appendRecord(dst, t, v)
	case *Range:
		return appendRange(dst, t.Elem, v)
	case *Multirange:
		return appendMultirange(dst, t.Elem, *v)
	}
	return dst
}

// base is the type that a domain is over, and others themselves.
func (t *Type) base() *Type {
	for t.Kind == DomainKind {
		t = t.Elem
	}
	return t
}

func appendBytea(dst, b []byte) []byte { return hex.AppendEncode(append(dst, `\x`...), b) }

func (u UUID) append(dst []byte) []byte {
	dst = append(hex.AppendEncode(dst, u[:4]), '-')
	dst = append(hex.AppendEncode(dst, u[4:6]), '-')
	dst = append(hex.AppendEncode(dst, u[6:8]), '-')
	dst = append(hex.AppendEncode(dst, u[8:10]), '-')
	return hex.AppendEncode(dst, u[10:])
}

// String is the text of Postgres.
func (u UUID) String() string { return string(u.append(nil)) }
