create table t (a int, b text, c numeric(5,2) default 1.5, d timestamp);
copy t from stdin;
\data
1	one	1.25	2024-01-01 00:00:00
2	\N	\N	\N
3	tab\there\\ and \n newline	-3	infinity
4	é日本	0	2024-02-29
\.
copy t to stdout;
copy t (b, a) to stdout with (format csv, header, quote '''', force_quote (b), null 'NULL');
copy t to stdout csv delimiter ';' header;
copy t (a, b) to stdout (delimiter '|', null 'nil');
copy (select a, b from t where a < 3 order by a desc) to stdout;
copy (delete from t where a = 4 returning a) to stdout;
copy t (a, b) to stdout (format binary);
copy t from stdin (format csv);
\data
10,"quoted ""x"", comma",5.5,2024-01-01
11,,,
12,"multi
line",1,
13,"",2,
\.
copy t (a, b) from stdin (format csv, header match, null 'NA', force_not_null (b));
\data
a,b
20,NA
NA,x
\.
copy t (a, b) from stdin (format csv, header match);
\data
a,wrong
1,x
\.
copy t (a, b) from stdin (format csv, header true, delimiter ';', quote '|', escape '\');
\data
x;y
21;|a \| b|
\.
copy t (a, b) from stdin (format csv, force_null (b), default 'DEF');
\data
22,""
23,DEF
\.
copy t from stdin (default '\D');
\data
24	x	\D	\N
\.
select * from t order by a nulls first;
copy t from stdin;
\data
30	x
\.
copy t from stdin;
\data
30	x	1	2024-01-01	extra
\.
copy t from stdin;
\data
31	ok	1	\N
x32	bad	1	\N
33	never	1	\N
\.
copy t from stdin;
\data
34	ok	1234567	\N
\.
copy t from stdin;
\data
35	ok	1	notadate
\.
copy t from stdin;
\data
36	a
\! client failed: reason
copy t from stdin;
\data
\.
copy t from stdin (on_error ignore, log_verbosity verbose);
\data
40	ok	1	\N
x41	bad	1	\N
42	bad	1	notadate
43	ok	2	\N
\.
copy t from stdin (on_error ignore, reject_limit 1);
\data
x41	bad	1	\N
y41	bad	1	\N
\.
copy t (a, b) from stdin where a > 50;
\data
50	no
51	yes
\.
copy t (a, b) from stdin (format csv);
\data
60,"unterminated
\.
copy t (a, b) from stdin (format csv);
\data
61,a,b
\.
copy t (a, b) from stdin;
\data hex
363209c3280a
\.
copy t (a, b) from stdin;
\data hex
36330961620d0a
\.
copy t (a, b) from stdin;
\data hex
363309
6162
0a36
34096364
\.
copy t (a, b) from stdin;
\data hex
36350961000a
\.
copy t (a, b) from stdin (encoding 'nosuch');
copy t (a, b) from stdin (format binary);
\data hex
5047434f50590aff0d0a00 00000000 00000000
0002 00000004 00000046 00000003 616263
0002 00000004 00000047 ffffffff
ffff
\.
copy t (a, b) from stdin (format binary);
\data hex
5047434f50590aff0d0a00 00000000 00000000
0002 00000002 0046 00000003 616263
ffff
\.
copy t (a, b) from stdin (format binary);
\data hex
5047434f50590aff0d0a00 00000000 00000000
0003 00000004 00000046 00000003 616263 ffffffff
ffff
\.
copy t (a, b) from stdin (format binary);
\data
not binary
\.
copy t (a, b) from stdin (format binary);
\data hex
5047434f50590aff0d0a00 00000000 00000000
0002 00000004 000000
\.
select a, b from t where a >= 60 order by a;
begin;
copy t (a) from stdin;
\data
80
\.
copy t (a) from stdin;
\data
bad
\.
select 1;
rollback;
copy t (a) from stdin\; select count(*) from t where a = 81\; copy t (a) to stdout;
\data
81
\.
create table strict (a int primary key, b text not null check (length(b) < 5), g int generated always as (a * 2) stored);
copy strict from stdin;
\data
1	ab
2	abcdef
\.
copy strict from stdin;
\data
1	ab
1	cd
\.
copy strict from stdin;
\data
1	\N
\.
copy strict (a, g) from stdin;
copy strict (g) to stdout;
copy strict (a, a) from stdin;
create table part (a int) partition by range (a);
create table part1 partition of part for values from (0) to (10);
copy part from stdin;
\data
5
6
\.
copy part from stdin;
\data
5
50
\.
copy part to stdout;
copy (select * from part) to stdout;
create view v as select a from t;
copy v to stdout;
copy v from stdin;
\data
1
\.
copy (select 1, 'a,b', null) to stdout csv;
copy (select '\.') to stdout;
copy (select E'a\\.b\b\f\v') to stdout;
copy (select 'x' into nosuch) to stdout;
copy (select 1/0) to stdout;
copy (select 1 / (3 - x) from generate_series(1, 5) x) to stdout;
copy (select generate_series(1, 3), repeat('z', 10)) to stdout (format binary);
copy (select i, md5(i::text) from generate_series(1, 3000) i) to stdout;
copy (select null::int, true, '2024-01-01'::date, 1.5::numeric, array[1,2], '{"a":1}'::jsonb) to stdout (format binary);
copy t to program 'cat';
copy t from stdin (freeze);
\data
1	x	1	\N
\.
truncate t;
begin;
truncate t;
copy t from stdin (freeze);
\data
1	x	1	\N
\.
commit;
create trigger trg before insert on t for each row execute function suppress_redundant_updates_trigger();
copy t from stdin;
\data
9	x	1	\N
\.
