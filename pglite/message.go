package pglite

import "encoding/binary"

// A message is a type byte, a big-endian length that counts itself, and a
// body (https://www.postgresql.org/docs/18/protocol-message-formats.html).
const headerSize = 5

// seal writes the length into a message that begins with its type and four
// free bytes.
func seal(m []byte) []byte {
	binary.BigEndian.PutUint32(m[1:], uint32(len(m)-1))
	return m
}

// message builds one.
func message(typ byte, body ...[]byte) []byte {
	m := []byte{typ, 0, 0, 0, 0}
	for _, b := range body {
		m = append(m, b...)
	}
	return seal(m)
}

func cstring(s string) []byte { return append([]byte(s), 0) }

// cut takes a C string off the front of b.
func cut(b []byte) (s string, rest []byte, ok bool) {
	for k, c := range b {
		if c == 0 {
			return string(b[:k]), b[k+1:], true
		}
	}
	return "", nil, false
}

// splitter follows a stream of messages through pieces of any size. Bodies of
// the types that keep asks for are collected, up to maxKept bytes; all others
// are only counted.
type splitter struct {
	keep   func(typ byte) bool
	handle func(typ byte, body []byte)
	// pass, if not nil, gets the stream, less the messages that drop takes out.
	// Those of type mayDrop are held back until they are complete.
	pass    func(p []byte)
	mayDrop byte
	drop    func(body []byte) bool

	head [headerSize]byte
	n    int    // bytes of head
	left int    // bytes of the body to come
	body []byte // collected
	kept bool
}

// maxKept bounds what a splitter collects of one body; the rest is cut off.
const maxKept = 64 << 10

// scan takes the next piece of the stream.
func (s *splitter) scan(p []byte) {
	run := 0 // p[run:] has not been passed on
	flush := func(end int) {
		if s.pass != nil && end > run {
			s.pass(p[run:end])
		}
	}
	for at := 0; at < len(p); {
		if s.n < headerSize {
			if s.n == 0 && p[at] == s.mayDrop {
				flush(at)
				run = len(p)
			}
			k := copy(s.head[s.n:], p[at:])
			s.n += k
			at += k
			if s.n < headerSize {
				break
			}
			s.left = int(binary.BigEndian.Uint32(s.head[1:])) - 4
			s.kept = s.held() || s.keep(s.head[0])
			s.body = s.body[:0]
		}
		k := min(s.left, len(p)-at)
		if s.kept && len(s.body) < maxKept {
			s.body = append(s.body, p[at:at+min(k, maxKept-len(s.body))]...)
		}
		s.left -= k
		at += k
		if s.left > 0 {
			continue
		}
		s.n = 0
		if s.held() {
			if !s.drop(s.body) {
				s.pass(message(s.head[0], s.body))
			}
			run = at
		}
		if s.kept {
			s.handle(s.head[0], s.body)
		}
	}
	if s.n == 0 || !s.held() {
		flush(len(p))
	}
}

// held tells whether the current message is held back.
func (s *splitter) held() bool { return s.mayDrop != 0 && s.head[0] == s.mayDrop }

// bytesFeed is a feed of bytes in memory.
type bytesFeed struct{ b []byte }

func (f *bytesFeed) read(p []byte) int {
	n := copy(p, f.b)
	f.b = f.b[n:]
	return n
}

// replySink collects the answer to what the host itself asks.
type replySink struct {
	split  splitter
	params []Setting
	rows   [][]string // text format; NULL is ""
	err    *Error     // the first ErrorResponse
	status byte       // of ReadyForQuery
}

func (r *replySink) write(p []byte) {
	if r.split.handle == nil {
		r.split.keep = func(t byte) bool { return t == 'S' || t == 'D' || t == 'E' || t == 'Z' }
		r.split.handle = r.message
	}
	r.split.scan(p)
}

func (r *replySink) message(typ byte, body []byte) {
	switch typ {
	case 'S':
		name, rest, _ := cut(body)
		value, _, _ := cut(rest)
		r.params = append(r.params, Setting{name, value})
	case 'D':
		r.rows = append(r.rows, dataRow(body))
	case 'E':
		if r.err == nil {
			r.err = decodeError(body)
		}
	case 'Z':
		r.status = body[0]
	}
}

func dataRow(b []byte) []string {
	row := make([]string, binary.BigEndian.Uint16(b))
	b = b[2:]
	for k := range row {
		n := int32(binary.BigEndian.Uint32(b))
		b = b[4:]
		if n > 0 {
			row[k], b = string(b[:n]), b[n:]
		}
	}
	return row
}

func decodeError(b []byte) *Error {
	e := &Error{}
	for len(b) > 1 {
		key := b[0]
		val, rest, ok := cut(b[1:])
		if !ok {
			break
		}
		switch key {
		case 'V':
			e.Severity = val
		case 'C':
			e.Code = val
		case 'M':
			e.Message = val
		case 'D':
			e.Detail = val
		case 'H':
			e.Hint = val
		}
		b = rest
	}
	return e
}
