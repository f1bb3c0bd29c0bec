package catalog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/catalog"
	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// TestSQL follows a cluster that changes its tables in all ways, and compares what is
// known with what queries say, on the way and in the end.
func TestSQL(t *testing.T) {
	for name, start := range servers() {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			conns := map[string]*pgx.Conn{"": s.open(t, "postgres")}
			flush(t, conns[""])
			f := follow(t, s.dir)
			check(t, s, f, conns, "at first")
			often := need.Choose(50, 5)
			for i, step := range script(t, "ddl.sql") {
				if conns[step.session] == nil {
					conns[step.session] = s.open(t, step.session)
				}
				exec(t, conns[step.session], step.sql)
				if i%often == often-1 {
					check(t, s, f, conns, step.sql)
				}
				if t.Failed() {
					return
				}
			}
			check(t, s, f, conns, "in the end")
			t.Logf("%d records, %d changes of catalogs, %d files and %d transactions known, %d bytes saved",
				f.records, f.ops, f.catalogs.Files(), f.catalogs.States(), len(f.catalogs.Save(nil)))
		})
	}
}

// check compares the follower with queries, with what is read anew, and with itself
// after a restart.
func check(t *testing.T, s *server, f *follower, conns map[string]*pgx.Conn, when string) {
	t.Helper()
	flush(t, conns[""])
	f.catchUp(t, 0)
	for database, conn := range conns {
		compare(t, f.catalogs, conn, strings.TrimSpace(when+" "+database))
	}
	f.restart(t)
	again, start := read(t, s.dir)
	f.catchUp(t, start.LSN) // queries log too: hints
	if at := f.reader.Position(); start.LSN != at {
		t.Errorf("%s: the log ends at %v, and reading it anew at %v", when, at, start.LSN)
	}
	same(t, when+", read anew", again.Dump(), f.catalogs.Dump(), "followed")
}

// compare compares with what queries say.
func compare(t *testing.T, c *catalog.Catalogs, conn *pgx.Conn, when string) {
	t.Helper()
	var database, tablespace uint32
	if err := conn.QueryRow(t.Context(), "select oid, dattablespace from pg_database where datname = current_database()").Scan(&database, &tablespace); err != nil {
		t.Fatal(err)
	}
	v := c.Begin(database)
	var relations, columns, kinds []string
	for _, oid := range ask(t, conn, "select oid::text from pg_class") {
		relations = append(relations, relationLine(t, v, atoi(t, oid)))
		columns = append(columns, columnLines(v, atoi(t, oid))...)
	}
	for _, oid := range ask(t, conn, "select oid::text from pg_type") {
		kinds = append(kinds, typeLine(v.Type(atoi(t, oid))))
	}
	same(t, when+": relations", relations, ask(t, conn, relationSQL), "by SQL")
	same(t, when+": columns", columns, ask(t, conn, columnSQL), "by SQL")
	same(t, when+": types", kinds, ask(t, conn, typeSQL), "by SQL")
	for _, l := range ask(t, conn, "select concat_ws(' ', oid, pg_relation_filenode(oid), case when relisshared then 1664 else coalesce(nullif(reltablespace, 0), $1::text::oid) end, case when relisshared then '0' else $2::text end) from pg_class where pg_relation_filenode(oid) is not null and not relisshared and relpersistence != 't'",
		fmt.Sprint(tablespace), fmt.Sprint(database)) {
		var oid uint32
		var at wal.Relation
		if _, err := fmt.Sscan(l, &oid, &at.Number, &at.Tablespace, &at.Database); err != nil {
			t.Fatal(err)
		}
		if r, ok := v.Relation(at); !ok || r.OID != oid {
			t.Errorf("%s: %v is not the file of %d", when, at, oid)
		}
	}
	var got []string
	for _, oid := range ask(t, conn, "select oid::text from pg_database") {
		name, _ := c.Database(atoi(t, oid))
		got = append(got, oid+" "+name)
	}
	for _, id := range ask(t, conn, "select roident::text from pg_replication_origin") {
		name, _ := c.Origin(uint16(atoi(t, id)))
		got = append(got, id+" "+name)
	}
	same(t, when+": databases and origins", got, ask(t, conn, "select oid || ' ' || datname from pg_database union all select roident || ' ' || roname from pg_replication_origin"), "by SQL")
}

// relationSQL and relationLine say the same of a relation, as do those of columns and
// of types.
const relationSQL = `select concat_ws(' ', c.oid, nspname, relname, relkind, relpersistence, relreplident, relrewrite)
	from pg_class c join pg_namespace n on n.oid = relnamespace`

func relationLine(t *testing.T, v *catalog.View, oid uint32) string {
	r, ok := v.ByOID(oid)
	if !ok {
		return fmt.Sprint(oid, " is not known")
	}
	if r.IsToast != (r.Kind == 't') || len(r.Missing) != len(r.Columns) || len(r.Index) != len(r.Columns) {
		t.Errorf("%s.%s does not agree with itself", r.Schema, r.Name)
	}
	return fmt.Sprintf("%d %s %s %c %c %c %d", oid, r.Schema, r.Name, r.Kind, r.Persistence, r.Identity, r.Rewrite)
}

const columnSQL = `select concat_ws(' ', attrelid, attnum, attlen, attalign, atthasmissing,
		case when attisdropped or attgenerated = 'v' then '-' else concat_ws(' ', attname, atttypid, atttypmod, attgenerated = 's', coalesce(
			relreplident = 'f' or attnum = any (select unnest(indkey[0:indnkeyatts - 1]) from pg_index
				where indrelid = attrelid and indisvalid and indimmediate and indisunique and indpred is null and case relreplident when 'd' then indisprimary when 'i' then indisreplident end), false)) end)
	from pg_attribute a join pg_class c on c.oid = attrelid where attnum > 0`

func columnLines(v *catalog.View, oid uint32) (lines []string) {
	r, ok := v.ByOID(oid)
	if !ok {
		return nil
	}
	for i, c := range r.Columns {
		shape := "-"
		if k := r.Index[i]; k >= 0 {
			c := r.Table.Columns[k]
			shape = fmt.Sprintf("%s %d %d %s %s", c.Name, c.Type.OID, c.Typmod, letter(c.Stored), letter(c.Key))
		}
		lines = append(lines, fmt.Sprintf("%d %d %d %c %s %s", oid, i+1, c.Length, c.Align, letter(r.Missing[i] != nil), shape))
	}
	return lines
}

func letter(b bool) string {
	if b {
		return "t"
	}
	return "f"
}

const typeSQL = `select concat_ws(' ', t.oid, nspname, typname, typlen, typalign, typbyval, typoutput::oid,
		case typtype when 'b' then case when typsubscript::oid = 6179 then 'array of ' || typelem else 'base' end
			when 'd' then 'domain over ' || typbasetype
			when 'e' then 'enum of ' || (select string_agg(e.oid || '=' || enumlabel, ',' order by e.oid) from pg_enum e where enumtypid = t.oid)
			when 'r' then 'range of ' || (select rngsubtype from pg_range where rngtypid = t.oid)
			when 'm' then 'multirange of ' || (select rngtypid from pg_range where rngmultitypid = t.oid)
			when 'c' then 'composite of ' || coalesce((select string_agg(case when attisdropped then '-' else attname || ' ' || atttypid || ' ' || atttypmod end || ' ' || attlen || ' ' || attalign::text, ',' order by attnum)
				from pg_attribute where attrelid = typrelid and attnum > 0), '')
			else 'base' end)
	from pg_type t join pg_namespace n on n.oid = typnamespace`

func typeLine(t *value.Type) string {
	line := fmt.Sprintf("%d %s %s %d %c %s %d ", t.OID, t.Schema, t.Name, t.Length, t.Align, letter(t.ByVal), t.Output)
	switch t.Kind {
	case value.ArrayKind:
		return line + fmt.Sprint("array of ", t.Elem.OID)
	case value.DomainKind:
		return line + fmt.Sprint("domain over ", t.Elem.OID)
	case value.EnumKind:
		var labels []string
		for oid, l := range t.Labels {
			labels = append(labels, fmt.Sprintf("%08d=%s", oid, l))
		}
		slices.Sort(labels)
		for i, l := range labels {
			labels[i] = strings.TrimLeft(l, "0")
		}
		return line + "enum of " + strings.Join(labels, ",")
	case value.RangeKind:
		return line + fmt.Sprint("range of ", t.Elem.OID)
	case value.MultirangeKind:
		return line + fmt.Sprint("multirange of ", t.Elem.OID)
	case value.CompositeKind:
		var fields []string
		for _, f := range t.Fields {
			what := "-"
			if !f.Dropped {
				what = fmt.Sprintf("%s %d %d", f.Name, f.Type.OID, f.Typmod)
			}
			fields = append(fields, fmt.Sprintf("%s %d %c", what, f.Length, f.Align))
		}
		return line + "composite of " + strings.Join(fields, ",")
	}
	return line + "base"
}

func ask(t *testing.T, conn *pgx.Conn, sql string, args ...any) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return lines
}

func atoi(t *testing.T, s string) (n uint32) {
	t.Helper()
	if _, err := fmt.Sscan(s, &n); err != nil {
		t.Fatal(err)
	}
	return n
}
