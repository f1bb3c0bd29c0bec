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
	whole   bool // bodies are collected whole, whatever their length

	head    [headerSize]byte
	n       int    // bytes of head
	left    int    // bytes of the body to come
	body    []byte // collected
	kept    bool   // handle gets it
	holding bool   // drop decides about it
	long    bool   // it was to be held, but is too long
}

// maxKept bounds what a splitter collects of one body; the rest is cut off. A
// message that is longer is not held back: drop gets what there is of it, and
// has no say.
const maxKept = 64 << 10

// scan takes the next piece of the stream.
func (s *splitter) scan(p []byte) {
	run := 0 // p[run:] has not been passed on
	for at := 0; at < len(p); {
		if s.n < headerSize {
			if s.n == 0 && s.mayDrop != 0 && p[at] == s.mayDrop {
				s.passOn(p[run:at])
				s.holding = true
			}
			k := copy(s.head[s.n:], p[at:])
			s.n += k
			at += k
			if s.n < headerSize {
				break
			}
			s.begin()
			if s.long {
				s.passOn(s.head[:])
				run = at
			}
		}
		k := min(s.left, len(p)-at)
		if room := s.room(); room > 0 {
			s.body = append(s.body, p[at:at+min(k, room)]...)
		}
		s.left -= k
		at += k
		if s.left > 0 {
			continue
		}
		s.n = 0
		if s.holding {
			if !s.drop(s.body) {
				s.passOn(message(s.head[0], s.body))
			}
			s.holding, run = false, at
		} else if s.long {
			s.drop(s.body)
		}
		if s.kept {
			s.handle(s.head[0], s.body)
		}
	}
	if !s.holding {
		s.passOn(p[run:])
	}
}

// begin starts a body whose header is complete.
func (s *splitter) begin() {
	s.left = int(binary.BigEndian.Uint32(s.head[1:])) - 4
	s.kept = s.keep(s.head[0])
	s.body = s.body[:0]
	s.long = s.holding && s.left > maxKept
	s.holding = s.holding && !s.long
}

// room is how much more is to be collected of the body.
func (s *splitter) room() int {
	switch {
	case !s.kept && !s.holding && !s.long:
		return 0
	case s.whole:
		return s.left
	}
	return maxKept - len(s.body)
}

func (s *splitter) passOn(p []byte) {
	if s.pass != nil && len(p) > 0 {
		s.pass(p)
	}
}

// bytesFeed is a feed of bytes in memory.
type bytesFeed struct{ b []byte }

func (f *bytesFeed) read(p []byte) int {
	n := copy(p, f.b)
	f.b = f.b[n:]
	return n
}

// bytesSink is a sink that keeps what it gets.
type bytesSink struct{ b []byte }

func (s *bytesSink) write(p []byte) { s.b = append(s.b, p...) }

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
		r.split.whole = true // the host asks for what it knows the size of
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

// isFatal tells whether the body of an ErrorResponse is the last that a client
// reads. After PANIC it waits for more, and is told 57P02 as all others are.
func isFatal(body []byte) bool { return decodeError(body).Severity == "FATAL" }
