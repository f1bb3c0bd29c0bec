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
	case []byte:
		return appendHex(dst, v)
	case Raw:
		return appendHex(dst, v)
	}
	return dst
}

func appendHex(dst, b []byte) []byte { return hex.AppendEncode(append(dst, `\x`...), b) }
