package value

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrNoDecoder says that only the type's output function knows how to read a value.
// The value is what Parse makes of the text that it writes.
var ErrNoDecoder = errors.New("no decoder for the type")

// errMalformed says that the bytes are no value of their type.
var errMalformed = errors.New("malformed value")

var le = binary.LittleEndian

// Decode reads a value. b is what Postgres keeps of it on disk, without the length
// before it (the varlena header), neither compressed nor out of line; numbers are
// little-endian. The value has nothing of b. It takes memory in proportion to b, but
// for numeric, whose scale and weight may stand for 150 kB of zeros.
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

// decode reads what rows mostly have, and leaves the others to decodeMade and
// decodeText.
func decode(t *Type, b []byte) (any, error) {
	if t.Kind != Base {
		return decodeMade(t, b)
	}
	switch t.OID {
	case oidText, oidVarchar, oidBpchar, oidRefcursor:
		return string(b), nil
	case oidJSON:
		return JSON(b), nil
	case oidJSONB:
		text, err := appendJSONB(make([]byte, 0, 2*len(b)), b)
		return JSON(text), err
	case oidNumeric:
		text, err := appendNumeric(make([]byte, 0, 2*len(b)+8), b)
		return Numeric(text), err
	case oidBytea:
		return bytes.Clone(b), nil
	case oidInt2Vector, oidOIDVector:
		return decodeArray(t, b)
	}
	switch len(b) {
	case 1:
		if t.OID == oidBool {
			return b[0] != 0, nil
		}
	case 2:
		if t.OID == oidInt2 {
			return int64(int16(le.Uint16(b))), nil
		}
	case 4:
		switch t.OID {
		case oidInt4:
			return int64(int32(le.Uint32(b))), nil
		case oidOID, oidXID, oidCID:
			return int64(le.Uint32(b)), nil
		case oidFloat4:
			return math.Float32frombits(le.Uint32(b)), nil
		case oidDate:
			return Date(le.Uint32(b)), nil
		}
	case 8:
		switch t.OID {
		case oidInt8:
			return int64(le.Uint64(b)), nil
		case oidFloat8:
			return math.Float64frombits(le.Uint64(b)), nil
		case oidTime:
			return Time(le.Uint64(b)), nil
		case oidTimestamp:
			return Timestamp(le.Uint64(b)), nil
		case oidTimestampTZ:
			return TimestampTZ(le.Uint64(b)), nil
		}
	case 12:
		if t.OID == oidTimeTZ {
			return TimeTZ{Time(le.Uint64(b)), int32(le.Uint32(b[8:]))}, nil
		}
	case 16:
		switch t.OID {
		case oidInterval:
			return Interval{int64(le.Uint64(b)), int32(le.Uint32(b[8:])), int32(le.Uint32(b[12:]))}, nil
		case oidUUID:
			return UUID(b), nil
		}
	}
	return decodeText(t, b)
}

// decodeMade reads a value of a type that is made of others.
func decodeMade(t *Type, b []byte) (any, error) {
	if !t.complete() {
		return nil, ErrNoDecoder
	}
	switch t.Kind {
	case DomainKind:
		return decode(t.Elem, b)
	case EnumKind:
		if len(b) != 4 {
			return nil, errMalformed
		}
		if label, ok := t.Labels[le.Uint32(b)]; ok {
			return label, nil
		}
	case ArrayKind:
		return decodeArray(t, b)
	case CompositeKind:
		return decodeRecord(t, b)
	case RangeKind:
		return decodeRange(t.Elem, b)
	case MultirangeKind:
		return decodeMultirange(t.Elem, b)
	}
	return nil, ErrNoDecoder
}

// decodeText reads a value that is a string, as what its output function writes.
func decodeText(t *Type, b []byte) (any, error) {
	if t.Length > 0 && len(b) != int(t.Length) {
		return nil, errMalformed
	}
	text, ok := texts[t.OID]
	if !ok {
		return nil, ErrNoDecoder
	}
	if text.size != 0 && text.size != len(b) {
		return nil, errMalformed
	}
	s, err := text.append(nil, b)
	return string(s), err
}

// texts are the types whose values are strings but not kept as their text. size is
// that of a value, 0 for any.
var texts = map[uint32]struct {
	size   int
	append func(dst, b []byte) ([]byte, error)
}{
	oidChar:         {1, appendChar},
	oidName:         {64, appendName},
	oidXML:          {0, appendXML},
	oidTID:          {6, appendTID},
	oidXID8:         {8, appendXID8},
	oidLSN:          {8, appendLSN},
	oidTxidSnapshot: {0, appendSnapshot},
	oidSnapshot:     {0, appendSnapshot},
	oidMoney:        {8, appendMoney},
	oidBit:          {0, appendBits},
	oidVarbit:       {0, appendBits},
	oidInet:         {0, appendInet},
	oidCIDR:         {0, appendCIDR},
	oidMacaddr:      {6, appendMacaddr},
	oidMacaddr8:     {8, appendMacaddr},
	oidPoint:        {16, appendPoint},
	oidLseg:         {32, appendLseg},
	oidBox:          {32, appendBox},
	oidLine:         {24, appendLine},
	oidCircle:       {24, appendCircle},
	oidPath:         {0, appendPath},
	oidPolygon:      {0, appendPolygon},
	oidTSVector:     {0, appendTSVector},
	oidTSQuery:      {0, appendTSQuery},
}
