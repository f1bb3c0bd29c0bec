package capture_test

import (
	"fmt"
	"strings"
)

// kinds are the types of columns, as they are written in DDL.
var kinds = []string{
	"int", "bigint", "smallint", "text", "text", "text", "varchar(50)", "bool", "numeric", "float8", "real", "uuid", "date",
	"timestamptz", "interval", "bytea", "jsonb", "jsonb", "int[]", "text[]", "mood", "pair", "int4range", `"char"`, "inet",
}

// formatted are names that format_type has for kinds.
var formatted = map[string]string{
	"int": "integer", "varchar(50)": "character varying(50)", "bool": "boolean", "float8": "double precision",
	"timestamptz": "timestamp with time zone", "int[]": "integer[]",
}

// value is a literal of a type.
func (w *writer) value(kind string) string {
	n := w.rng.IntN
	if n(7) == 0 {
		return "null"
	}
	switch kind {
	case "int", "bigint":
		return fmt.Sprint(n(1<<31) - 1<<30)
	case "smallint":
		return fmt.Sprint(n(1<<16) - 1<<15)
	case "text":
		return w.text()
	case "varchar(50)":
		return literalOf(w.word(n(50)))
	case "bool":
		return fmt.Sprint(n(2) == 0)
	case "numeric":
		return fmt.Sprintf("%d.%0*d", n(1<<40)-1<<39, 1+n(9), n(1000))
	case "float8", "real":
		return fmt.Sprintf("%d / 1024.0::%s", n(1<<30)-1<<29, kind)
	case "uuid":
		return fmt.Sprintf("md5('%d')::uuid", n(1<<30))
	case "date":
		return fmt.Sprintf("date '2000-01-01' + %d", n(20000)-10000)
	case "timestamptz":
		return fmt.Sprintf("to_timestamp(%d) + interval '%d microseconds'", n(1<<31), n(1000000))
	case "interval":
		return fmt.Sprintf("interval '%d months %d days %d microseconds'", n(50)-25, n(50)-25, n(1<<40))
	case "bytea":
		return fmt.Sprintf("decode(repeat(md5('%d'), %d), 'hex')", n(1<<30), 1+n(120)/20*n(60))
	case "jsonb":
		return fmt.Sprintf(`jsonb_build_object('k', %d, 'list', jsonb_build_array(%s, null, true, %d.50), 'long', %s)`, n(1000), literalOf(w.word(n(9))), n(1000), w.text())
	case "int[]":
		return fmt.Sprintf("array[%d, null, %d]::int[]", n(100), n(1<<20))
	case "text[]":
		return fmt.Sprintf("array[%s, null, %s]::text[]", literalOf(w.word(n(9))), literalOf(w.word(n(300))))
	case "mood":
		return []string{"'sad'", "'so so'", "'glad'"}[n(3)] + "::mood"
	case "pair":
		return fmt.Sprintf("row(%d, %s)::pair", n(100), literalOf(w.word(n(9))))
	case "int4range":
		return fmt.Sprintf("int4range(%d, %d)", n(100), 100+n(100))
	case `"char"`:
		return literalOf(w.word(1))
	case "inet":
		return fmt.Sprintf("inet '10.%d.%d.1/%d'", n(256), n(256), 8+n(24))
	}
	panic(kind)
}

// text is short, compressible, or kept out of line.
func (w *writer) text() string {
	switch n := w.rng.IntN; n(8) {
	case 0:
		return "''"
	case 1:
		return literalOf(w.word(130))
	case 2:
		return literalOf(w.word(2500))
	case 3:
		return fmt.Sprintf("repeat(%s, %d)", literalOf(w.word(3)), n(4000))
	case 4:
		return fmt.Sprintf("(select string_agg(md5((g + %d)::text), '') from generate_series(1, %d) g)", n(1<<20), 50+n(200))
	case 5:
		return literalOf("ünï€ðé 🐘 it's\n" + w.word(5))
	}
	return literalOf(w.word(w.rng.IntN(25)))
}

func (w *writer) word(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + w.rng.IntN(26))
	}
	return string(b)
}

func literalOf(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
