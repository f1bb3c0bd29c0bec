package value_test

import (
	"strings"
	"testing"
)

// madeTypes are what the tests of arrays, composites, ranges and enums are made of.
const madeTypes = `
	create type mood as enum ('sad', 'so so', '', 'NULL', 'a,b', '{"x\y"}', 'ö');
	create domain few as int check (value between -100 and 100);
	create domain fews as few[];
	create type pair as (a int, "B b" text);
	create domain pairs as pair;
	create type mixed as (c "char", i8 int8, b bool, i2 int2, n numeric, m mood, t text, d date, f few, p pair, ps pair[], u uuid, f4 float4, j jsonb, ts timestamptz, r int4range);
	create type textrange as range (subtype = text, collation = "C");
	create type moodrange as range (subtype = mood);
	create type pairrange as range (subtype = pair);
	create type fewrange as range (subtype = few);
	create type nothing as ();
	create type outer_type as (m mixed, ms moodmultirange, a text[], tr textrange)`

var made = []struct {
	typ   string
	texts []string
}{
	{"mood", []string{"sad", "so so", "", "NULL", "a,b", `{"x\y"}`, "ö"}},
	{"mood[]", []string{"{}", `{sad,"so so","","NULL",NULL,"a,b",ö}`, `{"{\"x\\y\"}"}`}},
	{"few", []string{"-100", "7"}},
	{"fews", []string{"{}", "{1,NULL,-3}", "[2:3]={4,5}"}},
	{"int4[]", []string{"{}", "{1}", "{NULL}", "{1,NULL,3}", "{{1,2},{3,NULL}}", "[0:1]={1,2}", "[-3:-2][5:5]={{1},{2}}", "{{{{{{1}}}}}}", "[1:1][-2:-1]={{1,2}}"}},
	{"int2[]", []string{"{1,2,3}", "{NULL,1,NULL,2}"}},
	{"int8[]", []string{"{1,2,3}", "{NULL,1,NULL,2}", "{NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,9}"}},
	{"bool[]", []string{"{t,f,NULL}"}},
	{`"char"[]`, []string{`{a,"",NULL,\\377}`}},
	{"text[]", []string{`{"",NULL,"NULL",nULl2,"null",a b,"a,b","{","}","\"","\\"," x","x\t",ß}`, `{{a,b},{"c d",NULL}}`}},
	{"name[]", []string{`{a,"b c",NULL}`}},
	{"box[]", []string{"{(1,1),(0,0);(2,2),(1,1)}"}},
	{"point[]", []string{`{"(1,1)",NULL,"(0,0)"}`}},
	{"polygon[]", []string{`{"((0,0),(1,1))",NULL}`}},
	{"numeric[]", []string{"{1.50,NULL,-0.001,NaN}"}},
	{"jsonb[]", []string{`{"{\"a\": 1}",null,"\"null\""}`}},
	{"bytea[]", []string{`{"\\x","\\x00ff",NULL}`}},
	{"interval[]", []string{`{"1 day",NULL,"-00:00:01"}`}},
	{"timetz[]", []string{`{01:02:03+01,NULL}`}},
	{"inet[]", []string{`{1.2.3.4,NULL,::1/64}`}},
	{"varbit[]", []string{`{101,"",NULL}`}},
	{"tsvector[]", []string{`{"'a':1 'b'",NULL}`}},
	{"uuid[]", []string{"{00000000-0000-0000-0000-000000000001,NULL}"}},
	{"int2vector[]", []string{`{"1 2",""}`}},
	{"pair", []string{"(,)", "(1,)", `(,"")`, `(1,"a b")`, `(-2,"a""b\\c,(d)")`, "(3,x)"}},
	{"pairs", []string{"(1,x)", "(,)"}},
	{"pair[]", []string{`{"(1,x)",NULL,"(,)","(2,\"a b\")"}`, `{"(1,\"a\"\"b\\\\c\")"}`}},
	{"pairs[]", []string{`{"(1,x)",NULL}`}},
	{"nothing", []string{"()"}},
	{"mixed", []string{
		`(a,1,t,2,3.50,"so so","x y",2020-01-01,5,"(1,""b """"c"")","{""(1,x)"",NULL}",00000000-0000-0000-0000-000000000001,1.5,"{""a"": 1}","2020-01-01 00:00:00+00","[1,3)")`,
		"(,,,,,,,,,,,,,,,)", "(b,,,,,,,,,,,,,,,empty)", `(,-1,,,1e400,,,,,"(,)",{},,,,,)`}},
	{"outer_type", []string{`("(b,,f,,,sad,,,,,,,,,,)","{[sad,""so so""]}","{a,NULL}","[a,""b c"")")`, "(,{},,)"}},
	{"outer_type[]", []string{`{"(\"(b,,f,,,sad,,,,,,,,,,)\",,,)",NULL}`}},
	{"int4range", []string{"empty", "[1,5)", "(,)", "(,5)", "[1,)", "[-2147483648,2147483647)"}},
	{"int8range", []string{"empty", "[1,5)", "(,5)", "[1,)"}},
	{"numrange", []string{"empty", "[1.50,5]", "(1,2)", "(,5.0]", "[1,)", "[-Infinity,Infinity]"}},
	{"daterange", []string{"[2020-01-01,2020-02-01)", "[infinity,)", "(,-infinity)", `["0044-03-15 BC",2020-02-01)`}},
	{"tsrange", []string{`["2020-01-01 00:00:00","2020-01-01 00:00:00.5"]`, `(,"2020-01-01 00:00:00")`}},
	{"tstzrange", []string{`["2020-01-01 00:00:00+00",infinity)`}},
	{"textrange", []string{`["",a]`, `[a b,"c\"d\\e,f")`, "(,x]", `["(]","[)"]`}},
	{"moodrange", []string{"[sad,NULL]", `["",ö)`}},
	{"pairrange", []string{`["(1,x)","(2,\"a b\")")`}},
	{"fewrange", []string{"[1,5]", "(1,5)"}},
	{"int4multirange", []string{"{}", "{[1,2),[5,9)}", "{(,1),[5,)}", "{(,)}"}},
	{"textmultirange", []string{`{["",a],[b,"c d"],["c,d}{e",f)}`, "{}", "{(,)}"}},
	{"tstzmultirange", []string{`{["2020-01-01 00:00:00+00","2020-01-02 00:00:00+00"),["2021-01-01 00:00:00+00",)}`}},
	{"nummultirange", []string{`{[1,2.5],(3,4),[5,6],[7,8],[9,10],[11,12],[13,14],[15,16],[17,18.000]}`}},
	{"int4range[]", []string{`{"[1,5)",empty,NULL}`}},
	{"int4multirange[]", []string{`{"{[1,5),[7,8)}",NULL,"{}"}`}},
}

func TestMade(t *testing.T) {
	o := newOracle(t)
	o.exec(t, madeTypes)
	total := 0
	for _, m := range made {
		t.Run(m.typ, func(t *testing.T) {
			typ, data := o.store(t, m.typ, m.texts)
			compare(t, typ, data)
			total += len(data)
		})
	}
	for _, q := range []struct{ typ, expression string }{
		{"int4[]", "array(select nullif(j, 3) from generate_series(1, i) j)"},
		{"text[]", "array(select case when j % 5 <> 0 then repeat(chr(32 + j), j % 7) end from generate_series(1, i) j)"},
		{"int8multirange", "(select range_agg(int8range(j * 10, j * 10 + j)) from generate_series(1, i) j)"},
		{"textmultirange", "(select range_agg(textrange(chr(64 + j) || 'a', chr(64 + j) || repeat('b', j))) from generate_series(1, i % 50 + 1) j)"},
		{"pair", "row(i, repeat('x', i))::pair"},
	} {
		t.Run("many "+q.typ, func(t *testing.T) {
			typ, data := o.query(t, q.typ, q.expression, 100)
			compare(t, typ, data)
			total += len(data)
		})
	}
	t.Logf("%d values", total)
}

// TestAlteredComposite reads composites that were written before their type has lost
// and got attributes.
func TestAlteredComposite(t *testing.T) {
	o := newOracle(t)
	o.exec(t, "create type shape as (a int, gone text, also int8, z text); create table v (v shape)")
	o.exec(t, "insert into v values ((1, 'old', 2, 'z')), ((2, null, null, null)), (null), ((3, 'x', null, 'y'))")
	o.exec(t, "alter type shape drop attribute gone; alter type shape drop attribute also; alter type shape add attribute more timestamptz; alter type shape rename attribute z to zz")
	o.exec(t, "insert into v values ((1, 'new', '2020-01-01')), (null), ((5, null, null))")
	typ, data := o.read(t)
	compare(t, typ, data)
	if len(data) != 5 || !strings.HasPrefix(data[0].text, "(1,z,") {
		t.Errorf("read %d values, the first %v", len(data), data[0].text)
	}
}

// TestCompressedComposite reads a composite made of a row with a compressed column.
func TestCompressedComposite(t *testing.T) {
	o := newOracle(t)
	o.exec(t, "create table strip (a int, t text, j jsonb); create table v (v strip)")
	o.exec(t, "insert into strip select i, repeat(i || ' and so on ', 1000), to_jsonb(array_fill(i, array[500])) from generate_series(1, 20) i")
	o.exec(t, "insert into v select strip from strip")
	typ, data := o.read(t)
	compare(t, typ, data)
	if len(data[0].disk) > len(data[0].text)/4 {
		t.Errorf("%d bytes for a text of %d: nothing is compressed", len(data[0].disk), len(data[0].text))
	}
}

// TestOwnPages reads what this build of Postgres, of 32 bits, has on its pages.
func TestOwnPages(t *testing.T) {
	o := newCluster(t)
	total := 0
	for _, c := range corpus {
		if c.typ == "xml" { // is not built in
			continue
		}
		t.Run(c.typ, func(t *testing.T) {
			typ, data := o.store(t, c.typ, c.texts)
			compare(t, typ, data)
			typ, more := o.query(t, c.typ, c.expression, 30)
			compare(t, typ, more)
			total += len(data) + len(more)
		})
	}
	o.exec(t, madeTypes)
	for _, m := range made {
		t.Run(m.typ, func(t *testing.T) {
			typ, data := o.store(t, m.typ, m.texts)
			compare(t, typ, data)
			total += len(data)
		})
	}
	t.Logf("%d values", total)
}
