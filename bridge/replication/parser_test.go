package replication_test

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// reader reads the messages of pgoutput as a subscriber does, knowing nothing but
// Postgres' documentation, and writes them for people: names in the place of OIDs
// that differ from server to server, and neither positions, times nor xids.
type reader struct {
	relations map[uint32]string
	types     map[uint32]string
	columns   map[uint32][]string
	inBegin   bool
	described map[string]string

	b   []byte
	err error
}

func newReader() *reader {
	return &reader{relations: map[uint32]string{}, types: map[uint32]string{}, columns: map[uint32][]string{}, described: map[string]string{}}
}

func (r *reader) take(n int) []byte {
	if n < 0 || len(r.b) < n {
		r.err = fmt.Errorf("message ends early")
		return make([]byte, max(n, 0)&0xffff)
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) byte() byte  { return r.take(1)[0] }
func (r *reader) u16() int    { return int(binary.BigEndian.Uint16(r.take(2))) }
func (r *reader) u32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *reader) text() string {
	s, rest, ok := strings.Cut(string(r.b), "\x00")
	if !ok {
		r.err = fmt.Errorf("text without an end")
	}
	r.b = []byte(rest)
	return s
}

func (r *reader) typeName(oid uint32) string {
	if name, ok := r.types[oid]; ok {
		return name
	}
	if oid >= 16384 {
		r.err = fmt.Errorf("type %d was not described", oid)
	}
	return fmt.Sprint(oid)
}

// message describes one message.
func (r *reader) message(b []byte) (string, error) {
	r.b, r.err = b, nil
	s := r.describe()
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes are left over", len(r.b))
	}
	if r.err != nil {
		return "", fmt.Errorf("%q: %w", b, r.err)
	}
	return s, nil
}

func (r *reader) describe() string {
	switch typ := r.byte(); typ {
	case 'B':
		final, time, xid := r.u64(), r.u64(), r.u32()
		if r.inBegin || final == 0 || time == 0 || xid == 0 {
			r.err = fmt.Errorf("bad begin")
		}
		r.inBegin = true
		return "begin"
	case 'C':
		flags, at, end, time := r.byte(), r.u64(), r.u64(), r.u64()
		if !r.inBegin || end <= at || time == 0 {
			r.err = fmt.Errorf("bad commit")
		}
		r.inBegin = false
		return fmt.Sprintf("commit %d", flags)
	case 'O':
		return fmt.Sprintf("origin %x %s", r.u64(), r.text())
	case 'R':
		return r.relation()
	case 'Y':
		oid := r.u32()
		name := r.text() + "." + r.text()
		r.types[oid] = name
		return "type " + name
	case 'I', 'U', 'D':
		oid := r.u32()
		s := fmt.Sprintf("%c %s", typ, r.relations[oid])
		for len(r.b) > 0 && r.err == nil {
			s += fmt.Sprintf(" %c:", r.byte()) + r.tuple(oid)
		}
		return s
	case 'T':
		n, flags := int(r.u32()), r.byte()
		s := fmt.Sprintf("truncate %d", flags)
		for range n {
			s += " " + r.relations[r.u32()]
		}
		return s
	case 'M':
		flags := r.byte()
		if r.u64() == 0 {
			r.err = fmt.Errorf("message without a position")
		}
		return fmt.Sprintf("message %d %q %q", flags, r.text(), r.take(int(r.u32())))
	default:
		r.err = fmt.Errorf("unknown message %c", typ)
		return ""
	}
}

func (r *reader) relation() string {
	oid := r.u32()
	name := r.text() + "." + r.text()
	s := fmt.Sprintf("relation %s %c", name, r.byte())
	var columns []string
	for range r.u16() {
		flags, column := r.byte(), r.text()
		columns = append(columns, column)
		s += fmt.Sprintf(" (%d %s %s %d)", flags, column, r.typeName(r.u32()), int32(r.u32()))
	}
	r.relations[oid], r.columns[oid] = name, columns
	return s
}

func (r *reader) tuple(oid uint32) string {
	n := r.u16()
	if n != len(r.columns[oid]) {
		r.err = fmt.Errorf("%d values of %d columns", n, len(r.columns[oid]))
		return ""
	}
	var s strings.Builder
	for k := range n {
		fmt.Fprintf(&s, " %s=", r.columns[oid][k])
		switch kind := r.byte(); kind {
		case 'n', 'u':
			s.WriteByte(kind)
		case 't', 'b':
			fmt.Fprintf(&s, "%c%q", kind, r.take(int(r.u32())))
		default:
			r.err = fmt.Errorf("unknown value %c", kind)
		}
	}
	return s.String()
}

// news tells whether a message says anything that the subscriber does not know:
// Postgres describes a relation again when anything about it may have changed.
func (r *reader) news(message string) bool {
	what, rest, _ := strings.Cut(message, " ")
	if what != "relation" && what != "type" {
		return true
	}
	name, _, _ := strings.Cut(rest, " ")
	known := r.described[what+name] == message
	r.described[what+name] = message
	return !known
}
