package replication

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Backend messages (https://www.postgresql.org/docs/18/protocol-message-formats.html).

// begin starts a message of this type; end writes its length.
func begin(b []byte, typ byte) []byte { return append(b, typ, 0, 0, 0, 0) }

func end(b []byte, at int) []byte {
	binary.BigEndian.PutUint32(b[at+1:], uint32(len(b)-at-1))
	return b
}

// Types of the results that commands have.
const (
	oidText = 25
	oidInt8 = 20
)

type field struct {
	name string
	typ  uint32
}

func text(name string) field { return field{name, oidText} }

func appendRowDescription(b []byte, fields []field) []byte {
	at := len(b)
	b = appendUint16(begin(b, 'T'), len(fields))
	for _, f := range fields {
		b = appendUint16(appendUint32(appendCString(b, f.name), 0), 0) // of no table
		size := -1
		if f.typ == oidInt8 {
			size = 8
		}
		b = appendUint32(appendUint16(appendUint32(b, f.typ), size), ^uint32(0))
		b = appendUint16(b, 0) // as text
	}
	return end(b, at)
}

// appendDataRow writes values as text; nil is NULL.
func appendDataRow(b []byte, values []*string) []byte {
	at := len(b)
	b = appendUint16(begin(b, 'D'), len(values))
	for _, v := range values {
		if v == nil {
			b = appendUint32(b, ^uint32(0))
			continue
		}
		b = appendCounted(b, []byte(*v))
	}
	return end(b, at)
}

func appendCommandComplete(b []byte, tag string) []byte {
	at := len(b)
	return end(appendCString(begin(b, 'C'), tag), at)
}

func appendReady(b []byte, status byte) []byte {
	at := len(b)
	return end(append(begin(b, 'Z'), status), at)
}

// appendError writes an ErrorResponse; what has no SQLSTATE is an internal error.
func appendError(b []byte, severity string, err error) []byte {
	e := &Error{Code: "XX000", Message: err.Error()}
	var own *Error
	var state interface{ SQLState() string }
	switch {
	case errors.As(err, &own):
		e = own
	case errors.As(err, &state):
		e.Code = state.SQLState()
	}
	at := len(b)
	b = begin(b, 'E')
	for _, f := range []struct {
		key  byte
		text string
	}{{'S', severity}, {'V', severity}, {'C', e.Code}, {'M', e.Message}, {'D', e.Detail}, {'H', e.Hint}} {
		if f.text != "" {
			b = appendCString(append(b, f.key), f.text)
		}
	}
	return end(append(b, 0), at)
}

// appendCopyBoth answers START_REPLICATION: no columns, text as far as anybody
// cares.
func appendCopyBoth(b []byte) []byte {
	at := len(b)
	return end(appendUint16(append(begin(b, 'W'), 0), 0), at)
}

func appendCopyDone(b []byte) []byte {
	at := len(b)
	return end(begin(b, 'c'), at)
}

// header is what every message begins with.
type header struct {
	typ  byte
	size int // of the body
}

const headerSize = 5

func (h header) bytes() []byte {
	return binary.BigEndian.AppendUint32([]byte{h.typ}, uint32(h.size+4))
}

// maxMessage is the largest body that Postgres takes of a client
// (PQ_LARGE_MESSAGE_LIMIT in src/include/libpq/libpq.h).
const maxMessage = 0x3fffffff

func readHeader(r io.Reader) (header, error) {
	var b [headerSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return header{}, err
	}
	n := int(int32(binary.BigEndian.Uint32(b[1:])))
	if n < 4 || n > maxMessage {
		return header{}, fmt.Errorf("replication: message of %d bytes", n)
	}
	return header{typ: b[0], size: n - 4}, nil
}

// readBody reads the body of a short message, such as those of a subscriber; a
// longer one is dropped, and nil.
func readBody(r io.Reader, h header, most int) ([]byte, error) {
	if h.size > most {
		_, err := io.CopyN(io.Discard, r, int64(h.size))
		return nil, err
	}
	b := make([]byte, h.size)
	_, err := io.ReadFull(r, b)
	return b, err
}
