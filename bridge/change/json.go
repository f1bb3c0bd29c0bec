package change

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/howdahdb/howdah/bridge/value"
)

// AppendJSON appends the set as people and scripts read it: each change an object on
// a line of its own,
//
//	{"origin":"","lsn":"0/15D6B20","xid":739,"time":"2026-01-31T12:00:00.000001Z",
//	 "kind":"update","schema":"public","table":"people",
//	 "new":{"id":1,"name":"Ada"},"old":{"id":1},"changed":["name"],"unchanged":["photo"],
//	 "commit":true}
//
// lsn is the set's position. new has a value for each column but for those in
// unchanged: large values that the update has left as they were and the log does not
// have. old has the columns of the replica identity, and changed is there if the
// whole row is in it. Rows of an initial snapshot have "snapshot":true, the last
// change of a transaction "commit":true; a transaction whose last part has no changes
// ends with a line without a kind. Beyond these there are cascade and
// restart_identity of a truncate; prefix, transactional and content of a message, or
// content_hex if it is not UTF-8; command of ddl, and columns with name, type and key.
//
// Values are what to_jsonb makes of them but for numeric, which is a string, so that
// no reader rounds it: boolean, the integers and floats as such (integers as they
// are, also those beyond 2^53, which JavaScript's JSON.parse would round; NaN and the
// infinities as strings), json and jsonb as what they are, arrays as arrays (without
// their lower bounds), composites as objects. Everything else is the string that
// Postgres writes, bytea in hex ("\\x00ff"), ranges as "[1,5)", and timestamps with
// a space ("2026-01-31 12:00:00+00"). What could not be read is {"raw":"\\x00ff"}.
func AppendJSON(dst []byte, s *Set) []byte {
	for k := range s.Changes {
		dst = appendJSONChange(dst, s, &s.Changes[k], k == len(s.Changes)-1)
	}
	if len(s.Changes) == 0 && s.Part > 0 && !s.More {
		dst = append(appendJSONHead(dst, s), ",\"commit\":true}\n"...)
	}
	return dst
}

func appendJSONHead(b []byte, s *Set) []byte {
	b = appendJSONString(append(b, `{"origin":`...), s.Origin)
	b = append(append(append(b, `,"lsn":"`...), s.LSN.String()...), '"')
	b = strconv.AppendUint(append(b, `,"xid":`...), uint64(s.XID), 10)
	if !s.Time.IsZero() {
		b = s.Time.UTC().AppendFormat(append(b, `,"time":"`...), time.RFC3339Nano)
		b = append(b, '"')
	}
	return b
}

func appendJSONChange(b []byte, s *Set, c *Change, last bool) []byte {
	b = appendJSONHead(b, s)
	b = append(append(append(b, `,"kind":"`...), c.Kind.String()...), '"')
	if t := c.Table; t != nil {
		b = appendJSONString(append(b, `,"schema":`...), t.Schema)
		b = appendJSONString(append(b, `,"table":`...), t.Name)
	}
	if c.New != nil {
		b = appendJSONRow(append(b, `,"new":`...), c.Table, c.New, false)
	}
	if c.Old != nil {
		b = appendJSONRow(append(b, `,"old":`...), c.Table, c.Old, c.Table.Identity != IdentityFull)
	}
	if c.Changed != nil {
		b = appendJSONNames(append(b, `,"changed":`...), c.Table, func(k int) bool { return slices.Contains(c.Changed, k) })
	}
	if unchanged := func(k int) bool { return isUnchanged(c.New[k]) }; slices.ContainsFunc(c.New, isUnchanged) {
		b = appendJSONNames(append(b, `,"unchanged":`...), c.Table, unchanged)
	}
	b = appendJSONTrue(b, "cascade", c.Cascade)
	b = appendJSONTrue(b, "restart_identity", c.RestartIdentity)
	if c.Message != nil {
		b = appendJSONMessage(b, c.Message)
	}
	if c.Kind == DDL {
		b = appendJSONShape(b, c)
	}
	b = appendJSONTrue(b, "snapshot", c.Snapshot)
	b = appendJSONTrue(b, "commit", last && !s.More)
	return append(b, "}\n"...)
}

func isUnchanged(v any) bool { _, ok := v.(value.Unchanged); return ok }

func appendJSONTrue(b []byte, name string, v bool) []byte {
	if !v {
		return b
	}
	return append(appendJSONString(append(b, ','), name), ":true"...)
}

func appendJSONMessage(b []byte, m *EmittedMessage) []byte {
	b = appendJSONString(append(b, `,"prefix":`...), m.Prefix)
	if utf8.Valid(m.Content) {
		b = appendJSONString(append(b, `,"content":`...), string(m.Content))
	} else {
		b = append(hex.AppendEncode(append(b, `,"content_hex":"`...), m.Content), '"')
	}
	return strconv.AppendBool(append(b, `,"transactional":`...), m.Transactional)
}

func appendJSONShape(b []byte, c *Change) []byte {
	b = append(append(append(b, `,"command":"`...), c.Command.String()...), `","columns":[`...)
	for k := range c.Table.Columns {
		col := &c.Table.Columns[k]
		if k > 0 {
			b = append(b, ',')
		}
		b = appendJSONString(append(b, `{"name":`...), col.Name)
		if col.Type != nil {
			b = appendJSONString(append(b, `,"type":`...), col.Type.Name)
		}
		b = append(appendJSONTrue(b, "key", col.Key), '}')
	}
	return append(b, ']')
}

// appendJSONRow appends a row as an object, of the columns of the key only if those
// are all that is known.
func appendJSONRow(b []byte, t *Table, row []any, keyOnly bool) []byte {
	b = append(b, '{')
	first := true
	for k := range t.Columns {
		if c := &t.Columns[k]; !isUnchanged(row[k]) && (c.Key || !keyOnly) {
			if !first {
				b = append(b, ',')
			}
			first = false
			b = appendJSONValue(append(appendJSONString(b, c.Name), ':'), c.Type, row[k])
		}
	}
	return append(b, '}')
}

func appendJSONNames(b []byte, t *Table, named func(k int) bool) []byte {
	b = append(b, '[')
	first := true
	for k := range t.Columns {
		if named(k) {
			if !first {
				b = append(b, ',')
			}
			first = false
			b = appendJSONString(b, t.Columns[k].Name)
		}
	}
	return append(b, ']')
}

func appendJSONValue(b []byte, t *value.Type, v any) []byte {
	for t != nil && t.Kind == value.DomainKind {
		t = t.Elem
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float32:
		if f := float64(v); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return strconv.AppendFloat(b, f, 'g', -1, 32)
		}
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return strconv.AppendFloat(b, v, 'g', -1, 64)
		}
	case string:
		return appendJSONString(b, v)
	case value.JSON:
		var line bytes.Buffer
		if json.Compact(&line, []byte(v)) == nil {
			return append(b, line.Bytes()...)
		}
		return appendJSONString(b, string(v))
	case value.Raw:
		b = hex.AppendEncode(append(b, `{"raw":"\\x`...), v)
		return append(b, `"}`...)
	case *value.Array:
		b, _ = appendJSONArray(b, t, v.Dims, v.Elements)
		return b
	case *value.Record:
		return appendJSONRecord(b, t, v)
	}
	return appendJSONString(b, string(value.AppendText(nil, t, v)))
}

// appendJSONArray appends one dimension after the other and gives the elements that
// are left.
func appendJSONArray(b []byte, t *value.Type, dims []value.Dim, elements []any) ([]byte, []any) {
	b = append(b, '[')
	if len(dims) == 0 {
		return append(b, ']'), elements
	}
	for k := range dims[0].Length {
		if k > 0 {
			b = append(b, ',')
		}
		if len(dims) > 1 {
			b, elements = appendJSONArray(b, t, dims[1:], elements)
			continue
		}
		var elem *value.Type
		if t != nil {
			elem = t.Elem
		}
		b = appendJSONValue(b, elem, elements[0])
		elements = elements[1:]
	}
	return append(b, ']'), elements
}

func appendJSONRecord(b []byte, t *value.Type, r *value.Record) []byte {
	var types []*value.Type
	if t != nil {
		for k := range t.Fields {
			if f := &t.Fields[k]; !f.Dropped {
				types = append(types, f.Type)
			}
		}
	}
	b = append(b, '{')
	for k, name := range r.Names {
		if k > 0 {
			b = append(b, ',')
		}
		var typ *value.Type
		if k < len(types) {
			typ = types[k]
		}
		b = appendJSONValue(append(appendJSONString(b, name), ':'), typ, r.Values[k])
	}
	return append(b, '}')
}

// appendJSONString appends a string; what is not UTF-8 is U+FFFD there.
func appendJSONString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r < ' ':
			b = append(b, `\u00`...)
			b = append(b, digits[r>>4], digits[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
