package value

import (
	"encoding/binary"
	"math"
)

var be = binary.BigEndian

// AppendBinary appends what the send function of t writes of v, which is what Decode
// or Parse gave for t: the binary format of COPY, results and the replication
// protocol. It appends nothing and tells false if that is not known here; text
// does then.
func AppendBinary(dst []byte, t *Type, v any) ([]byte, bool) {
	if out, ok := appendBinary(dst, t, v); ok {
		return out, true
	}
	return dst, false
}

// appendBinary is AppendBinary, which may have appended a part if it fails.
func appendBinary(dst []byte, t *Type, v any) ([]byte, bool) {
	t = t.base()
	switch v := v.(type) {
	case bool:
		if v {
			return append(dst, 1), true
		}
		return append(dst, 0), true
	case int64:
		switch t.OID {
		case oidInt2:
			return be.AppendUint16(dst, uint16(v)), true
		case oidInt8:
			return be.AppendUint64(dst, uint64(v)), true
		}
		return be.AppendUint32(dst, uint32(v)), true
	case float32:
		return be.AppendUint32(dst, math.Float32bits(v)), true
	case float64:
		return be.AppendUint64(dst, math.Float64bits(v)), true
	case Numeric:
		return appendNumericBinary(dst, v), true
	case string:
		return appendStringBinary(dst, t, v)
	case JSON:
		if t.OID == oidJSONB {
			dst = append(dst, 1) // version
		}
		return append(dst, v...), true
	case []byte:
		return append(dst, v...), true
	case Date:
		return be.AppendUint32(dst, uint32(v)), true
	case Time:
		return be.AppendUint64(dst, uint64(v)), true
	case TimeTZ:
		return be.AppendUint32(be.AppendUint64(dst, uint64(v.Time)), uint32(v.West)), true
	case Timestamp:
		return be.AppendUint64(dst, uint64(v)), true
	case TimestampTZ:
		return be.AppendUint64(dst, uint64(v)), true
	case Interval:
		dst = be.AppendUint64(dst, uint64(v.Micros))
		return be.AppendUint32(be.AppendUint32(dst, uint32(v.Days)), uint32(v.Months)), true
	case UUID:
		return append(dst, v[:]...), true
	case *Array:
		return appendArrayBinary(dst, t, v)
	case *Record:
		return appendRecordBinary(dst, t, v)
	case *Range:
		return appendRangeBinary(dst, t.Elem, v)
	case *Multirange:
		return appendMultirangeBinary(dst, t.Elem, *v)
	}
	return dst, false
}
