-- Tables that change their shape, in the middle of transactions too.

create table t (id int primary key, v text, n int);
insert into t values (1, 'one', 1), (2, repeat('two', 3000), 2), (3, null, null)

alter table t add d int default 42, add e text default 'fast'; insert into t values (4, 'four', 4); update t set n = 11 where id = 1; delete from t where id = 3

alter table t drop n; insert into t values (5, 'five'); update t set v = 'V' where id = 5; alter table t add m bigint; insert into t values (6, 'six', 1, 'x', 99)

begin; insert into t values (7, 'before'); alter table t add w int default 7; insert into t values (8, 'behind', 1, 'e', 2, 3); update t set w = 8 where id = 7; commit

begin; alter table t add x int; insert into t values (9, 'x', 1, 'e', 2, 3, 4); alter table t alter x type text; insert into t values (10, 'y', 1, 'e', 2, 3, 'four'); commit

begin; update t set v = 'rewritten' where id = 8; alter table t alter w type numeric; update t set v = 'once' where id = 8; alter table t alter w type text; update t set v = 'twice' where id = 8; commit

alter table t alter x type varchar(20) using x || '!'; update t set x = 'z' where id = 9

alter table t add u uuid default gen_random_uuid(); alter table t drop u; insert into t (id) values (11)

begin; alter table t replica identity full; update t set v = 'full' where id = 8; alter table t replica identity default; update t set v = 'default' where id = 8; commit

begin; savepoint a; alter table t add y int; insert into t (id, y) values (12, 1); rollback to a; alter table t add y text; insert into t (id, y) values (13, 'text'); commit

begin; create table never (a int); insert into never values (1); alter table t add z int; rollback; insert into t (id) values (14)

create table made as select 1 as a, 'b'::text as b; drop table made; create table made (z int primary key); insert into made values (5)

begin; insert into made values (6); drop table made; commit

begin; create table made (a int primary key); insert into made values (1); alter table made add b text default 'b'; insert into made values (2, 'c'); alter table made rename b to c; update made set c = 'd' where a = 1; commit

begin; truncate made; insert into made values (3, 't1'); savepoint x; truncate made; insert into made values (4, 't2'); rollback to x; insert into made values (5, 't3'); commit

begin; insert into made values (10, 'a'); cluster made using made_pkey; insert into made values (11, 'b'); commit

vacuum full made

insert into made values (12, 'behind vacuum full')

cluster made using made_pkey

update made set c = 'clustered' where a = 12

begin; insert into made values (13, 'r'); alter table made rename to remade; commit

begin; insert into remade values (14, 's'); create schema apart; alter table remade set schema apart; insert into apart.remade values (15, 't'); commit

insert into apart.remade values (16, 'u'); alter table apart.remade alter c type varchar; insert into apart.remade values (17, 'no rewrite')

reindex table apart.remade; update apart.remade set c = 'reindexed' where a = 16

create table toasted (id int primary key, a int, v text, w text); alter table toasted alter v set storage external, alter w set storage external;
insert into toasted values (1, 1, repeat('0123456789', 900), 'short'), (2, 2, 'short', repeat('abcdefghij', 700)), (3, 3, repeat('k', 3000), repeat('l', 3000))

update toasted set a = a + 1

update toasted set w = repeat('new', 1000) where id = 1; update toasted set id = 100 where id = 3

begin; update toasted set a = 0; alter table toasted alter a type bigint; update toasted set a = 7; insert into toasted values (4, 4, repeat('m', 2500), 'n'); commit

begin; update toasted set v = repeat('o', 2300) where id = 2; vacuum_is_no_statement; commit

alter table toasted replica identity full; update toasted set a = 8; delete from toasted where id = 1

create table compressed (id int primary key, v text, w text); insert into compressed values (1, repeat('easy ', 20000), (select string_agg(md5(g::text), '') from generate_series(1, 3000) g)),
 (2, repeat('x', 9000), (select string_agg(md5(g::text), '') from generate_series(1, 50) g))

update compressed set v = v || '!' where id = 1; update compressed set w = w || '?' where id = 2; delete from compressed where id = 1

insert into compressed values (5, repeat('up', 3000), 'x') on conflict (id) do update set v = excluded.v; insert into compressed values (5, (select string_agg(md5(g::text), '') from generate_series(1, 400) g), 'y') on conflict (id) do update set v = excluded.v, w = 'conflict'

create table keyed (k text primary key, n int); alter table keyed alter k set storage external; insert into keyed values (repeat('key', 800), 1); update keyed set n = 2; update keyed set k = 'short'; delete from keyed

create table plainly (id int primary key, v text); alter table plainly alter v set storage plain; insert into plainly values (1, repeat('p', 7000)), (2, repeat('q', 7000)); update plainly set v = repeat('r', 7500) where id = 1

create table wide (c0 int primary key); do $$ begin for i in 1..70 loop execute format('alter table wide add c%s int', i); end loop; end $$; insert into wide (c0, c70) values (1, 70); insert into wide (c0, c8) values (2, 8); update wide set c9 = 9

do $$ begin for i in 1..69 loop execute format('alter table wide drop c%s', i); end loop; end $$; insert into wide values (3, 71); delete from wide where c0 = 1

vacuum full pg_class

vacuum full pg_attribute

vacuum full pg_type

insert into t (id) values (20); create table late (a int primary key); insert into late values (1); alter table late add b int default 2; update late set a = 3

create type level as enum ('low', 'high'); create type point3 as (x int, y int, label text); create domain small as int check (value < 10); create type span as range (subtype = float8);
create table odd (id int primary key, l level, p point3, s small, r span, ls level[], ps point3[])

insert into odd values (1, 'high', (1, 2, 'a b'), 5, '[1.5,2.5)', '{low,high}', array[(1, 2, 'x')::point3, null])

begin; alter type level rename value 'high' to 'top'; insert into odd (id, l) values (2, 'top'); alter type level rename value 'top' to 'peak'; insert into odd (id, l) values (3, 'peak'); commit

alter type level add value 'mid' before 'peak'

insert into odd (id, l) values (4, 'mid'); alter type point3 add attribute z float8; insert into odd (id, p) values (5, (1, 2, 'l', 0.5))

alter type point3 drop attribute y; insert into odd (id, p, ps) values (6, (1, 'l', 0.5), array[(7, null, 'NaN')::point3])

create table everything (id int primary key, a int2, b int8, c float4, d float8, e numeric, f bool, g varchar(9), h char(5), i bytea, j uuid, k date, l timestamptz, m timestamp, n time, o timetz, p interval,
 q json, r jsonb, s int[], t text[], u inet, v "char", w name, x bit(5), y varbit, z point, aa int4range, bb tsvector, cc xid8, dd oid, ee cidr, ff macaddr, gg box, hh numeric(12, 4), ii int8multirange, jj tsquery, kk path, ll circle, mm pg_lsn)

insert into everything values (1, -3, 8000000000, 2.5, -0.125, 123.4560, true, 'var', 'ch', '\x00ff', '00112233-4455-6677-8899-aabbccddeeff', '2030-12-31', '2030-12-31 23:59:59.999999+05', '1999-01-01 00:00:01', '23:00', '23:00:00.5-03', '-1 year 3 days 00:00:01',
 '{"x" : 1}', '{"y": [1.50, {"z": null}, "s"]}', '[2:3]={7,null}', '{"a b",NULL,"q\"x"}', '10.9.8.7/16', 'c', 'a name', B'10010', B'1', '(3,4)', '(1,9]', 'some words:2A', '99', 4000000000, '10.0.0.0/8', '08:00:2b:01:02:03', '(3,4),(1,2)', '-7.25', '{[1,3),[5,)}', 'a & (b | !c)', '((0,0),(1,1))', '<(1,2),3>', 'A/B')

insert into everything (id) values (2)

insert into everything (id, d, e, k, l, c) values (3, 'Infinity', 'NaN', 'infinity', '-infinity', 'NaN'), (4, '-Infinity', '-Infinity', '-infinity', 'infinity', '-0'), (5, 5e-324, '-0.000001', '4713-01-01 BC', '4713-02-03 04:05:06 BC', 1e-40), (6, 0, 1e40, '5874897-12-31', '294276-12-31 23:59:59.999999+00', 3.4e38)
