package oracle_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"
)

// The normalisations. Everything else must be equal byte for byte.
//
//	message                what is replaced       why it cannot be equal
//	S server_version       all after the major    18.6 against 18.4
//	K                      pid and cancel key     chosen by the server, secret
//	A                      pid of the notifier    chosen by the server
//	T table OID            12000 to 16383         given by initdb to what comes after
//	                                              the collations that it finds
//	E, N field L           line in Postgres' C    lines moved between 18.4 and 18.6;
//	                                              file and function must be equal
//	E, N field R           PostgresMain…          PGlite has cut PostgresMain in pieces
//	E before the first Z   F, L, R                Howdah's own code answers, which is
//	                                              no place in Postgres' C
//
// OIDs of user objects are equal without help: see prepare.
func (m message) normal(starting bool) message {
	switch m.kind {
	case 'S':
		if v, ok := bytes.CutPrefix(m.body, []byte("server_version\x00")); ok {
			major, _, _ := bytes.Cut(v, []byte("."))
			return message{m.kind, fmt.Appendf(nil, "server_version\x00%s\x00", major)}
		}
	case 'K':
		return message{m.kind, make([]byte, len(m.body))}
	case 'A':
		return message{m.kind, append(make([]byte, 4), m.body[4:]...)}
	case 'T':
		return m.withoutInitdbOIDs()
	case 'E', 'N':
		var kept []byte
		for f := range bytes.SplitAfterSeq(m.body, []byte{0}) {
			switch {
			case len(f) < 2: // the terminator
				kept = append(kept, f...)
			case f[0] == 'L', starting && (f[0] == 'F' || f[0] == 'R'):
			case bytes.HasPrefix(f, []byte("RPostgresMain")):
				kept = append(kept, "RPostgresMain\x00"...)
			default:
				kept = append(kept, f...)
			}
		}
		return message{m.kind, kept}
	}
	return m
}

// withoutInitdbOIDs replaces table OIDs from FirstUnpinnedObjectId up to
// FirstNormalObjectId (src/include/access/transam.h).
func (m message) withoutInitdbOIDs() message {
	var d pgproto3.RowDescription
	if d.Decode(m.body) != nil {
		return m
	}
	for i := range d.Fields {
		if oid := d.Fields[i].TableOID; oid >= 12000 && oid < 16384 {
			d.Fields[i].TableOID = 12000
		}
	}
	frame, err := d.Encode(nil)
	if err != nil {
		return m
	}
	return message{m.kind, frame[5:]}
}

func (m message) equal(o message) bool {
	return m.kind == o.kind && bytes.Equal(m.body, o.body)
}

var names = map[byte]string{
	endOfStream: "end of stream", 'R': "Authentication", 'S': "ParameterStatus",
	'K': "BackendKeyData", 'Z': "ReadyForQuery", 'T': "RowDescription", 'D': "DataRow",
	'C': "CommandComplete", 'E': "ErrorResponse", 'N': "NoticeResponse", 'I': "EmptyQueryResponse",
	'1': "ParseComplete", '2': "BindComplete", '3': "CloseComplete", 's': "PortalSuspended",
	'n': "NoData", 't': "ParameterDescription", 'G': "CopyInResponse", 'H': "CopyOutResponse",
	'd': "CopyData", 'c': "CopyDone", 'A': "NotificationResponse", 'V': "FunctionCallResponse",
	'v': "NegotiateProtocolVersion",
}

// fields shows a message one field a line, for a reader.
func (m message) fields() []string {
	switch m.kind {
	case 'E', 'N':
		var out []string
		for f := range bytes.SplitSeq(m.body, []byte{0}) {
			if len(f) > 0 {
				out = append(out, fmt.Sprintf("%c: %s", f[0], show(f[1:])))
			}
		}
		return out
	case 'D':
		var d pgproto3.DataRow
		if d.Decode(m.body) != nil {
			break
		}
		out := make([]string, len(d.Values))
		for i, v := range d.Values {
			out[i] = "NULL"
			if v != nil {
				out[i] = show(v)
			}
		}
		return out
	case 'T':
		var d pgproto3.RowDescription
		if d.Decode(m.body) != nil {
			break
		}
		out := make([]string, len(d.Fields))
		for i, f := range d.Fields {
			out[i] = fmt.Sprintf("%s table %d.%d type %d size %d mod %d format %d", f.Name, f.TableOID,
				f.TableAttributeNumber, f.DataTypeOID, f.DataTypeSize, f.TypeModifier, f.Format)
		}
		return out
	}
	return []string{show(m.body)}
}

func show(b []byte) string {
	if utf8.Valid(b) && bytes.IndexFunc(b, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' && r != 0 }) < 0 {
		return strconv.Quote(string(b))
	}
	return fmt.Sprintf("%x", b)
}

// diff lists the messages in which the answers differ, field by field; it is
// empty if they are equal after normalisation.
func diff(want, got []message, starting bool) string {
	var b strings.Builder
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			report(&b, i, "is missing", want[i], nil, "-")
		case i >= len(want):
			report(&b, i, "is too much", got[i], nil, "+")
		default:
			w, g := want[i].normal(starting), got[i].normal(starting)
			switch {
			case w.equal(g):
			case w.kind != g.kind:
				report(&b, i, "wanted", w, nil, "-")
				report(&b, i, "given instead", g, nil, "+")
			default:
				report(&b, i, "differs", w, &g, "-")
			}
		}
		if b.Len() > 4000 {
			b.WriteString("    …\n")
			break
		}
	}
	return b.String()
}

// report writes m's fields, or with other only the fields that differ from it.
func report(b *strings.Builder, i int, what string, m message, other *message, sign string) {
	fmt.Fprintf(b, "    message %d, %s, %s\n", i, names[m.kind], what)
	var theirs []string
	if other != nil {
		theirs = other.fields()
	}
	ours := m.fields()
	for k := range max(len(ours), len(theirs)) {
		if k < len(ours) && k < len(theirs) && ours[k] == theirs[k] {
			continue
		}
		if k < len(ours) {
			fmt.Fprintf(b, "      %s %s\n", sign, ours[k])
		}
		if k < len(theirs) {
			fmt.Fprintf(b, "      + %s\n", theirs[k])
		}
	}
}
