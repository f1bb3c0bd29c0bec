select lo_create(0) > 16383;
select lo_create(70001);
select lo_create(70001);
select lo_from_bytea(70002, '\x0102030405');
select lo_get(70002), lo_get(70002, 1, 2), lo_put(70002, 3, '\xffff'), lo_get(70002);
select lo_get(99), lo_unlink(99);
select lo_unlink(99);
begin;
select lo_open(70002, x'60000'::int);
select loread(0, 3), lo_tell(0), lo_lseek(0, 0, 0), lowrite(0, '\xaabb'), lo_lseek64(0, 5000000000, 0), lo_tell64(0), lo_lseek(0, 0, 2);
select lo_truncate(0, 3), lo_close(0);
select loread(0, 1);
rollback;
select lo_get(70002);
begin;
select lo_open(70002, x'40000'::int);
select lowrite(0, '\x00');
rollback;
select loread(0, 10);
select lo_export(70002, '/nosuch/dir/x');
select lo_import('/nosuch/file');
\function 957 x'00020000' -> binary
begin;
\function 952 x'00011172' x'00060000' -> binary
\function 955 x'00000000' '\x0a0b0c' -> binary
\function 956 x'00000000' x'00000000' x'00000000' -> binary
\function 954 x'00000000' x'00000010' -> binary
\function 953 x'00000000' -> binary
commit;
select oid, lomowner::regrole, lomacl from pg_largeobject_metadata order by oid;
select loid, pageno, data from pg_largeobject where loid = 70002;
grant select on large object 70002 to public;
comment on large object 70002 is 'lo';
alter large object 70002 owner to nosuch;
select lo_unlink(70001), lo_unlink(70002);
