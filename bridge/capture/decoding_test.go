package capture_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/value"
)

// decoding writes sets as contrib/test_decoding does, a line for each thing, without
// ddl, of which test_decoding does not know.
func decoding(sets []*change.Set) (lines []string) {
	begun := false
	for _, s := range sets {
		transactional := s.XID != 0
		for k := 0; k < len(s.Changes); k++ {
			c := &s.Changes[k]
			if c.Kind == change.DDL {
				continue
			}
			if transactional && !begun {
				lines, begun = append(lines, "BEGIN"), true
			}
			var line string
			switch c.Kind {
			case change.Truncate:
				n := 1
				for k+n < len(s.Changes) && s.Changes[k+n].Kind == change.Truncate && s.Changes[k+n].LSN == c.LSN {
					n++
				}
				line = decodingTruncate(s.Changes[k : k+n])
				k += n - 1
			case change.Message:
				line = decodingMessage(c.Message)
			default:
				line = decodingRow(c)
			}
			lines = append(lines, strings.ReplaceAll(line, "\n", `\n`))
		}
		if begun && !s.More {
			lines, begun = append(lines, "COMMIT"), false
		}
	}
	return lines
}

func decodingTruncate(all []change.Change) string {
	names := make([]string, len(all))
	for k := range all {
		names[k] = decodingName(all[k].Table)
	}
	flags := ""
	if all[0].RestartIdentity {
		flags = " restart_seqs"
	}
	if all[0].Cascade {
		flags += " cascade"
	}
	if flags == "" {
		flags = " (no-flags)"
	}
	return "table " + strings.Join(names, ", ") + ": TRUNCATE:" + flags
}

func decodingMessage(m *change.EmittedMessage) string {
	transactional := 0
	if m.Transactional {
		transactional = 1
	}
	return fmt.Sprintf("message: transactional: %d prefix: %s, sz: %d content:%s", transactional, m.Prefix, len(m.Content), m.Content)
}

func decodingRow(c *change.Change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "table %s: %s:", decodingName(c.Table), strings.ToUpper(c.Kind.String()))
	switch {
	case c.Kind == change.Delete && c.Old == nil:
		b.WriteString(" (no-tuple-data)")
	case c.Kind == change.Delete:
		decodingTuple(&b, c.Table, c.Old, true)
	default:
		if c.Old != nil {
			b.WriteString(" old-key:")
			decodingTuple(&b, c.Table, c.Old, true)
			b.WriteString(" new-tuple:")
		}
		decodingTuple(&b, c.Table, c.New, false)
	}
	return b.String()
}

// decodingTuple is tuple_to_stringinfo.
func decodingTuple(b *strings.Builder, t *change.Table, row []any, skipNulls bool) {
	for i, v := range row {
		c := &t.Columns[i]
		if v == nil && skipNulls {
			continue
		}
		fmt.Fprintf(b, " %s[%s]:", quoted(c.Name), decodingType(c.Type))
		switch v.(type) {
		case nil:
			b.WriteString("null")
		case value.Unchanged:
			b.WriteString("unchanged-toast-datum")
		default:
			b.WriteString(literal(c.Type, string(value.AppendText(nil, c.Type, v))))
		}
	}
}

// literal is print_literal.
func literal(t *value.Type, text string) string {
	switch t.Name {
	case "int2", "int4", "int8", "oid", "float4", "float8", "numeric":
		return text
	case "bit", "varbit":
		return "B'" + text + "'"
	case "bool":
		if text == "t" {
			return "true"
		}
		return "false"
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

func decodingName(t *change.Table) string { return quoted(t.Schema) + "." + quoted(t.Name) }

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// quoted is quote_identifier, but for key words, which no test has as names.
func quoted(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// sqlNames are the types that format_type_be calls by SQL's names.
var sqlNames = map[string]string{
	"bool": "boolean", "int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real", "float8": "double precision",
	"varchar": "character varying", "bpchar": "character", "varbit": "bit varying", "char": `"char"`,
	"time": "time without time zone", "timetz": "time with time zone",
	"timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone",
}

func decodingType(t *value.Type) string {
	if t.Kind == value.ArrayKind && strings.HasPrefix(t.Name, "_") {
		return decodingType(t.Elem) + "[]"
	}
	switch t.Schema {
	case "pg_catalog":
		if name, ok := sqlNames[t.Name]; ok {
			return name
		}
		return t.Name
	case "public":
		return quoted(t.Name)
	}
	return quoted(t.Schema) + "." + quoted(t.Name)
}

// sameLines compares line by line, and shows what is around the first difference.
func sameLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	t.Errorf("%s: %d lines, expected %d; line %d:\ngot:\n%s\nexpected:\n%s", what, len(got), len(want), at+1, around(got, at), around(want, at))
}

func around(lines []string, at int) string {
	var b strings.Builder
	for _, line := range lines[max(0, min(at-4, len(lines))):min(at+3, len(lines))] {
		if len(line) > 400 {
			line = fmt.Sprintf("%s… (%d)", line[:400], len(line))
		}
		fmt.Fprintf(&b, "  %s\n", line)
	}
	return b.String()
}
