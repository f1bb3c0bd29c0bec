package value_test

import "testing"

// corpus are values of each type at its edges, and an expression over i that makes
// many more.
var corpus = []struct {
	typ        string
	texts      []string
	expression string
}{
	{"bool", []string{"t", "f"}, "i % 2 = 0"},
	{"int2", []string{"0", "-1", "32767", "-32768"}, "i * 131 - 20000"},
	{"int4", []string{"0", "-1", "2147483647", "-2147483648"}, "(random() * 4e9 - 2e9)::int"},
	{"int8", []string{"0", "-1", "9223372036854775807", "-9223372036854775808"}, "(random() * 1e19 - 5e18)::int8"},
	{"oid", []string{"0", "4294967295", "2147483648"}, "i"},
	{"xid", []string{"0", "4294967295", "3"}, "i::text::xid"},
	{"cid", []string{"0", "4294967295"}, "i::text::cid"},
	{"xid8", []string{"0", "18446744073709551615"}, "i::text::xid8"},
	{"tid", []string{"(0,0)", "(4294967295,65535)", "(65536,1)"}, "format('(%s,%s)', i * 4096, i)::tid"},
	{"pg_lsn", []string{"0/0", "FFFFFFFF/FFFFFFFF", "1/2", "0/A0B0C0"}, "'0/0'::pg_lsn + i * 123456789012"},
	{"pg_snapshot", []string{"1:1:", "10:20:10,14,15", "10:18446744073709551000:"}, "format('%s:%s:%s', i, i + 5, i + 2)::pg_snapshot"},
	{"txid_snapshot", []string{"10:20:10,14,15"}, "format('%s:%s:%s', i, i + 5, i + 2)::txid_snapshot"},
	{"float4", []string{"0", "-0", "NaN", "Infinity", "-Infinity", "1e6", "999999", "1e-4", "1e-5", "3.4028235e38", "1.4e-45", "16777216", "33554432", "0.1", "8388608.5", "1.17549435e-38", "1234567.8"},
		"case i % 3 when 0 then (random() - 0.5)::float4 when 1 then ((random() - 0.5) * 10::float8 ^ (random() * 70 - 35))::float4 else (2::float8 ^ (i % 200 - 100))::float4 end"},
	{"float8", []string{"0", "-0", "NaN", "Infinity", "-Infinity", "1e15", "999999999999999", "123456789012345", "1e14", "1e-4", "1e-5", "1e23", "9007199254740993", "9007199254740992", "18014398509481984",
		"1.7976931348623157e308", "5e-324", "2.2250738585072014e-308", "0.1", "1e22", "8.41e21", "2e23", "4.35e22", "9.5e-7", "144115188075855870", "5708990770823839000"},
		"case i % 3 when 0 then random() - 0.5 when 1 then (random() - 0.5) * 10::float8 ^ (random() * 600 - 300) else 2::float8 ^ (i % 2000 - 1000) end"},
	{"numeric", []string{"0", "-0", "0.00", "NaN", "Infinity", "-Infinity", "1", "-1", "10000", "9999", "99999999", "100000000", "0.0001", "0.00010", "0.00001", "-0.1234567890", "12345678901234567890.123456789",
		"1e100", "1e-100", "1e253", "-1e300", "1.5e-16382", "1e2000", "0e-20", "1000000000000.0000000000000000", "1e63", "1e64", "3.14159265358979323846264338327950288419716939937510"},
		"round((random() - 0.5)::numeric * (10::numeric ^ (random() * 80 - 40)::int), i % 50)"},
	{"money", []string{"0", "-0.01", "0.5", "999.99", "1000", "-1234567.89", "92233720368547758.07", "-92233720368547758.08"}, "((random() - 0.5) * 1e12)::numeric::money"},
	{"text", []string{"", "a", "ß→😀", "a\tb\nc\\d\"e", "NULL"}, "repeat(chr(33 + i % 90), i)"},
	{"varchar(40)", []string{"", "some"}, "left(md5(i::text), i % 33)"},
	{"char(9)", []string{"", "a b", "wwwwwwwww"}, "left(md5(i::text), i % 9)"},
	{`"char"`, []string{"", "a", `\377`, `\200`, " ", `\`}, `chr(i % 127 + 1)::"char"`},
	{"name", []string{"", "a", "sixty-three bytes are what a name has at most and this is so lon"}, "md5(i::text)::name"},
	{"bytea", []string{"", `\x00ff`, `\xdeadbeef`}, "decode(repeat(md5(i::text), i % 5), 'hex')"},
	{"refcursor", []string{"c1", ""}, "i::text::refcursor"},
	{"xml", []string{"<a/>", "text", "<a b='c'>&lt;</a><d/>", ""}, "xmlelement(name e, i)"},
	{"uuid", []string{"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}, "md5(i::text)::uuid"},
	{"date", []string{"infinity", "-infinity", "2000-01-01", "1999-12-31", "4713-11-24 BC", "0001-12-31 BC", "0001-01-01", "5874897-12-31", "10000-01-01", "2024-02-29", "1900-02-28", "0044-03-15 BC", "0005-02-29 BC"},
		"'4713-12-01 BC'::date + i * 10731"},
	{"time", []string{"00:00", "24:00", "23:59:59.999999", "12:30:00.5", "00:00:00.000001"}, "'00:00'::time + random() * interval '1 day'"},
	{"timetz", []string{"00:00+00", "24:00-15:59", "23:59:59.999999+15:59", "12:30:00.5+05:30", "00:00:00.1-03:30:15", "01:00+00:00:30"}, "('00:00'::time + random() * interval '1 day')::timetz at time zone make_interval(mins => i % 900 - 450)"},
	{"timestamp", []string{"infinity", "-infinity", "2000-01-01 00:00", "1999-12-31 23:59:59.999999", "4714-11-24 00:00 BC", "0001-12-31 23:59:59.5 BC", "294276-12-31 23:59:59.999999", "2024-02-29 12:34:56.7"},
		"'4000-01-01 BC'::timestamp + random() * interval '200000 years'"},
	{"timestamptz", []string{"infinity", "-infinity", "2000-01-01 00:00+00", "1999-12-31 23:59:59.999999+05", "4714-11-24 00:00+00 BC", "0044-03-15 12:00:00.25+00 BC", "294276-12-31 23:59:59.999999+00"},
		"'4000-01-01 BC'::timestamptz + random() * interval '20000 years'"},
	{"interval", []string{"0", "infinity", "-infinity", "1 day", "-1 day", "1 mon -1 day", "-1 mon +1 day 00:00:01", "-1 year 1 day -00:00:01", "1 year 2 mons 3 days 04:05:06.789", "-1 year -2 mons +3 days -04:05:06.789",
		"100:00:00", "-00:00:00.000001", "2562047788:00:54.775807", "-2562047788:00:54.775807", "178956970 years 7 mons", "-178956970 years -8 mons", "2147483647 days", "1 mon 00:00:00.1", "11 mons -1 day 1 second"},
		"make_interval(years => (random() * 10 - 5)::int, months => (random() * 20 - 10)::int, days => (random() * 6 - 3)::int, secs => ((random() - 0.5) * 1e5)::numeric(20, 3))"},
	{"json", []string{`{"a" :  1}`, "null", `[1,  2]`, `"x"`}, `json_build_object('i', i)`},
	{"inet", []string{"0.0.0.0", "1.2.3.4/24", "255.255.255.255", "10.0.0.0/0", "::", "::1", "::1.2.3.4", "::ffff:1.2.3.4/96", "fe80::1/64", "1:0:0:2:0:0:0:3", "1:0:0:2:3:0:0:4", "1:2:3:4:5:6:7:8", "2001:db8::", "0:0:1::", "::2:3", "1::/128", "0:1:2:3:4:5:6:7"},
		"case when i % 2 = 0 then ('1.2.3.4/' || i % 33)::inet + i * 7919 else ('2001:' || to_hex(i) || '::' || to_hex(i % 5) || ':0:0:' || to_hex(i % 7) || '/' || i % 129)::inet end"},
	{"cidr", []string{"10.0.0.0/8", "1.2.3.4/32", "0.0.0.0/0", "::/0", "2001:db8::/32", "::1/128"}, "network(('10.1.2.3/' || i % 33)::inet)::cidr"},
	{"macaddr", []string{"08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"}, "left(md5(i::text), 12)::macaddr"},
	{"macaddr8", []string{"08:00:2b:01:02:03:04:05"}, "left(md5(i::text), 16)::macaddr8"},
	{"bit(11)", []string{"10101010101", "00000000000"}, "(i * 7)::bit(11)"},
	{"varbit", []string{"", "1", "10101010", "101010101"}, "left(repeat((i * 7919)::bit(32)::text, 3), i % 97)::varbit"},
	{"point", []string{"(0,0)", "(-1.5,1e300)", "(NaN,Infinity)"}, "point(random(), i)"},
	{"lseg", []string{"[(0,0),(1,-1)]"}, "lseg(point(random(), i), point(i, random()))"},
	{"box", []string{"(1,1),(0,0)"}, "box(point(random(), i), point(i, random()))"},
	{"line", []string{"{1,-1,0}", "{0,1,2.5}"}, "line(point(random(), i), point(i, random()))"},
	{"circle", []string{"<(0,0),1>", "<(1e30,-2),0>"}, "circle(point(random(), i), random())"},
	{"path", []string{"[(0,0),(1,1),(2,0)]", "((0,0),(1,1),(2,0))", "[(1,2)]"}, "format('((%s,%s),(%s,0))', i, random(), random())::path"},
	{"polygon", []string{"((0,0),(1,1),(2,0))", "((1,2))"}, "polygon(i % 9 + 2, circle(point(i, 0), random()))"},
	{"int2vector", []string{"", "1", "1 -2 3"}, "concat_ws(' ', i, -i)::int2vector"},
	{"oidvector", []string{"", "1", "1 4294967295 3"}, "concat_ws(' ', i, i * 2)::oidvector"},
	{"tsvector", []string{"", "a", "a:1 b:2A,3B,4C,5D c:16383", `'it''s':1 'back\\slash':2 'sp ace'`, "ab:1 abc:2,3"},
		"to_tsvector('english', (select string_agg(md5((i * j)::text) || ' the quick fox', ' ') from generate_series(1, i % 9) j))"},
	{"tsquery", []string{"", "a", "!a", "!!a", "a & b | c", "a & (b | c)", "a | b & !c", "a <-> b <2> c", "a <-> (b <-> c)", "(a <-> b) <-> c", "a <-> (b & c)", "(a | b) <-> !c", "!(a & b)", "a:* & b:AB & c:*D & d:ABCD", `'it''s' & 'b\\s'`, "a <0> b", "!(a <-> b)"},
		"(case i % 3 when 0 then 'a' || i || ' & (b | !c' || i || ':*)' when 1 then '!x <-> (y | z) <' || i % 99 || '> w:B' else 'a & b & (c | d & e) | !(f & g)' end)::tsquery"},
}

// jsonbs are texts and queries of jsonb values.
var jsonbs = []string{
	`null`, `true`, `false`, `0`, `-1.50`, `1e30`, `1E-10`, `""`, `"a"`, `{}`, `[]`, `[[]]`, `[{}]`, `{"a": {}}`, `[null, true, false, 1, "x", [1], {"a": 1}]`,
	`{"b": 1, "a": 2, "aa": 3, "": 4}`, `{"a": {"b": {"c": [1, 2, {"d": "e"}]}}}`, `"\u0001\u001f\b\f\n\r\t\"\\/\u007fß😀"`, `{"k\"\\\n": "v"}`,
	`[1, 22, 333, 4444, 55555, 1.5, 12345678901234567890, 0.00001]`, `{"x": 1, "y": [1.5, "str", 2], "z": null}`, `["abc", 1, "d", 2.5, "efghi", [3], "j", {"k": 4}]`,
}

func TestCorpus(t *testing.T) {
	o := newOracle(t)
	n := 300
	total := 0
	for _, c := range corpus {
		t.Run(c.typ, func(t *testing.T) {
			typ, data := o.store(t, c.typ, c.texts)
			compare(t, typ, data)
			typ, more := o.query(t, c.typ, c.expression, n)
			compare(t, typ, more)
			total += len(data) + len(more)
		})
	}
	t.Logf("%d values of %d types", total, len(corpus))
}

func TestJSONB(t *testing.T) {
	o := newOracle(t)
	typ, data := o.store(t, "jsonb", jsonbs)
	compare(t, typ, data)
	for _, expression := range []string{
		"jsonb_build_object('i', i, 'half', i / 2.0, 'name', md5(i::text), 'list', (select jsonb_agg(j) from generate_series(1, i % 70) j))",
		"(select jsonb_object_agg(chr(97 + j % 26) || j, case j % 4 when 0 then to_jsonb(j) when 1 then '\"s\"' when 2 then 'null' else jsonb_build_array(j, j::text) end) from generate_series(1, i % 40 + 1) j)",
		"to_jsonb((random() - 0.5)::numeric * 10 ^ (i % 40))",
		"(select to_jsonb(p) - 'prosrc' from pg_proc p order by oid offset i limit 1)",
		"(select jsonb_agg(jsonb_build_object('n', j::numeric / 7, 't', repeat('x', j))) from generate_series(1, i % 12) j)",
	} {
		typ, data := o.query(t, "jsonb", expression, 300)
		compare(t, typ, data)
	}
}
