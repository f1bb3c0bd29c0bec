show application_name;
\connect application_name=my'app client_encoding=UTF8 TimeZone=Asia/Tokyo
show timezone;
show application_name;
\connect options='-c work_mem=3MB -c statement_timeout=7s' DateStyle=SQL,DMY IntervalStyle=iso_8601 search_path=pg_catalog
show work_mem;
show statement_timeout;
show search_path;
select '2024-12-31'::date, '1 day'::interval;
reset work_mem;
show work_mem;
reset all;
show statement_timeout;
select current_schemas(true);
\connect database=nosuch
\connect user=nosuch
\connect database=template0
\connect options='-c nosuch=1'
\connect options='-c work_mem=x'
\connect options='--work-mem=4MB'
show work_mem;
\connect options='-c my.custom=v\ w'
show my.custom;
\connect nosuchparam=1
\connect options='-c wal_level=minimal'
\connect options='-c port=1'
\connect extra_float_digits=0 geqo=off
select 0.1::float8 + 0.2::float8;
show geqo;
\connect client_encoding=nosuch
\connect replication=nosuch
\connect default_transaction_read_only=on
create table t (a int);
show transaction_read_only;
\connect database=
select current_database();
\connect client_encoding='utf-8'
show client_encoding;
\connect TimeZone=Mars/Olympus
\connect _pq_.nosuch=1
select 1;
\connect
alter database corpus_startup set work_mem = '6MB';
\connect
show work_mem;
\connect work_mem=8MB
show work_mem;
alter database corpus_startup reset work_mem;
\connect
show work_mem;
alter database corpus_startup connection limit 0;
\connect
alter database corpus_startup allow_connections false;
\connect database=postgres
alter database corpus_startup allow_connections true;
\connect
select 1;
