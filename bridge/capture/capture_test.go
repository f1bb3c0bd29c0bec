package capture_test

import (
	"context"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/bridge/capture"
	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/pglite"
)

// scenes are statements and what is captured of them: each is a golden file.
var scenes = []struct {
	name  string
	steps []string
}{
	{"rows", []string{
		"create table t (id int primary key, v text, n numeric(10,2))",
		"insert into t values (1, 'one', 1.5), (2, null, null)",
		"update t set v = 'uno' where id = 1",
		"update t set id = 10 where id = 1",
		"delete from t where id = 2",
		"begin; insert into t values (3, 'three', 3); update t set v = 'drei' where id = 3; delete from t where id = 10; commit",
		"begin; insert into t values (4, 'never', 4); rollback",
	}},
	{"identities", []string{
		"create table f (a int, b text); alter table f replica identity full",
		"create table i (a int not null, b text, c int not null); create unique index i_c on i (c); alter table i replica identity using index i_c",
		"create table n (a int primary key, b text); alter table n replica identity nothing",
		"create table p (a int, b text)",
		"insert into f values (1, 'x'); insert into i values (1, 'x', 5); insert into n values (1, 'x'); insert into p values (1, 'x')",
		"update f set b = 'y'; update i set b = 'y'; update n set b = 'y'; update p set b = 'y'",
		"update i set c = 6; update n set a = 2",
		"delete from f; delete from i; delete from n; delete from p",
	}},
	{"toast", []string{
		"create table t (id int primary key, v text, w text); alter table t alter v set storage external",
		"insert into t values (1, repeat('0123456789', 1000), 'w')",
		"update t set w = 'ww'",
		"update t set v = repeat('9876543210', 2000)",
		"alter table t replica identity full",
		"update t set w = 'www'",
		"delete from t",
		"create table c (id int primary key, v text)",
		"insert into c select 1, string_agg(md5(i::text), '') from generate_series(1, 2000) i",
		"insert into c values (2, repeat('x', 5000))",
		"create table k (v text primary key); alter table k alter v set storage external",
		"insert into k values (repeat('k', 2100)); update k set v = repeat('l', 2100); delete from k",
	}},
	{"subtransactions", []string{
		"create table t (id int primary key)",
		"begin; insert into t values (1); savepoint a; insert into t values (2); rollback to a; insert into t values (3); savepoint b; insert into t values (4); savepoint c; insert into t values (5); release b; commit",
		"do $$ begin for i in 10..20 loop begin insert into t values (i); if i % 2 = 0 then raise 'no'; end if; exception when others then null; end; end loop; end $$",
		"begin; savepoint a; insert into t values (30); rollback",
	}},
	{"conflicts", []string{
		"create table t (id int primary key, v text)",
		"insert into t values (1, 'a') on conflict (id) do update set v = 'b'",
		"insert into t values (1, 'a') on conflict (id) do update set v = 'b'",
		"insert into t values (1, 'a') on conflict do nothing",
		"insert into t values (2, repeat('long ', 3000)) on conflict do nothing",
		"merge into t using (values (1), (3)) s(id) on t.id = s.id when matched then delete when not matched then insert values (s.id, 'merged')",
	}},
	{"ddl", []string{
		"create table t (id int primary key)",
		"insert into t values (1)",
		"alter table t add v text default 'later'",
		"update t set id = 2",
		"begin; insert into t values (3, 'before'); alter table t add w int default 7; insert into t values (4, 'after', 8); alter table t rename v to vv; insert into t values (5, 'renamed', 9); alter table t drop w; insert into t values (6, 'dropped'); alter table t rename to u; insert into u values (7, 'moved'); commit",
		"alter table u alter id type bigint",
		"insert into u values (8, 'big')",
		"begin; create table made (a int); insert into made values (1); alter table made add b int default 2; insert into made values (2, 3); alter table made alter a type text; insert into made values ('x', 4); commit",
		"begin; create table gone (a int); insert into gone values (1); drop table gone; commit",
		"begin; insert into made values ('y', 5); alter table made alter b type text; insert into made values ('z', 'six'); commit",
		"create schema s; alter table made set schema s; insert into s.made values ('s', 't')",
		"alter schema s rename to r; insert into r.made values ('r', 't')",
		"drop table r.made",
		"begin; alter table u add x int; rollback; insert into u values (9, 'rolled back')",
	}},
	{"truncate", []string{
		"create table a (id serial primary key); create table b (id int references a); insert into a default values",
		"truncate b",
		"truncate a cascade",
		"truncate a, b restart identity",
		"begin; insert into a default values; truncate a cascade; insert into a default values; savepoint s; truncate a cascade; insert into a default values; rollback to s; insert into a default values; commit",
		"begin; savepoint x; truncate b; insert into b values (null); savepoint y; truncate b; insert into b values (null); release x; commit",
	}},
	{"rewrites", []string{
		"create table t (id int primary key, v text); insert into t values (1, 'a'), (2, repeat('long ', 3000))",
		"vacuum full t",
		"cluster t using t_pkey",
		"create materialized view m as select * from t",
		"refresh materialized view m",
		"alter table t set unlogged",
		"insert into t values (3, 'unlogged')",
		"alter table t set logged",
		"insert into t values (4, 'logged')",
		"vacuum full pg_class", "vacuum full pg_attribute", "vacuum full pg_type", "vacuum full pg_enum", "vacuum full pg_index", "vacuum full pg_namespace",
		"insert into t values (5, 'after'); create table u (a int); insert into u values (1)",
		"create unlogged table n (a int); insert into n values (1); create temp table l (a int); insert into l values (1)",
		"create table ctas as select 1 as one; select 2 as two into selected",
	}},
	{"partitions", []string{
		"create table p (id int, v text, primary key (id)) partition by range (id); create table p1 partition of p for values from (0) to (10); create table p2 partition of p for values from (10) to (20)",
		"insert into p values (1, 'a'), (11, 'b')",
		"update p set id = 12 where id = 1",
		"truncate p",
		"alter table p add w int; insert into p values (2, 'c', 3)",
		"create table parent (a int); create table child (b int) inherits (parent); insert into child values (1, 2)",
	}},
	{"types", []string{
		"create type mood as enum ('sad', 'ok'); create type pair as (a int, b text); create domain positive as int check (value > 0); create type span as range (subtype = float8)",
		"create table t (m mood, p pair, d positive, s span, a mood[], ps pair[], j jsonb, ts timestamptz, iv interval, u uuid, b bytea, tv tsvector, box box, n numeric, i inet, mr int4multirange)",
		"insert into t values ('ok', row(1, 'x'), 5, '[1,2)', '{sad,ok}', array[row(1,'a')::pair], '{\"b\": 1, \"a\": [true, null]}', '2024-02-29 12:34:56.789+02', '1 mon 2 days 03:04:05', '00000000-0000-0000-0000-0000000000ff', '\\xdeadbeef', 'a fat cat', '(1,2),(3,4)', 'NaN', '10.0.0.0/8', '{[1,3),[5,7)}')",
		"alter type mood add value 'happy'",
		"insert into t (m) values ('happy')",
		"alter type mood rename value 'happy' to 'glad'",
		"insert into t (m) values ('glad')",
		"create table g (a int, s int generated always as (a * 2) stored, v int generated always as (a * 3) virtual); insert into g values (1); update g set a = 2",
	}},
	{"messages", []string{
		"select pg_logical_emit_message(false, 'outside', 'at once')",
		"begin; select pg_logical_emit_message(true, 'inside', 'with it'); create table t (a int); insert into t values (1); commit",
		"begin; select pg_logical_emit_message(true, 'never', 'seen'); select pg_logical_emit_message(false, 'though', 'rolled back'); rollback",
		"insert into t values (2)",
	}},
	{"origins", []string{
		"create table t (a int); select pg_replication_origin_create('elsewhere')",
		"select pg_replication_origin_session_setup('elsewhere')",
		"begin; select pg_replication_origin_xact_setup('1/2', '2024-01-01'); insert into t values (1); commit",
		"select pg_replication_origin_session_reset(); insert into t values (2)",
	}},
	{"images", []string{
		"create table t (id int primary key, v text); insert into t values (1, 'a')",
		"checkpoint", "update t set v = 'b'",
		"checkpoint", "alter table t add w int default 3", "insert into t values (2, 'c', 4)",
		"set wal_compression = pglz; checkpoint", "create table u (a int, b text); alter table t drop w", "insert into u values (1, 'd'); insert into t values (3, 'e')",
	}},
	{"asynchronous", []string{
		"set synchronous_commit = off; create table t (a int)", "insert into t values (1)", "insert into t values (2)",
		"select pg_logical_emit_message(false, 'flush', '', true)",
	}},
}

// TestScenes runs the scenes on a cluster of its own each.
func TestScenes(t *testing.T) {
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			c := openCaptured(t, "", withOutput)
			conn := c.connect()
			exec(t, conn, s.steps...)
			golden(t, s.name, describe(c.sets("postgres", 0)))
		})
	}
}

// withOutput has the cluster write what package value does not read.
func withOutput(_ *pglite.Options, o *capture.Options) {
	o.Output = func(context.Context, string, *value.Type, []byte) (string, error) { return "(by Postgres)", nil }
}

// TestDatabases: sets are of one database each, and a new one is followed from its
// first row on, however it was made.
func TestDatabases(t *testing.T) {
	c := openCaptured(t, "")
	conn := c.connect()
	exec(t, conn, "create table t (a int)", "insert into t values (1)",
		"create database logged strategy wal_log", "create database copied strategy file_copy")
	for _, name := range []string{"logged", "copied"} {
		c.config.Database = name
		other := c.connect()
		exec(t, other, "create table "+name+" (b text)", "insert into "+name+" values ('x')")
		if got := describe(c.sets(name, 0)); !strings.Contains(got, `insert public.`+name+` new b="x"`) {
			t.Errorf("in %s:\n%s", name, got)
		}
		other.Close(t.Context())
	}
	if got := describe(c.sets("postgres", 0)); !strings.Contains(got, `insert public.t new a="1"`) || strings.Contains(got, `b="x"`) {
		t.Errorf("in postgres:\n%s", got)
	}
	exec(t, conn, "drop database copied", "insert into t values (2)")
	if got := describe(c.sets("postgres", 0)); !strings.Contains(got, `a="2"`) {
		t.Errorf("in postgres:\n%s", got)
	}
}
