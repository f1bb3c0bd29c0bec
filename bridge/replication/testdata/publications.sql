create schema "In"
create type mood as enum ('sad', 'happy')
create domain positive as int check (value > 0)
create type pair as (a int, b text)
create table rows (id int primary key, v text, n numeric(10,2))
create table types (id bigint primary key, b bool, i2 int2, i8 int8, f4 float4, f8 float8, n numeric, t text, vc varchar(20), bc char(5), by bytea, d date, ti time, tz timetz, ts timestamp, tstz timestamptz, iv interval, u uuid, j json, jb jsonb, m mood, p positive, c pair, ia int[], ma mood[], r int4range, inet inet, bits bit(3), mac macaddr, pt point, mr int4multirange, o oid, x xml, nm name, ch "char", ln pg_lsn, sv tsvector)
create table toasted (id int primary key, v text, w text)
alter table toasted alter v set storage external
create table full_row (a int, b text); alter table full_row replica identity full
create table by_index (a int not null, b text, c int not null); create unique index by_index_c on by_index (c); alter table by_index replica identity using index by_index_c
create table no_identity (a int primary key, b text)
create table generated (id int primary key, a int, g int generated always as (a * 2) stored, v int generated always as (a * 3) virtual)
create table filtered (id int primary key, a int, b text, m mood); alter table filtered replica identity full
create table listed (id int primary key, secret text, open text)
create table "In"."Odd ""name" ("A col" int primary key, b text)
create table parts (id int primary key, v text) partition by range (id)
create table parts_low partition of parts for values from (0) to (100)
create table parts_high (v text, id int not null primary key) ; alter table parts attach partition parts_high for values from (100) to (200)
create publication everything for all tables
create publication filtered for table filtered where (a > 10 and b <> 'no'), rows where (id < 5), types where (id between 2 and 3 and id <> 1)
create publication listed for table listed (id, open), generated (id, g)
create publication roots for table parts with (publish_via_partition_root = true)
create publication "In Schema" for tables in schema "In"
create publication inserts for table rows, parts with (publish = 'insert, truncate')
