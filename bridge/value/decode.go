package value

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrNoDecoder says that only the type's output function knows how to read a value.
// The value is a string then: what that function writes.
var ErrNoDecoder = errors.New("no decoder for the type")

// errMalformed says that the bytes are no value of their type.
var errMalformed = errors.New("malformed value")

// Decode reads a value. b is what Postgres keeps of it on disk, without the length
// before it (the varlena header), neither compressed nor out of line; numbers are
// little-endian. The value has nothing of b.
//
// The error wraps ErrNoDecoder if the type, or one that it is made of, has no decoder
// here, or if the value is one that its decoder leaves to Postgres.
func Decode(t *Type, b []byte) (any, error) {
	v, err := decode(t, b)
	if err != nil {
		return nil, fmt.Errorf("value of type %s: %w", t.Name, err)
	}
	return v, nil
}

func decode(t *Type, b []byte) (any, error) {
	switch t.Kind {
	case DomainKind:
		return decode(t.Elem, b)
	case EnumKind:
		return decodeEnum(t, b)
	}
	if n := int(t.Length); n > 0 && len(b) != n {
		return nil, errMalformed
	}
	le := binary.LittleEndian
	switch t.OID {
	case oidBool:
		return fixed(b, 1, func() any { return b[0] != 0 })
	case oidInt2:
		return fixed(b, 2, func() any { return int64(int16(le.Uint16(b))) })
	case oidInt4:
		return fixed(b, 4, func() any { return int64(int32(le.Uint32(b))) })
	case oidInt8:
		return fixed(b, 8, func() any { return int64(le.Uint64(b)) })
	case oidOID, oidXID, oidCID:
		return fixed(b, 4, func() any { return int64(le.Uint32(b)) })
	case oidFloat4:
		return fixed(b, 4, func() any { return math.Float32frombits(le.Uint32(b)) })
	case oidFloat8:
		return fixed(b, 8, func() any { return math.Float64frombits(le.Uint64(b)) })
	case oidText, oidVarchar, oidBpchar, oidRefcursor:
		return string(b), nil
	case oidJSON:
		return JSON(b), nil
	case oidBytea:
		return bytes.Clone(b), nil
	case oidUUID:
		return fixed(b, 16, func() any { return UUID(b) })
	}
	return nil, ErrNoDecoder
}

// fixed reads a value of a type of n bytes.
func fixed(b []byte, n int, read func() any) (any, error) {
	if len(b) != n {
		return nil, errMalformed
	}
	return read(), nil
}

func decodeEnum(t *Type, b []byte) (any, error) {
	if len(b) != 4 {
		return nil, errMalformed
	}
	label, ok := t.Labels[binary.LittleEndian.Uint32(b)]
	if !ok {
		return nil, ErrNoDecoder
	}
	return label, nil
}
