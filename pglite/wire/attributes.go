package wire

import (
	"bytes"
	"fmt"
)

// attributes reads the comma-separated a=value list of a SCRAM message. Its
// errors are those of read_attr_value and read_any_attr (auth-scram.c).
type attributes struct{ rest []byte }

// peek is the next byte, 0 at the end of the message.
func (a *attributes) peek() byte {
	if len(a.rest) == 0 {
		return 0
	}
	return a.rest[0]
}

// skip passes the byte that peek has shown, which was not the end.
func (a *attributes) skip() { a.rest = a.rest[1:] }

// value reads name=value and the comma after it. The result is a slice of the
// message.
func (a *attributes) value(name byte) ([]byte, error) {
	v, err := a.valueBeforeComma(name)
	if err == nil && len(a.rest) > 0 {
		a.skip()
	}
	return v, err
}

// valueBeforeComma is value, but leaves the comma.
func (a *attributes) valueBeforeComma(name byte) ([]byte, error) {
	if c := a.peek(); c != name {
		return nil, malformed("Expected attribute \"%c\" but found \"%s\".", name, sanitizeChar(c))
	}
	a.skip()
	if a.peek() != '=' {
		return nil, malformed("Expected character \"=\" for attribute \"%c\".", name)
	}
	a.skip()
	end := bytes.IndexByte(a.rest, ',')
	if end < 0 {
		end = len(a.rest)
	}
	v := a.rest[:end]
	a.rest = a.rest[end:]
	return v, nil
}

// any reads the next attribute whatever its name is, and the comma after it.
func (a *attributes) any() (name byte, value []byte, err error) {
	if len(a.rest) == 0 {
		return 0, nil, malformed("Attribute expected, but found end of string.")
	}
	c := a.rest[0]
	if lower := c | 0x20; lower < 'a' || lower > 'z' {
		return 0, nil, malformed("Attribute expected, but found invalid character \"%s\".", sanitizeChar(c))
	}
	v, err := a.value(c)
	return c, v, err
}

// sanitizeChar shows a byte of a client's message in an error (sanitize_char).
func sanitizeChar(c byte) string {
	if c >= 0x21 && c <= 0x7e {
		return fmt.Sprintf("'%c'", c)
	}
	return fmt.Sprintf("0x%02x", c)
}

// sanitize shows a string of a client's message in an error: at most 30 bytes,
// with question marks for what is not printable ASCII (sanitize_str).
func sanitize(s []byte) string {
	s = bytes.Clone(s[:min(len(s), 30)])
	for i, c := range s {
		if c < 0x21 || c > 0x7e {
			s[i] = '?'
		}
	}
	return string(s)
}
