-- files that change inside a transaction
create table cl (id int primary key, v text); insert into cl values (1, 'a'), (2, 'b');
begin; insert into cl values (3, 'c'); cluster cl using cl_pkey; insert into cl values (4, 'd'); commit;
begin; truncate cl; insert into cl values (5, 't1'); savepoint x; truncate cl; insert into cl values (6, 't2'); commit;
begin; insert into cl values (60, 'first'); truncate cl; insert into cl values (61, 'second'); savepoint x; truncate cl; insert into cl values (62, 'lost'); rollback to x; insert into cl values (63, 'third'); commit;
begin; alter table cl add column c int; insert into cl values (7, 'x', 70); alter table cl alter column c type text; insert into cl values (8, 'y', 'eighty'); commit;
begin; alter table cl add column dd int; insert into cl values (9, 'z', 'n', 90); drop table cl; commit;
-- names
create table rn (id int primary key, a text);
begin; insert into rn values (1, 'x'); alter table rn rename column a to b; insert into rn values (2, 'y'); alter table rn rename to rn2; insert into rn2 values (3, 'z'); commit;
create schema other;
begin; insert into rn2 values (31, 'before'); alter table rn2 set schema other; insert into other.rn2 values (32, 'after'); alter table other.rn2 set schema public; commit;
begin; insert into rn2 values (4, 'p'); alter table rn2 drop column b; insert into rn2 values (5); commit;
begin; create table rb (id int); insert into rb values (1); alter table rn2 add column z int; rollback;
insert into rn2 values (6);
begin; savepoint a; alter table rn2 add column z int; insert into rn2 values (7, 7); rollback to a; alter table rn2 add column z text; insert into rn2 values (8, 'eight'); commit;
begin; update rn2 set z = 'q' where id = 8; alter table rn2 replica identity full; update rn2 set z = 'qq' where id = 8; commit;
-- rewrites with values out of line
create table rt (id int primary key, a int, t text);
insert into rt values (1, 1, (select string_agg(md5(i::text), '') from generate_series(1, 500) i));
begin; alter table rt alter a type bigint; insert into rt values (2, 2, (select string_agg(md5(i::text), 'z') from generate_series(1, 400) i)); commit;
begin; insert into rt values (3, 3, 's3'); alter table rt alter a type text; insert into rt values (4, '4', 's4'); alter table rt alter a type int using a::int; insert into rt values (5, 5, 's5'); commit;
begin; insert into rt values (6, 6, 's6'); alter table rt set unlogged; insert into rt values (7, 7, 's7'); commit;
begin; insert into rt values (8, 8, 's8'); alter table rt set logged; insert into rt values (9, 9, 's9'); commit;
begin; create table q1 as select 1 a, 'b'::text b; drop table q1; create table q1 (z int); insert into q1 values (5); commit;
create procedure pc() language plpgsql as $$ begin insert into q1 values (6); commit; alter table q1 add column y text; insert into q1 values (7, 'y7'); commit; insert into q1 values (8, 'y8'); rollback; insert into q1 values (9, 'y9'); end $$;
call pc();
-- several commits in one message \one
begin; insert into q1 values (10, 'a'); commit; alter table q1 rename y to yy; begin; insert into q1 values (11, 'b'); commit; drop table q1;
-- columns and defaults
create table s (id int primary key, v text, n int);
insert into s values (1, 'a', 1), (2, 'b', 2), (3, null, 3);
alter table s replica identity full;
alter table s add column fd int default 42, add column fdt text default 'fast';
insert into s values (201, 'n', 1);
update s set n = 77 where id = 1;
delete from s where id = 2;
alter table s drop column n;
insert into s values (202, 'd');
alter table s add column n2 bigint;
insert into s values (203, 'e', 1, 'x', 99);
update s set v = 'e2' where id < 204;
begin; create table dd (id int primary key, v text); insert into dd values (1, 'one'); alter table dd add column w int default 7; insert into dd values (2, 'two', 8); alter table dd rename column v to vv; update dd set vv = 'ONE' where id = 1; commit;
begin; insert into dd values (3, 'three', 9); alter table dd alter column w type text; insert into dd values (4, 'four', 'ten'); update dd set w = 'nine!' where id = 3; commit;
alter table dd alter column w type varchar(10) using w || 'x'; update dd set w = 'q' where id = 1;
begin; create type mood as enum ('sad', 'ok'); create table mo (id int primary key, m mood, ms mood[]); insert into mo values (1, 'ok', '{sad,ok}'); alter type mood add value 'glad'; commit;
begin; insert into mo values (2, 'glad', '{glad}'); alter type mood rename value 'glad' to 'happy'; insert into mo values (3, 'happy', null); commit;
begin; create domain dom as int; create type comp as (a int, b dom); create table co (id int primary key, c comp, cs comp[]); insert into co values (1, row(1, 2), array[row(3, 4)::comp]); commit;
-- identities
create table ix (id int primary key, k text not null, v text); create unique index ixk on ix (k);
begin; insert into ix values (1, 'k1', 'v'); update ix set id = 2; alter table ix replica identity using index ixk; update ix set k = 'k2'; alter table ix replica identity nothing; delete from ix; commit;
-- the catalogs move
begin; insert into dd values (10, 'in', 'x'); alter table dd add column mv int; insert into dd values (11, 'in', 'x', 1); commit;
vacuum full pg_class; vacuum full pg_attribute;
insert into dd values (12, 'after', 'x', 2);
vacuum full dd;
insert into dd values (13, 'after', 'x', 3);
checkpoint;
begin; alter table dd drop column mv; insert into dd values (14, 'image', 'x'); commit;
create table pa (id int, v text, primary key (id)) partition by range (id); create table pa1 partition of pa for values from (0) to (100); create table pa2 partition of pa for values from (100) to (200);
begin; insert into pa values (1, 'a'), (101, 'b'); alter table pa detach partition pa1; insert into pa1 values (2, 'alone'); alter table pa1 add column x int; insert into pa1 values (3, 'wide', 3); commit;
create materialized view mv as select id from s; refresh materialized view mv;
do $$ begin for i in 1..70 loop begin execute format('alter table q add column c%s int', i); exception when others then insert into pa1 values (100 - i); end; end loop; end $$;
begin; create table ct (id int primary key); insert into ct select generate_series(1, 1000); alter table ct add column v text default 'later'; insert into ct values (2000, 'x'); commit;
