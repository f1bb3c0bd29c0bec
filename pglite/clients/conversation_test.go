package clients_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A conversation is what several connections say to one server, one after the
// other, and all that it answers, as lines of text. The same conversation with
// two servers gives the same lines, but for what a server chooses by itself:
//
//	message                what stands for it        why it cannot be equal
//	BackendKeyData         nothing                   pid and key are the server's
//	NotificationResponse   the notifying connection  its pid is
//	OIDs from 12000        numbered as they appear   initdb's and users' own are given
//	                                                 in the order of creation
//	server_version         up to the first dot       18.6 against 18.4
//	errors and notices     without the line          lines moved between 18.4 and 18.6
//	                       R PostgresMain…           PGlite has cut PostgresMain in pieces
type conversation struct {
	t     *testing.T
	db    database
	lines []string
	oids  map[uint32]int    // in the order of appearance
	pids  map[uint32]string // whose connection it is
	known map[uint32]bool   // types that Postgrex has asked for, shared by all connections to a database
}

// talk is one conversation, in which the client checks what it relies on. shared
// is as in test.
type talk struct {
	name   string
	run    func(*conversation)
	shared int
}

// conversations are tests that compare what was said to the native server with
// what is said then.
func conversations(talks []talk) (tests []test) {
	said := make(map[string][]string)
	for _, k := range talks {
		tests = append(tests, test{k.name, func(t *testing.T, db database) {
			c := &conversation{t: t, db: db, oids: make(map[uint32]int), pids: make(map[uint32]string)}
			k.run(c)
			if db.cluster == nil {
				said[k.name] = c.lines
			} else if want, ok := said[k.name]; ok {
				compare(t, want, c.lines)
			} else {
				t.Log("not compared: native has not been asked")
			}
		}, k.shared})
	}
	return tests
}

// compare reports the first line that differs, and what was said before it.
func compare(t *testing.T, want, got []string) {
	t.Helper()
	const before = 8
	for i := range max(len(want), len(got)) {
		w, g := "end of the conversation", "end of the conversation"
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			t.Errorf("line %d differs:\n  %s\n- %s\n+ %s", i, strings.Join(got[max(0, i-before):min(i, len(got))], "\n  "), w, g)
			return
		}
	}
}

func (c *conversation) say(who, format string, args ...any) {
	c.lines = append(c.lines, who+" "+fmt.Sprintf(format, args...))
}

// oid is a type's or table's OID, or what stands for it. Below 12000 they are
// assigned by hand (FirstUnpinnedObjectId, src/include/access/transam.h).
func (c *conversation) oid(oid uint32) string {
	if oid < 12000 {
		return strconv.Itoa(int(oid))
	}
	n, ok := c.oids[oid]
	if !ok {
		n = len(c.oids) + 1
		c.oids[oid] = n
	}
	return fmt.Sprintf("oid#%d", n)
}

// sent adds what a client says to the lines.
func (c *conversation) sent(who string, m pgproto3.FrontendMessage) {
	what := kind(m)
	switch m := m.(type) {
	case *pgproto3.Query:
		what += " " + m.String
	case *pgproto3.Parse:
		what += fmt.Sprintf(" %q %s", m.Name, m.Query)
	case *pgproto3.Bind:
		what += fmt.Sprintf(" %q %q %s", m.DestinationPortal, m.PreparedStatement, showValues(m.Parameters))
	case *pgproto3.Execute:
		what += fmt.Sprintf(" %q %d", m.Portal, m.MaxRows)
	case *pgproto3.Describe:
		what += fmt.Sprintf(" %c %q", m.ObjectType, m.Name)
	case *pgproto3.Close:
		what += fmt.Sprintf(" %c %q", m.ObjectType, m.Name)
	}
	c.say(who, "-> %s", what)
}

func kind(m pgproto3.Message) string { return strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3.") }

// heard adds an answer to the lines.
func (c *conversation) heard(who string, m pgproto3.BackendMessage) {
	who += " <-"
	switch m := m.(type) {
	case *pgproto3.BackendKeyData:
		c.say(who, "BackendKeyData")
	case *pgproto3.ParameterStatus:
		value := m.Value
		if m.Name == "server_version" {
			value, _, _ = strings.Cut(value, ".")
		}
		c.say(who, "ParameterStatus %s=%q", m.Name, value)
	case *pgproto3.NotificationResponse:
		c.say(who, "NotificationResponse %s %q from %s", m.Channel, m.Payload, c.pids[m.PID])
	case *pgproto3.ReadyForQuery:
		c.say(who, "ReadyForQuery %c", m.TxStatus)
	case *pgproto3.CommandComplete:
		c.say(who, "CommandComplete %s", m.CommandTag)
	case *pgproto3.ParameterDescription:
		var types []string
		for _, oid := range m.ParameterOIDs {
			types = append(types, c.oid(oid))
		}
		c.say(who, "ParameterDescription %v", types)
	case *pgproto3.RowDescription:
		for _, f := range m.Fields {
			c.say(who, "RowDescription %s: %s.%d type %s, %d, %d, format %d", f.Name,
				c.oid(f.TableOID), f.TableAttributeNumber, c.oid(f.DataTypeOID), f.DataTypeSize, f.TypeModifier, f.Format)
		}
	case *pgproto3.DataRow:
		c.say(who, "DataRow %s", showValues(c.withoutOIDs(m.Values)))
	case *pgproto3.ErrorResponse:
		c.say(who, "ErrorResponse %s", showFields(*m))
	case *pgproto3.NoticeResponse:
		c.say(who, "NoticeResponse %s", showFields(pgproto3.ErrorResponse(*m)))
	case *pgproto3.CopyData:
		c.say(who, "CopyData %q", m.Data)
	case *pgproto3.CopyInResponse:
		c.say(who, "CopyInResponse %d %v", m.OverallFormat, m.ColumnFormatCodes)
	case *pgproto3.CopyOutResponse:
		c.say(who, "CopyOutResponse %d %v", m.OverallFormat, m.ColumnFormatCodes)
	default:
		// These have no fields.
		c.say(who, "%s", kind(m))
	}
}

// withoutOIDs replaces the OIDs that binary values of arrays and rows have of
// their elements' types.
func (c *conversation) withoutOIDs(values [][]byte) [][]byte {
	values = slices.Clone(values)
	for oid, n := range c.oids {
		sent := binary.BigEndian.AppendUint32(nil, oid)
		for i, v := range values {
			if bytes.Contains(v, sent) {
				values[i] = bytes.ReplaceAll(v, sent, fmt.Appendf(nil, "oid#%d", n))
			}
		}
	}
	return values
}

func showValues(values [][]byte) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		switch {
		case v == nil:
			b.WriteString("NULL")
		case bytes.IndexFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) < 0:
			fmt.Fprintf(&b, "%q", v)
		default:
			fmt.Fprintf(&b, "%x", v)
		}
	}
	return b.String()
}

var postgresMain = regexp.MustCompile(`^PostgresMain\w+$`)

func showFields(e pgproto3.ErrorResponse) string {
	return fmt.Sprintf("%s %s %s detail %q hint %q position %d, %d %q where %q about %s.%s.%s %s %s in %s %s",
		e.SeverityUnlocalized, e.Code, e.Message, e.Detail, e.Hint, e.Position, e.InternalPosition, e.InternalQuery, e.Where,
		e.SchemaName, e.TableName, e.ColumnName, e.DataTypeName, e.ConstraintName,
		e.File, postgresMain.ReplaceAllString(e.Routine, "PostgresMain"))
}
