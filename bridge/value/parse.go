package value

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
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
	if t.Kind == DomainKind {
		return parse(t.Elem, text)
	}
	switch t.OID {
	case oidBool:
		if text != "t" && text != "f" {
			return nil, errSyntax
		}
		return text == "t", nil
	case oidInt2:
		return strconv.ParseInt(text, 10, 16)
	case oidInt4:
		return strconv.ParseInt(text, 10, 32)
	case oidInt8:
		return strconv.ParseInt(text, 10, 64)
	case oidBytea:
		if len(text) < 2 || text[:2] != `\x` {
			return nil, errSyntax
		}
		return hex.DecodeString(text[2:])
	}
	return text, nil
}
