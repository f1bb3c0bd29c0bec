package value

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// errSyntax says that a text is none that Postgres writes for the type.
var errSyntax = errors.New("invalid text")

// Parse reads what AppendText or the output function of t has written: the value is
// what Decode gives for it. It reads what Postgres writes, with the settings of this
// package, not all that Postgres reads. Of the types that are strings here no text is
// refused.
func Parse(t *Type, text string) (any, error) {
	v, err := parse(t, text)
	if err != nil {
		return nil, fmt.Errorf("value of type %s: %w", t.Name, err)
	}
	return v, nil
}

func parse(t *Type, text string) (any, error) {
	if !t.complete() {
		return text, nil
	}
	switch t.Kind {
	case DomainKind:
		return parse(t.Elem, text)
	case ArrayKind:
		return parseArray(t, text)
	case CompositeKind:
		return parseRecord(t, text)
	case RangeKind:
		return parseRange(t.Elem, text)
	case MultirangeKind:
		return parseMultirange(t.Elem, text)
	case EnumKind:
		return text, nil
	}
	switch t.OID {
	case oidBool:
		if text != "t" && text != "f" {
			return nil, errSyntax
		}
		return text == "t", nil
	case oidInt2:
		return parseInt(text, 16)
	case oidInt4:
		return parseInt(text, 32)
	case oidInt8:
		return parseInt(text, 64)
	case oidOID, oidXID, oidCID:
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, errSyntax
		}
		return int64(n), nil
	case oidFloat4:
		f, err := parseFloat(text, 32)
		return float32(f), err
	case oidFloat8:
		return parseFloat(text, 64)
	case oidBytea:
		digits, ok := strings.CutPrefix(text, `\x`)
		b, err := hex.DecodeString(digits)
		if !ok || err != nil {
			return nil, errSyntax
		}
		return b, nil
	case oidInt2Vector, oidOIDVector:
		return parseArray(t, text)
	case oidJSON, oidJSONB:
		return JSON(text), nil
	case oidNumeric:
		return parseNumeric(text)
	case oidUUID:
		return parseUUID(text)
	}
	return parseTemporal(t, text)
}

func parseTemporal(t *Type, text string) (any, error) {
	switch t.OID {
	case oidDate:
		return parseDate(text)
	case oidTime:
		return parseTime(text)
	case oidTimeTZ:
		return parseTimeTZ(text)
	case oidTimestamp:
		micros, err := parseTimestamp(text, false)
		return Timestamp(micros), err
	case oidTimestampTZ:
		micros, err := parseTimestamp(text, true)
		return TimestampTZ(micros), err
	case oidInterval:
		return parseInterval(text)
	}
	return text, nil
}

func parseInt(text string, size int) (any, error) {
	n, err := strconv.ParseInt(text, 10, size)
	if err != nil {
		return nil, errSyntax
	}
	return n, nil
}

func parseUUID(text string) (u UUID, err error) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return u, errSyntax
	}
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != len(u) {
		return u, errSyntax
	}
	return UUID(b), nil
}
