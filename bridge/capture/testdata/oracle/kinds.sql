-- Every kind of change, each paragraph a message of its own.

create table plain (id int primary key, note text, amount int);
insert into plain values (10, 'ten', 1), (20, 'twenty', 2), (30, null, null)

update plain set note = 'TEN' where id = 10

update plain set id = 21 where id = 20

update plain set note = null where amount = 2

delete from plain where id = 10

delete from plain

insert into plain values (1, 'first', 0) on conflict (id) do update set note = plain.note || '+', amount = plain.amount + 1

insert into plain values (1, 'again', 0) on conflict (id) do update set note = plain.note || '+', amount = plain.amount + 1

insert into plain values (1, 'ignored', 0) on conflict do nothing

merge into plain p using (values (1, 'merged'), (7, 'seven')) s (id, note) on p.id = s.id
  when matched then update set note = s.note when not matched then insert values (s.id, s.note, 70)

create table loose (a int, b text);
insert into loose values (1, 'x'); update loose set b = 'y'; delete from loose

create table whole (a int, b text, c numeric); alter table whole replica identity full;
insert into whole values (1, null, 1.10), (2, 'two', null); update whole set b = 'one' where a = 1; update whole set a = 3 where a = 2; delete from whole

create table silent (a int primary key, b text); alter table silent replica identity nothing;
insert into silent values (1, 'x'); update silent set b = 'y'; update silent set a = 2; delete from silent

create table indexed (a int primary key, code text not null, other int not null, b text);
create unique index indexed_code on indexed (other, code); alter table indexed replica identity using index indexed_code;
insert into indexed values (1, 'c1', 5, 'v'); update indexed set b = 'w'; update indexed set code = 'c2'; update indexed set a = 4; delete from indexed

create schema "Odd One"; create table "Odd One"."A Table" ("Key" int primary key, "some text" text, "it's" int);
insert into "Odd One"."A Table" values (1, 'it''s', 2); update "Odd One"."A Table" set "it's" = 3;
alter table "Odd One"."A Table" rename to "B"; delete from "Odd One"."B"

create table computed (id int generated always as identity primary key, a int, twice int generated always as (a + a) stored, b text default 'deflt', thrice int generated always as (a * 3) virtual);
insert into computed (a) values (4), (5); update computed set a = 6 where id = 1; delete from computed where id = 2

create table owner (id int primary key); create table owned (id int primary key, o int references owner on update cascade on delete cascade);
insert into owner values (1), (2); insert into owned values (11, 1), (12, 1), (21, 2);
update owner set id = 3 where id = 1; delete from owner where id = 3

create function shout() returns trigger language plpgsql as $$ begin new.note := upper(new.note); return new; end $$;
create trigger shouting before insert or update on plain for each row execute function shout();
insert into plain values (40, 'quiet', 4); update plain set note = 'still quiet' where id = 40

create table above (a int, b text); create table below (c int) inherits (above);
insert into below values (1, 'x', 2); update above set b = 'y'; delete from above

create table parted (id int, v text, primary key (id)) partition by list (id);
create table parted_1 partition of parted for values in (1, 2); create table parted_2 partition of parted for values in (3, 4) partition by list (id);
create table parted_3 partition of parted_2 for values in (3); create table parted_4 partition of parted_2 for values in (4);
insert into parted values (1, 'a'), (3, 'b'), (4, 'c'); update parted set id = 2 where id = 3; update parted set v = 'z' where id = 4; delete from parted where id = 1

truncate parted

insert into parted values (1, 'kept'); alter table parted detach partition parted_1; update parted_1 set v = 'detached'

create table one (id serial primary key); create table two (id int references one);
insert into one default values; insert into two values (1); truncate one, two; insert into one default values; truncate one restart identity cascade; truncate two

begin; insert into plain values (50, 'before', 0); truncate plain; insert into plain values (51, 'behind', 0); commit

begin; insert into plain values (60, 'x', 0); update plain set amount = 1 where id = 60; savepoint s; delete from plain where id = 60; rollback to s; commit

begin; savepoint s; insert into plain values (61, 'x', 0); savepoint t; insert into plain values (62, 'y', 0); release t; release s; commit

begin; insert into plain values (63, 'x', 0); savepoint s; insert into plain values (64, 'never', 0); rollback to s;
insert into plain values (65, 'y', 0); savepoint s; insert into plain values (66, 'z', 0); savepoint t; insert into plain values (67, 'never', 0); rollback to t; insert into plain values (68, 'w', 0); commit

begin; insert into plain values (69, 'never', 0); update plain set note = 'never'; rollback

do $$ begin for i in 100..260 loop begin insert into plain values (i, 'sub', i); if i % 7 = 0 then perform 1 / 0; end if; exception when division_by_zero then insert into plain values (-i, 'caught', i); end; end loop; end $$

create procedure several() language plpgsql as $$ begin insert into plain values (300, 'p', 0); commit; insert into plain values (301, 'q', 0); rollback; insert into plain values (302, 'r', 0); commit; insert into plain values (303, 's', 0); end $$;

call several()

begin; insert into plain values (310, 'a', 0); commit; begin; insert into plain values (311, 'b', 0); rollback; begin; insert into plain values (312, 'c', 0); commit

select pg_logical_emit_message(true, 'inside', 'with a transaction'); select pg_logical_emit_message(false, 'outside', 'of any', true)

begin; insert into plain values (320, 'm', 0); select pg_logical_emit_message(true, 'second', ''); select pg_logical_emit_message(false, 'before', 'its begin'); insert into plain values (321, 'n', 0); commit

begin; select pg_logical_emit_message(true, 'never', 'seen'); select pg_logical_emit_message(false, 'rolled', 'back all the same'); rollback

create temp table passing (a int); insert into passing values (1); create unlogged table unlogged (a int primary key); insert into unlogged values (1); update unlogged set a = 2

alter table unlogged set logged; insert into unlogged values (3); alter table unlogged set unlogged; insert into unlogged values (4)

create materialized view seen as select id from plain where id < 100; refresh materialized view seen; create unique index on seen (id); refresh materialized view concurrently seen

create sequence counting; select nextval('counting'), setval('counting', 77)

select lo_from_bytea(0, '\x0102')

begin; select from plain where id = 51 for update; update plain set note = 'locked' where id = 51; commit

create table derived as select id, note from plain where id < 70; select id into selected from derived

select pg_switch_wal()

insert into plain values (400, 'behind the switch', 0)

insert into plain select g, repeat(chr(97 + g % 26), g % 650), g from generate_series(1000, 1400) g

delete from plain where id between 1000 and 1300

vacuum plain

checkpoint

update plain set note = 'page image' where id = 1350; insert into plain values (401, 'page image', 0); delete from plain where id = 1351

update plain set amount = 1 where id = 401; update plain set amount = 2 where id = 401; update plain set amount = 3 where id = 401

set synchronous_commit = off

insert into plain values (402, 'later', 0)

update plain set amount = 9 where id = 402

reset synchronous_commit

select pg_replication_origin_create('another'); select pg_replication_origin_session_setup('another')

begin; select pg_replication_origin_xact_setup('0/ABC', '2020-02-02 02:02:02+00'); insert into plain values (403, 'from there', 0); commit

select pg_replication_origin_session_reset(); insert into plain values (404, 'from here', 0)
