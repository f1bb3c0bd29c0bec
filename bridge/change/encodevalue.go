package change

import (
	"fmt"
	"math"

	"github.com/howdahdb/howdah/bridge/value"
)

// The one NaN of each width.
const (
	nan32 = 0x7fc00000
	nan64 = 0x7ff8000000000000
)

func appendValues(b []byte, values []any, depth int) (_ []byte, err error) {
	b = appendArray(b, len(values))
	for _, v := range values {
		if b, err = appendValue(b, v, depth); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// appendValue appends a value of package value.
func appendValue(b []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, cborNull), nil
	case value.Unchanged:
		return append(b, cborUndefined), nil
	case bool:
		return appendBool(b, v), nil
	case int64:
		return appendInt(b, v), nil
	case string:
		return appendText(b, v), nil
	case []byte:
		return appendBytes(b, v), nil
	case float32:
		bits := math.Float32bits(v)
		if v != v {
			bits = nan32
		}
		return be.AppendUint32(append(b, cborFloat32), bits), nil
	case float64:
		bits := math.Float64bits(v)
		if v != v {
			bits = nan64
		}
		return be.AppendUint64(append(b, cborFloat64), bits), nil
	case value.Numeric:
		return appendText(appendTag(b, tagNumeric), string(v)), nil
	case value.JSON:
		return appendText(appendTag(b, tagJSON), string(v)), nil
	case value.UUID:
		return appendBytes(appendTag(b, tagUUID), v[:]), nil
	case value.Raw:
		return appendBytes(appendTag(b, tagRaw), v), nil
	case value.Date:
		return appendInt(appendTag(b, tagDate), int64(v)), nil
	case value.Time:
		return appendInt(appendTag(b, tagTime), int64(v)), nil
	case value.TimeTZ:
		b = appendInt(appendArray(appendTag(b, tagTimeTZ), 2), int64(v.Time))
		return appendInt(b, int64(v.West)), nil
	case value.Timestamp:
		return appendInt(appendTag(b, tagTimestamp), int64(v)), nil
	case value.TimestampTZ:
		return appendInt(appendTag(b, tagTimestampTZ), int64(v)), nil
	case value.Interval:
		b = appendInt(appendArray(appendTag(b, tagInterval), 3), int64(v.Months))
		return appendInt(appendInt(b, int64(v.Days)), v.Micros), nil
	}
	if depth++; depth > maxDepth {
		return nil, fmt.Errorf("a value is nested more than %d deep", maxDepth)
	}
	switch v := v.(type) {
	case *value.Array:
		b = appendArray(appendArray(appendTag(b, tagArray), 2), len(v.Dims))
		for _, d := range v.Dims {
			b = appendInt(appendInt(appendArray(b, 2), int64(d.Length)), int64(d.Lower))
		}
		return appendValues(b, v.Elements, depth)
	case *value.Record:
		b = appendArray(appendArray(appendTag(b, tagRecord), 2), len(v.Names))
		for _, n := range v.Names {
			b = appendText(b, n)
		}
		return appendValues(b, v.Values, depth)
	case *value.Range:
		return appendRange(appendTag(b, tagRange), v, depth)
	case *value.Multirange:
		return appendRanges(b, *v, depth)
	}
	return nil, fmt.Errorf("no value of a column: %T", v)
}

func appendRanges(b []byte, m value.Multirange, depth int) (_ []byte, err error) {
	b = appendArray(appendTag(b, tagMultirange), len(m))
	for _, r := range m {
		if b, err = appendRange(b, r, depth); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func appendRange(b []byte, r *value.Range, depth int) ([]byte, error) {
	var flags uint64
	if r.Empty {
		flags |= rangeEmpty
	}
	if r.LowerClosed {
		flags |= rangeLowerClosed
	}
	if r.UpperClosed {
		flags |= rangeUpperClosed
	}
	b = appendUint(appendArray(b, 3), flags)
	b, err := appendValue(b, r.Lower, depth)
	if err != nil {
		return nil, err
	}
	return appendValue(b, r.Upper, depth)
}
