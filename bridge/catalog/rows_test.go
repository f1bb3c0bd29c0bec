package catalog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/catalog"
	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/heap"
	"github.com/howdahdb/howdah/bridge/value"
)

// TestRows compares how rows are read amid changes of their tables with what
// Postgres' own logical decoding makes of the same log, by its plugin test_decoding.
func TestRows(t *testing.T) {
	s := native(t)
	conn := s.open(t, "postgres")
	ask(t, conn, "select slot_name::text from pg_create_logical_replication_slot('oracle', 'test_decoding')")
	flush(t, conn)
	f := follow(t, s.dir)
	d := decoder{t: t, names: map[uint32]string{}}
	f.row = d.row
	tables := map[string]bool{}
	f.ddl = func(c change.Change) {
		tables[fmt.Sprint([]string{"", "create", "alter", "drop"}[c.Command], " ", c.Table.Schema, ".", c.Table.Name)] = true
	}
	for i, step := range script(t, "rows.sql") {
		for _, sql := range one(step.sql) {
			exec(t, conn, sql)
		}
		for _, l := range ask(t, conn, "select oid || ' ' || format_type(oid, null) from pg_type") {
			oid, name, _ := strings.Cut(l, " ")
			d.names[atoi(t, oid)] = name
		}
		if i%7 == 0 { // now and then, so that several transactions are read with what is known at the end of the last
			f.catchUp(t, 0)
		}
	}
	flush(t, conn)
	f.catchUp(t, 0)
	check(t, s, f, map[string]*pgx.Conn{"": conn}, "in the end")

	want := ask(t, conn, `select data from pg_logical_slot_get_changes('oracle', null, null, 'include-xids', '0', 'skip-empty-xacts', '1')
		where data not in ('BEGIN', 'COMMIT') and data !~ '(: TRUNCATE:|^message:)'`)
	for i := range max(len(want), len(d.lines)) {
		got, oracle := "nothing", "nothing"
		if i < len(d.lines) {
			got = d.lines[i]
		}
		if i < len(want) {
			oracle = want[i]
		}
		if got != oracle {
			t.Fatalf("row %d of %d:\n got %.500s\nwant %.500s", i, len(want), got, oracle)
		}
	}
	for _, line := range []string{
		"create public.cl", "alter public.cl", "drop public.cl", "create public.rn", "alter public.rn2", "alter other.rn2",
		"create public.q1", "drop public.q1", "create public.pa1", "alter public.dd", "create public.ct",
	} {
		if !tables[line] {
			t.Errorf("nothing was told of %q", line)
		}
	}
	for line := range tables {
		if strings.Contains(line, "pg_temp") || strings.Contains(line, "rb") {
			t.Errorf("%q was told of", line)
		}
	}
	t.Logf("%d rows", len(want))
}

// one cuts what psql would send as several messages: VACUUM and others may not be in
// one with others.
func one(sql string) []string {
	if strings.HasPrefix(sql, "do ") || strings.HasPrefix(sql, "create procedure") || strings.Contains(sql, "\n") {
		return []string{sql}
	}
	return strings.Split(sql, "; ")
}

// decoder writes rows as test_decoding does.
type decoder struct {
	t     *testing.T
	names map[uint32]string // of types
	toast heap.Toast
	lines []string
}

func (d *decoder) row(v *catalog.View, r *heap.Row) {
	relation, ok := v.Relation(r.Relation)
	if !ok || relation.System() || relation.Rewrite != 0 || r.Kind == heap.Truncate {
		return
	}
	if relation.IsToast {
		if r.Kind == heap.Insert {
			if err := d.toast.Add(&r.New); err != nil {
				d.t.Error(err)
			}
		}
		return
	}
	if relation.Kind == 'm' {
		return
	}
	line := fmt.Sprintf("table %s.%s: %s:", relation.Schema, relation.Name, strings.ToUpper(r.Kind.String()))
	old := func() string { return d.columns(relation, &r.Old, r.OldIsKey, true) }
	switch {
	case r.Kind == heap.Insert:
		line += d.columns(relation, &r.New, false, false)
	case r.Kind == heap.Update && r.HasOld:
		line += " old-key:" + old() + " new-tuple:" + d.columns(relation, &r.New, false, false)
	case r.Kind == heap.Update:
		line += d.columns(relation, &r.New, false, false)
	case r.HasOld:
		line += old()
	default:
		line += " (no-tuple-data)"
	}
	d.lines = append(d.lines, line)
	if r.ClearToast {
		d.toast.Clear()
	}
}

func (d *decoder) columns(r *catalog.Relation, tuple *heap.Tuple, key, skipNulls bool) string {
	datums, err := tuple.Deform(nil, r.Columns)
	if err != nil {
		d.t.Fatalf("%s.%s: %v", r.Schema, r.Name, err)
	}
	var b strings.Builder
	for i, x := range datums {
		if r.Index[i] < 0 {
			continue
		}
		c := r.Table.Columns[r.Index[i]]
		if x.Kind == heap.Missing && !key && r.Missing[i] != nil {
			x = heap.Datum{Kind: heap.Inline, Bytes: r.Missing[i]}
		}
		text := "null"
		switch {
		case x.Kind == heap.Null, x.Kind == heap.Missing:
			if skipNulls {
				continue
			}
		case x.Kind == heap.External:
			v, ok, err := d.toast.Value(x.Pointer)
			if err != nil {
				d.t.Fatal(err)
			}
			text = "unchanged-toast-datum"
			if ok {
				text = d.text(c.Type, v)
			}
		default:
			text = d.text(c.Type, x.Bytes)
		}
		fmt.Fprintf(&b, " %s[%s]:%s", c.Name, d.names[c.Type.OID], text)
	}
	return b.String()
}

func (d *decoder) text(typ *value.Type, b []byte) string {
	v, err := value.Decode(typ, b)
	if err != nil {
		d.t.Fatalf("%s: %v", typ.Name, err)
	}
	text := string(value.AppendText(nil, typ, v))
	if slices.Contains([]string{"int2", "int4", "int8", "float4", "float8", "numeric"}, typ.Name) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}
