package replication

import (
	"bytes"
	"encoding/binary"
)

// frames follows backend messages through pieces of any size.
type frames struct {
	head [headerSize]byte
	n    int // bytes of head
	left int // bytes of the body to come
	body []byte
}

// maxFrame bounds what is kept of a body; the rest is cut off. What is looked at
// is shorter: rows of queries of our own, errors, ReadyForQuery.
const maxFrame = 1 << 20

// scan takes the next piece, and calls f with each message that ends in it. body is
// valid during the call; without all, only ReadyForQuery has one.
func (f *frames) scan(p []byte, all bool, message func(typ byte, body []byte)) {
	for len(p) > 0 {
		if f.n < len(f.head) {
			k := copy(f.head[f.n:], p)
			f.n, p = f.n+k, p[k:]
			if f.n < len(f.head) {
				return
			}
			f.left = int(binary.BigEndian.Uint32(f.head[1:])) - 4
			f.body = f.body[:0]
		}
		k := min(f.left, len(p))
		if all || f.head[0] == 'Z' {
			f.body = append(f.body, p[:min(k, maxFrame-len(f.body))]...)
		}
		f.left, p = f.left-k, p[k:]
		if f.left > 0 {
			return
		}
		f.n = 0
		message(f.head[0], f.body)
	}
}

func parseDataRow(b []byte) []*string {
	if len(b) < 2 {
		return nil
	}
	row := make([]*string, binary.BigEndian.Uint16(b))
	b = b[2:]
	for k := range row {
		if len(b) < 4 {
			return row
		}
		n := int(int32(binary.BigEndian.Uint32(b)))
		b = b[4:]
		if n >= 0 && n <= len(b) {
			s := string(b[:n])
			row[k], b = &s, b[n:]
		}
	}
	return row
}

func parseError(b []byte) (severity string, e *Error) {
	e = &Error{}
	for len(b) > 1 {
		key := b[0]
		text, rest, ok := bytes.Cut(b[1:], []byte{0})
		if !ok {
			break
		}
		switch b = rest; key {
		case 'V':
			severity = string(text)
		case 'C':
			e.Code = string(text)
		case 'M':
			e.Message = string(text)
		case 'D':
			e.Detail = string(text)
		case 'H':
			e.Hint = string(text)
		}
	}
	return severity, e
}
