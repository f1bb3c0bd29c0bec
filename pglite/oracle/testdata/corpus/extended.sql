create table t (a int primary key, b text);
-- Pipelining: several implicit transactions in one write.
\parse ins insert into t values ($1, $2)
\bind "" ins '1' 'a'
\execute ""
\bind "" ins '2' 'b'
\execute ""
\sync later
\bind "" ins '3' 'c'
\execute ""
\bind "" ins '1' 'dup'
\execute ""
\bind "" ins '4' 'skipped'
\execute ""
\sync later
\parse "" select a from t order by a
\bind "" ""
\describe P ""
\execute ""
\sync
-- Error, then everything up to Sync is skipped.
\parse "" selec
\bind "" ""
\describe P ""
\execute ""
-- Query: select 1
\raw 51 0000000d 73656c656374203100
\sync later
\query select 'runs'
\sync
-- Portals with row limits.
begin;
\parse s select generate_series(1, 7)
\bind p s -> binary
\execute p 3
\flush
\execute p 3
\flush
\execute p 3
\execute p 3
\sync
\execute p 1
\sync
\bind p s
\execute p 2
\sync
rollback;
begin;
\bind q s
\bind p s
\execute q 1
\execute p 2
\execute q 1
\close P q
\execute q 1
\sync
rollback;
\execute p 1
\sync
\bind p s
\execute p 2
\sync
\execute p 2
\sync
-- Flush answers without ReadyForQuery.
\parse f select $1::text
\flush
\describe S f
\flush
\bind "" f 'x' -> text
\flush
\execute ""
\flush
\flush
\close S f
\flush
\sync
\sync
\parse f select 1/0
\bind "" f
\execute ""
\flush
\sync
-- An error in a transaction and the state after it.
begin;
\parse "" insert into t values (1, 'dup')
\bind "" ""
\execute ""
\sync
\parse "" select 1
\bind "" ""
\execute ""
\sync
\query rollback
\sync
-- Savepoints and transaction commands in a pipeline.
\parse b begin
\parse c commit
\parse r rollback
\parse sv savepoint s
\parse rb rollback to s
\bind "" b
\execute ""
\bind "" ins '10' 'x'
\execute ""
\bind "" sv
\execute ""
\bind "" ins '10' 'dup'
\execute ""
\sync
\bind "" rb
\execute ""
\bind "" ins '11' 'y'
\execute ""
\bind "" c
\execute ""
\sync
select * from t order by a;
-- Commands that return no rows, many rows, or want an own transaction.
\parse vac vacuum t
\bind "" vac
\execute ""
\sync
\bind "" ins '12' 'z'
\execute ""
\bind "" vac
\execute ""
\sync
\parse emp 
\bind "" emp
\execute "" 5
\sync
\parse upd update t set b = b || '!' where a > $1 returning a, b
\bind "" upd '2' -> text
\execute "" 1
\execute "" 1
\sync
select * from t order by a;
\parse cp copy t to stdout
\describe S cp
\bind "" cp
\describe P ""
\execute ""
\sync
\parse cpi copy t from stdin
\bind "" cpi
\execute ""
\flush
\data
50	fifty
51	fifty-one
\.
\sync
\bind "" cpi
\execute ""
\data
60	sixty
x	bad
61	never
\.
\sync
\bind "" cpi
\execute ""
\data
70	seventy
\! client gave up
\sync
select a from t where a >= 50 order by a;
-- Result formats per column, wrong numbers of formats and of parameters.
\parse two select 1, 'x'::text
\bind "" two -> binary
\describe P ""
\execute ""
\sync
\message B 00 74776f00 0000 0000 0000
\sync
\message B 00 74776f00 0000 0000 0002 0000 0001
\execute ""
\sync
\message B 00 74776f00 0000 0000 0003 0000 0001 0001
\execute ""
\sync
\message B 00 74776f00 0000 0000 0001 0005
\execute ""
\sync
\parse one select $1::int
\message B 00 6f6e6500 0002 0000 0001 0001 ffffffff 0000
\sync
-- Function calls.
\function 1376 '24' -> text
\function 1376 x'0000000000000004' -> binary
\function 177 x'00000002' x'00000003' -> binary
\function 177 '2' x'00000003' -> text
\function 177 null '1' -> text
\function 177 '1' -> text
\function 177 'x' '1' -> text
\function 999999 '1' -> text
\function 154 '8' '0' -> text
\function 2108 '1' -> text
\function 868 'abc' 'b' -> text
select 'still here';
-- Closing what another message still names.
\parse s2 select generate_series(1, 3)
\bind p2 s2
\close S s2
\execute p2
\sync
\parse s2 select 1
\bind p2 s2
\close P p2
\execute p2
\sync
declare bad cursor for select 1;
begin;
declare sqlcur cursor for select generate_series(1, 4);
\describe P sqlcur
\execute sqlcur 2
\close P sqlcur
\execute sqlcur 2
\sync
rollback;
-- A large answer and a large parameter.
\parse big select repeat('x', 100000), length($1::text)
\bind "" big 'abc' -> text
\execute ""
\sync
select repeat('0123456789', 200000);
select i, repeat('y', 100) from generate_series(1, 2000) i;
\query select 1; select 2
\query 
\query ;
\query  ; ;select 3;;
\query -- nothing
\sync
