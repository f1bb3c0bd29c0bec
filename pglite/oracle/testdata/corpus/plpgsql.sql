create table log (id int generated always as identity, msg text);
create table t (id int primary key, v int check (v < 100));
create function f(n int) returns int language plpgsql as $$
declare r int;
begin
  r := 100 / n;
  return r;
exception
  when division_by_zero then
    insert into log (msg) values ('division ' || sqlstate || ' ' || sqlerrm);
    return -1;
end $$;
select f(0), f(5);
create function nest(depth int) returns text language plpgsql as $$
declare s text; d text; h text; c text; cn text; tn text; col text; dt text;
begin
  begin
    if depth > 0 then return nest(depth - 1); end if;
    insert into t values (1, 500);
  exception when check_violation then
    get stacked diagnostics s = returned_sqlstate, d = pg_exception_detail, h = pg_exception_hint, c = pg_exception_context, cn = constraint_name, tn = table_name, col = column_name, dt = message_text;
    raise exception using errcode = 'P1234', message = 'wrapped: ' || dt, detail = d, hint = s || ' at ' || cn || ' of ' || tn, constraint = cn, table = tn, schema = 'public', column = 'v', datatype = 'dt';
  end;
  return 'none';
exception when sqlstate 'P1234' then
  insert into log (msg) values ('caught at ' || depth || ': ' || sqlerrm);
  if depth > 1 then raise; end if;
  return 'handled at ' || depth;
end $$;
select nest(0);
select nest(3);
select msg from log order by id;
create function trg() returns trigger language plpgsql as $$
begin
  begin
    perform 1 / new.v;
  exception when division_by_zero then
    raise notice 'trigger % on %: % (%)', tg_name, tg_table_name, sqlerrm, sqlstate;
    new.v := 1;
  end;
  if new.v = 13 then raise exception 'unlucky %', new.v using hint = 'choose another', errcode = 'check_violation'; end if;
  if new.v = 14 then return null; end if;
  return new;
end $$;
create trigger trg before insert or update on t for each row execute function trg();
insert into t values (1, 0), (2, 5) returning *;
insert into t values (3, 13);
insert into t values (4, 14) returning *;
insert into t values (5, 200);
update t set v = 0 where id = 2 returning *;
do $$ begin for i in 1..3 loop begin insert into t values (i, 13); exception when others then raise notice 'loop %: %', i, sqlerrm; end; end loop; end $$;
do $$
declare r record; a int[] := '{1,2,3}'; x int; c cursor (lo int) for select id from t where id >= lo order by id; rc refcursor; n int; ok bool;
begin
  for r in select * from t order by id loop raise notice 'row %', r; end loop;
  foreach x in array a loop continue when x = 2; raise notice 'x %', x; end loop;
  for i in reverse 5..1 by 2 loop raise notice 'i %', i; exit when i = 3; end loop;
  open c (1); fetch c into x; raise notice 'first % %', x, found; move forward all from c; get diagnostics n = row_count; close c;
  open rc for execute 'select $1 + 1' using 41; fetch rc into x; raise notice 'dyn %', x; close rc;
  execute format('select count(*) from %I', 't') into n; raise notice 'count %', n;
  update t set v = v; get diagnostics n = row_count; raise notice 'updated % found %', n, found;
  case n when 1 then raise notice 'one'; when 2, 3 then raise notice 'few'; else raise notice 'many'; end case;
  while n > 0 loop n := n - 1; end loop;
  assert n = 0, 'never';
  <<outer_>> loop loop exit outer_; end loop; end loop;
  select id, v into strict r from t where id = 1; raise notice '% %', r.id, r.v;
  return;
end $$;
do $$ declare x int; begin select id into strict x from t; end $$;
do $$ declare x int; begin select id into strict x from t where false; end $$;
do $$ begin raise debug 'd'; raise log 'l'; raise info 'i'; raise notice 'n %', 1; raise warning 'w' using detail = 'det', hint = 'hin'; end $$;
do $$ begin raise exception 'plain'; end $$;
do $$ begin raise 'with code' using errcode = '22012'; end $$;
do $$ begin raise unique_violation; end $$;
do $$ begin raise sqlstate '99XYZ'; end $$;
do $$ begin raise; end $$;
do $$ begin raise 'too few %'; end $$;
do $$ begin raise 'too many', 1; end $$;
do $$ begin raise nosuch_condition; end $$;
do $$ begin assert 1 = 2, 'assertion text'; end $$;
do $$ begin assert null; end $$;
do $$ begin case 5 when 1 then null; end case; end $$;
do $$ declare x int := 'a'; begin end $$;
do $$ declare x int not null; begin end $$;
do $$ declare x constant int := 1; begin x := 2; end $$;
do $$ begin x := 1; end $$;
do $$ begin select 1; end $$;
do $$ begin perform nosuch(); end $$;
do $$ begin perform 1 / 0; end $$;
do $$ begin execute 'selec'; end $$;
do $$ begin execute null; end $$;
do $$ begin return 1; end $$;
do $$ begin if 1 then end if; end $$;
do $$ begin for x in 1..3 loop end $$;
do $$ begin
  perform 1;
  foo bar;
end $$;
do $$ declare a int; a text; begin end $$;
do $$ begin exit; end $$;
do $$ begin commit; insert into log (msg) values ('after commit'); rollback; end $$;
begin;
do $$ begin commit; end $$;
rollback;
create function nocommit() returns void language plpgsql as $$ begin commit; end $$;
select nocommit();
create procedure pr(n int, inout r int default null) language plpgsql as $$
begin
  for i in 1..n loop insert into log (msg) values ('pr ' || i); if i % 2 = 0 then commit; else rollback; end if; end loop;
  r := (select count(*) from log where msg like 'pr %');
end $$;
call pr(5);
call pr(5, 1, 2);
begin;
call pr(2);
rollback;
create function srf(n int) returns table (a int, b text) language plpgsql as $$
begin
  for a in 1..n loop b := 'r' || a; return next; end loop;
  return query select 100, 'q'; return query execute 'select 200, $1' using 'e';
end $$;
select * from srf(2);
select srf(1);
create function poly(a anyelement, variadic rest anyarray) returns anyarray language plpgsql as $$ begin return array_prepend(a, rest); end $$;
select poly(1, 2, 3), poly('a'::text, 'b'), poly(1, variadic array[9]);
select poly(1, 'x');
create function outp(in a int, out b int, out c text) language plpgsql as $$ begin b := a * 2; c := 'c' || a; end $$;
select outp(4), (outp(4)).c;
select * from outp(a => 3);
create function cur() returns refcursor language plpgsql as $$ declare c refcursor := 'mycur'; begin open c for select * from generate_series(1, 5); return c; end $$;
begin;
select cur();
fetch 2 from mycur;
fetch all in mycur;
fetch next from mycur;
close mycur;
commit;
create function cx() returns text language plpgsql as $$ declare c text; begin get diagnostics c = pg_context; return c; end $$;
select cx();
create function recurse(n int) returns int language plpgsql as $$ begin if n = 0 then return 0; end if; return 1 + recurse(n - 1); end $$;
select recurse(200);
set max_stack_depth = '100kB';
do $$ begin perform recurse(100000); exception when others then raise notice '% %', sqlstate, sqlerrm; end $$;
reset max_stack_depth;
create function rt() returns int language plpgsql as $$ begin end $$;
select rt();
create function rec() returns record language plpgsql as $$ begin return row(1, 'x'); end $$;
select rec();
select * from rec();
select * from rec() as (a int, b text);
select * from rec() as (a int, b int);
create function comp() returns t language plpgsql as $$ declare r t; begin r.id := 1; r.v := 2; return r; end $$;
select comp(), (comp()).v;
create function err1() returns int language plpgsql as $$ declare x int; begin select nosuch into x; return x; end $$;
select err1();
create function err2() returns int language plpgsql as $$ begin return 'abc'; end $$;
select err2();
create function sqlf(a int) returns int language sql as 'select 10 / a';
select sqlf(0);
create function callsql(a int) returns int language plpgsql as $$ begin return sqlf(a); end $$;
select callsql(0);
create function sqlbody(a int) returns int begin atomic select a + 1; select a + 2; end;
select sqlbody(1);
create function sd() returns text language plpgsql security definer set search_path = pg_catalog set work_mem = '1MB' as $$ begin return current_setting('search_path') || ' ' || current_setting('work_mem'); end $$;
select sd(), current_setting('work_mem');
create function def(a int, b int default 2, c int default 3) returns text language sql as 'select a || ''-'' || b || ''-'' || c';
select def(1), def(1, c => 9), def(a := 1, b := 5);
select def();
select def(1, nosuch => 2);
select def(b => 1, 2);
create function strictf(a int) returns text language plpgsql strict as $$ begin return 'called'; end $$;
select strictf(null), strictf(1);
do $$ declare r record; begin raise notice '%', r.a; end $$;
do $$ declare r record; begin r := row(1); raise notice '%', r.nosuch; end $$;
do $$ declare t text[]; begin t[2] := 'b'; raise notice '% %', t, array_dims(t); end $$;
do $$ declare j jsonb := '{"a":1}'; begin j['b'] := '2'; raise notice '%', j; end $$;
do $$ #variable_conflict use_column
declare id int := 5; begin perform id from t; end $$;
do $$ declare id int := 5; begin perform id from t; end $$;
do $$ begin perform pg_notify('ch', 'payload'); end $$;
set plpgsql.extra_warnings = 'all';
create function shadow(a int) returns int language plpgsql as $$ declare a int; begin return a; end $$;
set plpgsql.extra_errors = 'too_many_rows';
do $$ declare x int; begin select generate_series(1, 2) into x; end $$;
set client_min_messages = debug1;
do $$ begin raise debug 'now visible'; end $$;
set client_min_messages = error;
do $$ begin raise warning 'hidden'; end $$;
reset client_min_messages;
select msg from log order by id;
do $$ declare n int := 0; begin for i in 1..500 loop begin perform 1 / (i % 2); exception when division_by_zero then n := n + 1; end; end loop; raise notice 'caught %', n; end $$;
