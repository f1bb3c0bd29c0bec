package change

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/howdahdb/howdah/bridge/value"
)

// AppendSQL appends the set as statements that psql can replay into a database with
// the same tables: BEGIN, one statement for each change, COMMIT. Each is on lines of
// its own. Literals have no type: they take that of their column.
//
// An update or a delete names its row by the replica identity; one that has the whole
// row takes a single row of those that are equal. Of a table without an identity, and
// of ddl, there is a comment. Values that an update has not touched are left out of
// it, and generated columns of everything.
func AppendSQL(dst []byte, s *Set) []byte {
	transaction := s.XID != 0 || s.Part > 0 || s.More || len(s.Changes) > 0 && s.Changes[0].Snapshot
	if transaction && s.Part == 0 && (len(s.Changes) > 0 || s.More) {
		dst = fmt.Appendf(dst, "BEGIN; -- %v, transaction %d\n", s.LSN, s.XID)
	}
	for k := 0; k < len(s.Changes); k++ {
		c := &s.Changes[k]
		if c.Kind == Truncate {
			n := sameTruncate(s.Changes[k:])
			dst = appendTruncate(dst, s.Changes[k:k+n])
			k += n - 1
			continue
		}
		dst = appendStatement(dst, c)
	}
	if transaction && !s.More && (len(s.Changes) > 0 || s.Part > 0) {
		dst = append(dst, "COMMIT;\n"...)
	}
	return dst
}

func appendStatement(b []byte, c *Change) []byte {
	switch c.Kind {
	case Insert:
		return appendInsert(b, c)
	case Update:
		return appendUpdate(b, c)
	case Delete:
		if c.Old == nil || !identified(c) {
			return appendComment(b, c)
		}
		b = appendTableName(append(b, "DELETE FROM "...), c.Table)
		return append(appendWhere(b, c, c.Old), ";\n"...)
	case Message:
		b = strconv.AppendBool(append(b, "SELECT pg_logical_emit_message("...), c.Message.Transactional)
		b = appendLiteral(append(b, ", "...), c.Message.Prefix)
		b = appendLiteral(append(b, ", "...), fmt.Sprintf(`\x%x`, c.Message.Content))
		return append(b, "::bytea);\n"...)
	}
	return appendComment(b, c)
}

// sameTruncate counts the changes of one TRUNCATE.
func sameTruncate(changes []Change) int {
	n := 1
	for n < len(changes) && changes[n].Kind == Truncate && changes[n].LSN == changes[0].LSN && changes[0].LSN != 0 {
		n++
	}
	return n
}

// appendTruncate names all tables of the statement at once, since they may have
// foreign keys to each other. CASCADE has named what it reached.
func appendTruncate(b []byte, changes []Change) []byte {
	b = append(b, "TRUNCATE "...)
	for k := range changes {
		if k > 0 {
			b = append(b, ", "...)
		}
		b = appendTableName(append(b, "ONLY "...), changes[k].Table)
	}
	if changes[0].RestartIdentity {
		b = append(b, " RESTART IDENTITY"...)
	}
	if changes[0].Cascade {
		b = append(b, " CASCADE"...)
	}
	return append(b, ";\n"...)
}

func appendInsert(b []byte, c *Change) []byte {
	b = appendTableName(append(b, "INSERT INTO "...), c.Table)
	n := 0
	for k := range c.Table.Columns {
		if col := &c.Table.Columns[k]; !col.Stored && !isUnchanged(c.New[k]) {
			b = appendName(append(b, separator(n, " (", ", ")...), col.Name)
			n++
		}
	}
	if n == 0 {
		return append(b, " DEFAULT VALUES;\n"...)
	}
	// Without this a GENERATED ALWAYS identity column refuses its value.
	b = append(b, ") OVERRIDING SYSTEM VALUE VALUES "...)
	n = 0
	for k := range c.Table.Columns {
		if col := &c.Table.Columns[k]; !col.Stored && !isUnchanged(c.New[k]) {
			b = appendSQLValue(append(b, separator(n, "(", ", ")...), col.Type, c.New[k])
			n++
		}
	}
	return append(b, ");\n"...)
}

func separator(n int, first, next string) string {
	if n == 0 {
		return first
	}
	return next
}

func appendUpdate(b []byte, c *Change) []byte {
	old := c.Old
	if old == nil {
		old = c.New // the identity is as it was
	}
	if !identified(c) || c.Old == nil && c.Table.Identity == IdentityFull {
		return appendComment(b, c)
	}
	start := len(b)
	b = appendTableName(append(b, "UPDATE "...), c.Table)
	n := 0
	for k := range c.Table.Columns {
		// A GENERATED ALWAYS identity column refuses to be set, also to what it is.
		col := &c.Table.Columns[k]
		same := col.Key && reflect.DeepEqual(old[k], c.New[k])
		if !same && !col.Stored && !isUnchanged(c.New[k]) {
			b = appendName(append(b, separator(n, " SET ", ", ")...), col.Name)
			b = appendSQLValue(append(b, " = "...), col.Type, c.New[k])
			n++
		}
	}
	if n == 0 {
		return b[:start]
	}
	return append(appendWhere(b, c, old), ";\n"...)
}

// identified tells whether the table has columns by which a row is found.
func identified(c *Change) bool {
	for k := range c.Table.Columns {
		if c.Table.Columns[k].Key {
			return true
		}
	}
	return false
}

// appendWhere appends the condition that finds a row.
func appendWhere(b []byte, c *Change, old []any) []byte {
	if c.Table.Identity == IdentityFull {
		return appendWhole(b, c.Table, old)
	}
	b = append(b, " WHERE "...)
	n := 0
	for k := range c.Table.Columns {
		col := &c.Table.Columns[k]
		if !col.Key {
			continue
		}
		b = appendName(append(b, separator(n, "", " AND ")...), col.Name)
		n++
		if old[k] == nil {
			b = append(b, " IS NULL"...)
			continue
		}
		b = appendSQLValue(append(b, " = "...), col.Type, old[k])
	}
	return b
}

// appendWhole finds a row by all of it. There may be several that are equal, and
// types without an equality, or with one that is not identity (box), so rows are
// compared by what is on disk: *= of records (ROW would compare column by column).
func appendWhole(b []byte, t *Table, old []any) []byte {
	b = appendTableName(append(b, " WHERE ctid = (SELECT ctid FROM ONLY "...), t)
	b = append(b, " WHERE ROW("...)
	var values []byte
	n := 0
	for k := range t.Columns {
		c := &t.Columns[k]
		if isUnchanged(old[k]) || c.Stored {
			continue
		}
		b = appendName(append(b, separator(n, "", ", ")...), c.Name)
		values = appendSQLValue(append(values, separator(n, "", ", ")...), c.Type, old[k])
		values = append(appendName(append(values, "::"...), c.Type.Schema), '.')
		values = appendName(values, c.Type.Name)
		n++
	}
	return append(append(append(b, ")::record *= ROW("...), values...), ")::record LIMIT 1)"...)
}

func appendComment(b []byte, c *Change) []byte {
	what := c.Kind.String() + " of"
	why := ", which has no replica identity"
	if c.Kind == DDL {
		what, why = c.Command.String()+" table", ""
	}
	name := string(appendTableName(nil, c.Table))
	return fmt.Appendf(b, "-- %s %s%s\n", what, strings.NewReplacer("\n", " ", "\r", " ").Replace(name), why)
}

func appendTableName(b []byte, t *Table) []byte {
	return appendName(append(appendName(b, t.Schema), '.'), t.Name)
}

// appendName quotes a name always: what needs no quotes depends on the server.
func appendName(b []byte, name string) []byte {
	return append(append(append(b, '"'), strings.ReplaceAll(name, `"`, `""`)...), '"')
}

func appendSQLValue(b []byte, t *value.Type, v any) []byte {
	if v == nil {
		return append(b, "NULL"...)
	}
	return appendLiteral(b, string(value.AppendText(nil, t, v)))
}

// appendLiteral writes a literal that means the same whatever
// standard_conforming_strings is.
func appendLiteral(b []byte, text string) []byte {
	if strings.Contains(text, `\`) {
		b = append(b, 'E')
		text = strings.ReplaceAll(text, `\`, `\\`)
	}
	return append(append(append(b, '\''), strings.ReplaceAll(text, `'`, `''`)...), '\'')
}
