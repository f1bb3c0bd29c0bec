-- What no client library sends.
select 1;
\raw 21 00000004
\end
\connect
-- A length that is too short.
\raw 51 00000003
\end
\connect
-- Query without its terminator.
\message Q 73656c6563742031
\sync
select 'alive';
-- Trailing bytes after the terminator.
\message Q 73656c656374203100 00
\sync
\message Q
\sync
\message P 00
\sync
\message P 00 73656c656374203100 0001
\sync
\message D 58 00
\sync
\message D 53
\sync
\message C 58 00
\sync
\message E 00
\sync
\message B 00 00 0000
\sync
\message S 00
\sync
\message H 00
\sync
-- COPY messages outside COPY are ignored.
\message d 31
\message c
\message f 7800
\sync
-- A password message when none was asked for.
\message p 7800
\end
\connect
\message F 0000
\sync
\message F 00000560
\sync
create table t (a int);
-- A query in the middle of COPY loses the connection.
copy t from stdin;
\message Q 73656c656374203100
\end
\connect
select count(*) from t;
-- Flush and Sync in the middle of COPY are ignored.
\query copy t from stdin
\message H
\message d 310a
\message S
\message c
\sync
select count(*) from t;
\raw 58 00000004
\end
\connect
begin;
insert into t values (5);
\raw 58 00000004
\end
\connect
select count(*) from t where a = 5;
