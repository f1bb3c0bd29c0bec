insert into rows values (1, 'one', 1.5), (2, null, null), (9, 'nine', -0.00)
update rows set v = 'uno' where id = 1
update rows set id = 10 where id = 1
update rows set v = 'x', n = 'NaN' where id = 2
delete from rows where id = 2
begin; insert into rows values (3, 'three', 3); update rows set v = 'drei' where id = 3; savepoint a; insert into rows values (4, 'never', 4); rollback to a; delete from rows where id = 10; commit
begin; insert into rows values (5, 'never', 5); rollback
insert into types values (1, true, -2, 9223372036854775807, 1.5, 'Infinity', 12345.678900, 'té"xt', 'vc', 'bc', '\x00ff', '2024-02-29', '12:34:56.789', '12:34:56+02', '2024-02-29 12:34:56', '2024-02-29 12:34:56+00', '1 year 2 mons 3 days 04:05:06.7', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1}', '{"b": [1, 2.50, null]}', 'happy', 3, '(1,"x y")', '{1,2,null}', '{sad,happy}', '[1,5)', '10.0.0.0/8', b'101', '08:00:2b:01:02:03', '(1.5,-2)', '{[1,3),[5,7)}', 4000000000, '<a/>', 'name', 'c', '16/B374D848', 'a:1 fat:2,4 rat:5A')
insert into types (id, d, ts, tstz, n, f8, m, p, t) values (2, 'infinity', '-infinity', 'infinity', 'NaN', 'NaN', 'sad', 4, ''), (3, '0044-03-15 BC', '0044-03-15 12:00:00 BC', '0044-03-15 12:00:00 BC', '-Infinity', '-0', 'sad', 1, null)
update types set t = 'changed', m = 'happy' where id = 3
delete from types where id = 2
insert into toasted values (1, repeat('0123456789', 1000), 'w')
update toasted set w = 'ww'
update toasted set v = repeat('9876543210', 900)
update toasted set id = 2
delete from toasted
insert into full_row values (1, 'x'), (2, null); update full_row set b = 'y' where a = 1; delete from full_row where a = 2
insert into by_index values (1, 'x', 5); update by_index set b = 'y'; update by_index set c = 6; delete from by_index
insert into no_identity values (1, 'x')
insert into generated values (1, 5); update generated set a = 6; delete from generated
insert into filtered values (1, 5, 'a', 'sad'), (2, 50, 'a', 'happy'), (3, 50, 'no', 'sad'), (4, null, null, null)
update filtered set a = 60 where id = 1
update filtered set a = 1 where id = 2
update filtered set a = 70 where id = 1
update filtered set b = 'z' where id = 3
update filtered set a = 2 where id = 4
delete from filtered
insert into listed values (1, 'secret', 'open'); update listed set secret = 's'; update listed set open = 'o', id = 3; delete from listed
insert into "In"."Odd ""name" values (1, 'b'); update "In"."Odd ""name" set b = 'c'; delete from "In"."Odd ""name"
insert into parts values (1, 'low'), (150, 'high')
update parts set v = 'lower' where id = 1
update parts set id = 151 where id = 1
delete from parts where id = 150
truncate parts
truncate rows, listed restart identity cascade
begin; truncate only parts_low; insert into parts values (2, 'again'); commit
begin; alter table rows add column extra int default 7; insert into rows values (20, 'a', 1, 2); alter table rows rename v to w; insert into rows (id, w) values (21, 'b'); commit
alter table rows drop column n; insert into rows values (22, 'c', 5)
alter table rows alter extra type text using extra || '!'; insert into rows values (23, 'd', 'e')
create table late (a int primary key, b mood); insert into late values (1, 'sad'); alter table late replica identity full; update late set b = 'happy'
begin; create table born (a int primary key); insert into born values (1); alter table born add b text default 'b'; update born set b = 'c'; drop table late; commit
select pg_logical_emit_message(false, 'prefix', 'not transactional')
begin; select pg_logical_emit_message(true, 'prefix', 'transactional'); insert into no_identity values (2, 'with a message'); commit
select pg_logical_emit_message(true, 'alone', '')
select pg_replication_origin_create('elsewhere')
select pg_replication_origin_session_setup('elsewhere')
begin; select pg_replication_origin_xact_setup('0/AB', '2024-01-01'); insert into no_identity values (3, 'from elsewhere'); commit
select pg_replication_origin_session_reset()
insert into no_identity select g, 'row ' || g from generate_series(10, 60) g
insert into no_identity values (100, 'last')
