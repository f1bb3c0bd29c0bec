package pglite_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// autovacuumScript changes tables up to their thresholds and one row beyond.
const autovacuumScript = `
create table dead_50 (n int); insert into dead_50 select generate_series(1, 50); delete from dead_50;
create table dead_51 (n int); insert into dead_51 select generate_series(1, 51); delete from dead_51;
create table scale_250 as select generate_series(1, 1000) n; analyze scale_250; delete from scale_250 where n <= 250;
create table scale_251 as select generate_series(1, 1000) n; analyze scale_251; delete from scale_251 where n <= 251;
create table max_100 with (autovacuum_vacuum_max_threshold = 100) as select generate_series(1, 1000) n; analyze max_100; delete from max_100 where n <= 100;
create table max_101 with (autovacuum_vacuum_max_threshold = 100) as select generate_series(1, 1000) n; analyze max_101; delete from max_101 where n <= 101;
create table max_off with (autovacuum_vacuum_max_threshold = -1) as select generate_series(1, 1000) n; analyze max_off; delete from max_off where n <= 250;
create table own_threshold (n int) with (autovacuum_vacuum_threshold = 10, autovacuum_analyze_threshold = 100);
	insert into own_threshold select generate_series(1, 11); delete from own_threshold;
create table own_scale with (autovacuum_vacuum_scale_factor = 0.5, autovacuum_analyze_scale_factor = 0) as select generate_series(1, 1000) n;
	analyze own_scale; delete from own_scale where n <= 550;
create table own_scale_more with (autovacuum_vacuum_scale_factor = 0.5, autovacuum_analyze_scale_factor = 1) as select generate_series(1, 1000) n;
	analyze own_scale_more; delete from own_scale_more where n <= 551;
create table inserted_1000 (n int); insert into inserted_1000 select generate_series(1, 1000);
create table inserted_1001 (n int); insert into inserted_1001 select generate_series(1, 1001);
create table inserts_off (n int) with (autovacuum_vacuum_insert_threshold = -1); insert into inserts_off select generate_series(1, 5000);
create table inserts_own (n int) with (autovacuum_vacuum_insert_threshold = 10, autovacuum_vacuum_insert_scale_factor = 0); insert into inserts_own select generate_series(1, 11);
create table frozen_1000 as select generate_series(1, 9040) n; select pg_stat_force_next_flush(); vacuum (freeze) frozen_1000; insert into frozen_1000 select generate_series(1, 1000);
create table frozen_1001 as select generate_series(1, 9040) n; select pg_stat_force_next_flush(); vacuum (freeze) frozen_1001; insert into frozen_1001 select generate_series(1, 1001);
create table half_2808 as select generate_series(1, 9040) n; vacuum (freeze) half_2808; insert into half_2808 select generate_series(1, 9040);
	select pg_stat_force_next_flush(); vacuum half_2808; insert into half_2808 select generate_series(1, 2808);
create table half_2809 as select generate_series(1, 9040) n; vacuum (freeze) half_2809; insert into half_2809 select generate_series(1, 9040);
	select pg_stat_force_next_flush(); vacuum half_2809; insert into half_2809 select generate_series(1, 2809);
create table off (n int) with (autovacuum_enabled = off); insert into off select generate_series(1, 5000); delete from off;
create table updated (n int primary key); insert into updated select generate_series(1, 40); update updated set n = n + 100; update updated set n = n + 100;
create table aborted (n int); begin; insert into aborted select generate_series(1, 300); rollback;
create table cut (n int); insert into cut select generate_series(1, 3000); truncate cut;
create unlogged table unlogged (n int); insert into unlogged select generate_series(1, 100); delete from unlogged;
create materialized view seen as select generate_series(1, 2000) n;
create table parent (n int) partition by list (n); create table child partition of parent for values in (1); insert into parent select 1 from generate_series(1, 200); delete from parent;
create table large (n int, v text); alter table large alter v set storage external;
create table large_off (like large including storage) with (autovacuum_enabled = off);
create table large_half (like large including storage) with (autovacuum_enabled = off, toast.autovacuum_enabled = on);
create table large_rest (like large including storage) with (toast.autovacuum_enabled = off);
create table large_own (like large including storage) with (autovacuum_vacuum_threshold = 1000000, autovacuum_vacuum_insert_threshold = -1);
insert into large select g, repeat('x', 5000) from generate_series(1, 60) g; delete from large;
insert into large_off select g, repeat('x', 5000) from generate_series(1, 60) g; delete from large_off;
insert into large_half select g, repeat('x', 5000) from generate_series(1, 60) g; delete from large_half;
insert into large_rest select g, repeat('x', 5000) from generate_series(1, 60) g; delete from large_rest;
insert into large_own select g, repeat('x', 5000) from generate_series(1, 60) g; delete from large_own;
create table untouched (n int);
create table last (n int); insert into last select generate_series(1, 500); delete from last`

const autovacuumDone = `select coalesce(m.relname || '''s toast', s.relname) || ': ' || concat_ws(' and ',
		case when s.autovacuum_count > 0 then 'vacuumed' end, case when s.autoanalyze_count > 0 then 'analyzed' end)
	from pg_stat_all_tables s left join pg_class m on m.reltoastrelid = s.relid
	where s.schemaname = 'public' or m.relnamespace = 'public'::regnamespace`

// TestAutovacuumDecides: of the same changes, the same tables are vacuumed and
// analyzed as by a native server.
func TestAutovacuumDecides(t *testing.T) {
	play := func(conn *pgx.Conn, autovacuum func()) []string {
		t.Helper()
		for _, sql := range strings.Split(autovacuumScript, ";") {
			exec(t, conn, sql)
		}
		flushStats(t, conn)
		autovacuum()
		rows, err := conn.PgConn().Exec(t.Context(), autovacuumDone).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var done []string
		for _, r := range rows[0].Rows {
			done = append(done, string(r[0]))
		}
		slices.Sort(done)
		return done
	}
	native := need.StartNative(t, "autovacuum_naptime=1s")
	conn, err := pgx.Connect(t.Context(), native.URL("postgres")+"&default_query_exec_mode=simple_protocol")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	exec(t, conn, "alter system set autovacuum = off")
	exec(t, conn, "select pg_reload_conf()")
	reach(t, conn, "show autovacuum", "off")
	want := play(conn, func() {
		exec(t, conn, "alter system reset autovacuum")
		exec(t, conn, "select pg_reload_conf()")
		reach(t, conn, "select autovacuum_count > 0 from pg_stat_all_tables where relname = 'last'", "t")
		reach(t, conn, "select count(*) from pg_stat_activity where backend_type = 'autovacuum worker' and datname = 'postgres'", "0")
	})

	c := byHand(t)
	got := play(connect(t, c, nil), func() { round(t, c) })
	if len(got) < 30 || !slices.Equal(got, want) {
		t.Errorf("here:\n\t%s\nnative:\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
