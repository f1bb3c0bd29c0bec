create table t (a int primary key, b text);
insert into t values (1, 'one'), (2, 'two');
prepare s (int) as select b from t where a = $1;
execute s (1);
execute s ('2');
execute s ('x');
execute s;
execute s (1, 2);
prepare s as select 1;
prepare ins as insert into t values ($1, $2) returning *;
execute ins (3, 'three');
execute ins (3, 'three');
prepare untyped as select $1, $2 || 'x';
execute untyped ('a', 'b');
prepare bad as select $1 + $2;
prepare gap as select $2::int;
prepare conflict as select $1::int, $1::text;
prepare cte as with x as (select $1::int n) select n from x;
execute cte (5);
select name, statement, parameter_types, result_types, from_sql, generic_plans, custom_plans from pg_prepared_statements order by name;
create table et as execute s (1);
explain (costs off) execute s (1);
deallocate s;
execute s (1);
deallocate all;
execute ins (9, 'x');
prepare star as select * from t;
execute star;
alter table t add column c int default 5;
execute star;
alter table t alter column b type varchar;
execute star;
prepare dropped as select 1 from t;
begin;
drop table t;
execute dropped;
rollback;
execute dropped;
deallocate nosuch;
prepare utility as vacuum;
prepare vals as values (1), (2);
execute vals;
prepare del as delete from t where a = $1 returning a;
execute del (1);
execute del (1);
\parse p1 23 select a, b from t where a = $1
\parse p2 select $1::int4 + $2, $3::text
\describe S p1
\describe S p2
\bind "" p1 '2' -> text
\describe P ""
\execute ""
\sync
\bind "" p1 x'00000002' -> binary
\execute ""
\bind "" p2 '1' '2' null -> binary
\execute ""
\sync
execute p1 (2);
\parse p1 select 'again'
\sync
\close S p1
\parse p1 select 'again'
\bind "" p1
\execute ""
\sync
\bind "" nosuch
\execute ""
\sync
\bind "" p2 '1' -> text
\sync
\bind "" p2 '1' 'x' 'y' -> text
\sync
\bind "" p2 x'0001' '2' 'y' -> text
\sync
\parse "" select nosuch
\bind "" "" -> text
\execute ""
\sync
\parse "" 0,25 select $1, $2
\describe S ""
\sync
\parse "" 99999 select $1
\sync
\parse "" select $1
\describe S ""
\sync
\parse "" 705 select $1
\describe S ""
\bind "" "" 'unk' -> text
\execute ""
\sync
\parse multi select 1; select 2
\sync
\parse empty 
\describe S empty
\bind "" empty
\describe P ""
\execute ""
\sync
\parse comment -- only a comment
\bind "" comment
\execute ""
\sync
\parse tx begin
\bind "" tx
\execute ""
\sync
\parse "" select 1/0
\bind "" ""
\execute ""
\sync
\parse "" select 1
\sync
\parse "" rollback
\bind "" ""
\execute ""
\sync
\describe S nosuch
\sync
\describe P nosuch
\sync
\close S nosuch
\close P nosuch
\sync
discard all;
\describe S p2
\sync
\parse ddl create table made (a int)
\describe S ddl
\bind "" ddl
\describe P ""
\execute ""
\sync
\parse chg select * from made
\describe S chg
\sync
alter table made add column b text;
\bind "" chg
\execute ""
\sync
\parse show1 show work_mem
\describe S show1
\bind "" show1 -> binary
\describe P ""
\execute ""
\sync
\parse expl explain (costs off) select 1
\describe S expl
\bind "" expl
\execute ""
\sync
\parse ret update made set a = 1 returning *
\describe S ret
\bind "" ret
\execute ""
\sync
\parse many 23,25,16,1700,1114 select $1, $2, $3, $4, $5
\bind "" many x'0000000a' t'68c3a9' x'01' '1.50' '2024-01-01 00:00:00' -> binary
\execute ""
\sync
\bind "" many 'x' 'a' 't' '1' '2024-01-01' -> text
\sync
\bind "" many x'0000000a' t'ff' x'01' '1.50' '2024-01-01' -> text
\sync
\bind "" many x'0000000a' t'6100' x'01' '1.50' '2024-01-01' -> text
\sync
\bind "" many null null null null null -> binary
\execute ""
\sync
