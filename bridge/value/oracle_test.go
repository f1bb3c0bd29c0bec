package value_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// oracle is a server that shows what it has on its pages.
type oracle struct {
	conn    *pgx.Conn
	types   map[uint32]*value.Type
	cluster *pglite.Cluster // nil for a native one
}

// newOracle is a native one.
func newOracle(t testing.TB) *oracle {
	t.Helper()
	server := need.StartNative(t, "autovacuum=off")
	cfg, err := pgx.ParseConfig(server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	return connect(t, cfg)
}

// newCluster is Howdah's own server as an oracle.
func newCluster(t testing.TB) *oracle {
	t.Helper()
	c, err := pglite.Open(t.Context(), pglite.Options{MaxBackends: 1, NoHousekeeping: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	cfg, err := driver.ConnConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	o := connect(t, cfg)
	o.cluster = c
	return o
}

func connect(t testing.TB, cfg *pgx.ConnConfig) *oracle {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	o := &oracle{conn: conn, types: map[uint32]*value.Type{}}
	o.exec(t, "create extension pageinspect")
	o.exec(t, "set datestyle = 'ISO'; set intervalstyle = 'postgres'; set timezone = 'UTC'; set extra_float_digits = 1; set bytea_output = 'hex'; set lc_monetary = 'C'")
	return o
}

func (o *oracle) exec(t testing.TB, sql string) {
	t.Helper()
	if _, err := o.conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// datum is a value as the server has it: on its page, and as its output and send
// functions write it.
type datum struct {
	disk   []byte
	text   string
	binary []byte // nil if the type has none
}

// store puts values of a type, given as text, on pages, and reads them back.
func (o *oracle) store(t testing.TB, typ string, texts []string) (*value.Type, []datum) {
	t.Helper()
	o.exec(t, fmt.Sprintf("drop table if exists v; create table v (v %s)", typ))
	o.keepInline(t)
	if _, err := o.conn.Exec(t.Context(), fmt.Sprintf("insert into v select v::%s from unnest($1::text[]) v", typ), texts); err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	return o.read(t)
}

// query puts what an expression gives for the numbers i from 1 to n on pages, and
// reads it back.
func (o *oracle) query(t testing.TB, typ, expression string, n int) (*value.Type, []datum) {
	t.Helper()
	o.exec(t, fmt.Sprintf("drop table if exists v; create table v (v %s)", typ))
	o.keepInline(t)
	o.exec(t, fmt.Sprintf("insert into v select %s from generate_series(1, %d) i", expression, n))
	return o.read(t)
}

// keepInline has values neither compressed nor out of line.
func (o *oracle) keepInline(t testing.TB) {
	t.Helper()
	o.exec(t, `do $$ begin
		if (select typstorage <> 'p' from pg_attribute join pg_type y on y.oid = atttypid where attrelid = 'v'::regclass and attname = 'v') then
			alter table v alter v set storage external;
		end if;
	end $$`)
}

func (o *oracle) read(t testing.TB) (*value.Type, []datum) {
	t.Helper()
	ctx := t.Context()
	var oid uint32
	if err := o.conn.QueryRow(ctx, "select atttypid from pg_attribute where attrelid = 'v'::regclass and attname = 'v'").Scan(&oid); err != nil {
		t.Fatal(err)
	}
	typ := o.typeByOID(t, oid)
	var pages [][]byte
	rows, err := o.conn.Query(ctx, `select t_data from generate_series(0, pg_relation_size('v') / 8192 - 1) b,
		heap_page_items(get_raw_page('v', b::int)) where lp_flags = 1 and t_infomask & 1 = 0 order by b, lp`)
	if err == nil {
		pages, err = pgx.CollectRows(rows, pgx.RowTo[[]byte])
	}
	if err != nil {
		t.Fatal(err)
	}
	column := func(format int16) [][]byte {
		r := o.conn.PgConn().ExecParams(ctx, "select v from v where v is distinct from null order by ctid", nil, nil, nil, []int16{format}).Read()
		if r.Err != nil {
			if format == 1 {
				return make([][]byte, len(pages))
			}
			t.Fatal(r.Err)
		}
		var column [][]byte
		for _, row := range r.Rows {
			column = append(column, row[0])
		}
		return column
	}
	texts, binaries := column(0), column(1)
	if len(texts) != len(pages) || len(binaries) != len(pages) {
		t.Fatalf("%d values on the pages of %d", len(pages), len(texts))
	}
	data := make([]datum, len(pages))
	for k, p := range pages {
		data[k] = datum{unwrap(t, typ, p), string(texts[k]), binaries[k]}
	}
	return typ, data
}

// unwrap takes the first column's value out of a tuple's data.
func unwrap(t testing.TB, typ *value.Type, b []byte) []byte {
	t.Helper()
	switch {
	case typ.Length > 0:
		return b[:typ.Length]
	case b[0]&1 == 1 && b[0] != 1:
		return b[1 : b[0]>>1]
	case b[0]&3 == 0:
		return b[4 : binary.LittleEndian.Uint32(b)>>2]
	}
	t.Fatalf("a value of %s is compressed or out of line", typ.Name)
	return nil
}

// typeByOID reads a type from the catalogs, once.
func (o *oracle) typeByOID(t testing.TB, oid uint32) *value.Type {
	t.Helper()
	if typ, ok := o.types[oid]; ok {
		return typ
	}
	typ := &value.Type{OID: oid}
	o.types[oid] = typ
	ctx := t.Context()
	var typtype, typalign, delim, subscript string
	var elem, base, rel, sub uint32
	err := o.conn.QueryRow(ctx, `select nspname, typname, typtype::text, typlen, typalign::text, typbyval, typdelim::text, typoutput::oid, typelem, typbasetype, typrelid,
			typsubscript::text, coalesce((select rngsubtype from pg_range where rngtypid = t.oid), (select rngtypid from pg_range where rngmultitypid = t.oid), 0)
		from pg_type t join pg_namespace n on n.oid = typnamespace where t.oid = $1`, oid).
		Scan(&typ.Schema, &typ.Name, &typtype, &typ.Length, &typalign, &typ.ByVal, &delim, &typ.Output, &elem, &base, &rel, &subscript, &sub)
	if err != nil {
		t.Fatal(err)
	}
	typ.Align, typ.Delim = typalign[0], delim[0]
	switch {
	case typtype == "d":
		typ.Kind, typ.Elem = value.DomainKind, o.typeByOID(t, base)
	case typtype == "e":
		typ.Kind, typ.Labels = value.EnumKind, o.labels(t, oid)
	case typtype == "c":
		typ.Kind, typ.Fields = value.CompositeKind, o.fields(t, rel)
	case typtype == "r":
		typ.Kind, typ.Elem = value.RangeKind, o.typeByOID(t, sub)
	case typtype == "m":
		typ.Kind, typ.Elem = value.MultirangeKind, o.typeByOID(t, sub)
	case subscript == "array_subscript_handler" && typ.Length == -1:
		typ.Kind, typ.Elem = value.ArrayKind, o.typeByOID(t, elem)
	}
	return typ
}

func (o *oracle) labels(t testing.TB, oid uint32) map[uint32]string {
	t.Helper()
	labels := map[uint32]string{}
	rows, err := o.conn.Query(t.Context(), "select oid, enumlabel from pg_enum where enumtypid = $1", oid)
	if err == nil {
		var id uint32
		var label string
		_, err = pgx.ForEachRow(rows, []any{&id, &label}, func() error { labels[id] = label; return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	return labels
}

func (o *oracle) fields(t testing.TB, rel uint32) (fields []value.Field) {
	t.Helper()
	rows, err := o.conn.Query(t.Context(), `select attname, atttypid, atttypmod, attisdropped, attlen, attalign::text from pg_attribute
		where attrelid = $1 and attnum > 0 order by attnum`, rel)
	if err != nil {
		t.Fatal(err)
	}
	var types []uint32
	var f value.Field
	var oid uint32
	var typalign string
	_, err = pgx.ForEachRow(rows, []any{&f.Name, &oid, &f.Typmod, &f.Dropped, &f.Length, &typalign}, func() error {
		f.Align = typalign[0]
		fields, types = append(fields, f), append(types, oid)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for k, oid := range types {
		if !fields[k].Dropped {
			fields[k].Type = o.typeByOID(t, oid)
		}
	}
	return fields
}

// compare checks each value: what Decode makes of the page has the server's text and
// binary form, and Parse makes the same of that text.
func compare(t *testing.T, typ *value.Type, data []datum) {
	t.Helper()
	if len(data) == 0 {
		t.Fatal("no values")
	}
	wrong := 0
	for _, d := range data {
		if err := compareOne(typ, d); err != nil {
			t.Errorf("%s %s (% x): %v", typ.Name, clip(d.text), d.disk[:min(64, len(d.disk))], err)
			if wrong++; wrong == 10 {
				t.FailNow()
			}
		}
	}
}

func compareOne(typ *value.Type, d datum) error {
	v, err := value.Decode(typ, d.disk)
	if err != nil {
		return err
	}
	return compareForms(typ, v, d)
}

// compareForms compares what is written of a value.
func compareForms(typ *value.Type, v any, d datum) error {
	if got := string(value.AppendText(nil, typ, v)); got != d.text {
		return fmt.Errorf("written as %s", clip(got))
	}
	parsed, err := value.Parse(typ, d.text)
	if err != nil {
		return fmt.Errorf("parse: %w", err)
	}
	if !same(parsed, v) {
		return fmt.Errorf("decoded %#v, parsed %#v", v, parsed)
	}
	if d.binary == nil {
		return nil
	}
	b, ok := value.AppendBinary(nil, typ, v)
	switch {
	case !ok && !textOnly(typ):
		return errors.New("no binary form")
	case ok && string(b) != string(d.binary):
		return fmt.Errorf("binary % x, and the server's is % x", b, d.binary)
	}
	return nil
}

// textOnly tells whether a type's binary form is left to text.
func textOnly(typ *value.Type) bool {
	switch typ.Kind {
	case value.Base:
		return strings.HasPrefix(typ.Name, "ts")
	case value.CompositeKind:
		for _, f := range typ.Fields {
			if !f.Dropped && textOnly(f.Type) {
				return true
			}
		}
		return false
	case value.EnumKind:
		return false
	}
	return textOnly(typ.Elem)
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

// same is equality of values, with one NaN and two zeros.
func same(a, b any) bool {
	switch a := a.(type) {
	case float32:
		b, ok := b.(float32)
		return ok && (math.Float32bits(a) == math.Float32bits(b) || a != a && b != b)
	case float64:
		b, ok := b.(float64)
		return ok && (math.Float64bits(a) == math.Float64bits(b) || a != a && b != b)
	case *value.Array:
		b, ok := b.(*value.Array)
		return ok && reflect.DeepEqual(a.Dims, b.Dims) && all(a.Elements, b.Elements)
	case *value.Record:
		b, ok := b.(*value.Record)
		return ok && reflect.DeepEqual(a.Names, b.Names) && all(a.Values, b.Values)
	case *value.Range:
		b, ok := b.(*value.Range)
		return ok && a.Empty == b.Empty && a.LowerClosed == b.LowerClosed && a.UpperClosed == b.UpperClosed &&
			same(a.Lower, b.Lower) && same(a.Upper, b.Upper)
	case *value.Multirange:
		b, ok := b.(*value.Multirange)
		if !ok || len(*a) != len(*b) {
			return false
		}
		for k := range *a {
			if !same((*a)[k], (*b)[k]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

func all(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if !same(a[k], b[k]) {
			return false
		}
	}
	return true
}
