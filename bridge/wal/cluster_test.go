package wal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
)

// TestCluster reads the log that a cluster has written, and compares each record,
// block and page image with what pg_walinspect says of it.
func TestCluster(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	cfg := start(t, dir, keep)
	conn, other := open(t, cfg), open(t, cfg)

	exec(t, conn, "create extension pg_walinspect")
	from := position(t, conn)
	for _, sql := range workload(testing.Short()) {
		exec(t, conn, sql)
	}
	interleave(t, conn, other)
	exec(t, conn, "checkpoint")

	got := compare(t, conn, dir, from)
	t.Logf("%d records with %d blocks in %d segments: %d page images, %d of them in pglz, %d of subtransactions, largest %d bytes",
		len(got.records), len(got.blocks), len(got.segments), got.images, got.compressed, got.subtransactions, got.largest)
	if got.images == 0 || got.compressed == 0 || got.subtransactions == 0 || got.largest < 1<<20 || len(got.segments) < 3 {
		t.Error("the workload leaves something out")
	}
}

// TestRecovered reads the log of a cluster that was lost amid a record.
func TestRecovered(t *testing.T) {
	dir, lost := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "data")
	conn := open(t, start(t, dir, keep))
	exec(t, conn, "create extension pg_walinspect; create table t (v text); insert into t values ('kept')")
	from := position(t, conn)
	// More than wal_buffers has, 4 MiB: the first pages are written to make room for
	// the others, which wait for a commit.
	exec(t, conn, "begin; insert into t values ('lost'); select pg_logical_emit_message(true, 'large', repeat('m', 8000000))")
	if err := os.CopyFS(lost, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(lost, 0o700); err != nil {
		t.Fatal(err)
	}

	conn = open(t, start(t, lost, keep))
	exec(t, conn, "insert into t values ('after')")
	got := compare(t, conn, lost, from)
	const overwritten = 0xd0 // XLOG_OVERWRITE_CONTRECORD
	if got.operations[wal.XLOG][overwritten] != 1 {
		t.Errorf("of the operations of XLOG there are %v", got.operations[wal.XLOG])
	}
}

// keep are settings of a cluster whose log is not recycled.
var keep = []pglite.Setting{{Name: "wal_keep_size", Value: "1GB"}, {Name: "max_wal_size", Value: "4GB"}}

// start opens a cluster for the length of the test.
func start(t *testing.T, dir string, settings []pglite.Setting) *pgx.ConnConfig {
	t.Helper()
	c, err := pglite.Open(t.Context(), pglite.Options{
		Dir: dir, MaxBackends: 2, NoHousekeeping: true, Settings: settings,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error("close:", err)
		}
	})
	cfg, err := driver.ConnConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	return cfg
}

// position is up to where the log is written.
func position(t *testing.T, conn *pgx.Conn) wal.LSN {
	t.Helper()
	var s string
	if err := conn.QueryRow(t.Context(), "select pg_current_wal_flush_lsn()::text").Scan(&s); err != nil {
		t.Fatal(err)
	}
	l, err := wal.ParseLSN(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// compare reads the log below dir from there on, and compares it with what
// pg_walinspect says.
func compare(t *testing.T, conn *pgx.Conn, dir string, from wal.LSN) *inventory {
	t.Helper()
	to := position(t, conn)
	got := &inventory{segments: map[wal.LSN]bool{}, operations: map[wal.RM]map[uint8]int{}}
	end := readLog(t, dir, func(r *wal.Record) {
		if r.LSN >= from {
			got.add(r)
		}
	})
	if end != to {
		t.Errorf("the log ends at %v, not at %v", end, to)
	}
	same(t, "records", got.records, column(t, conn, `select concat_ws(' ', start_lsn, end_lsn, prev_lsn, xid, resource_manager, record_length, main_data_length, fpi_length)
		from pg_get_wal_records_info($1, $2) order by start_lsn`, from, to))
	same(t, "blocks", got.blocks, column(t, conn, `select concat_ws(' ', start_lsn, block_id, reltablespace, reldatabase, relfilenode, relforknumber, relblocknumber,
			coalesce(md5(block_data), '-'), coalesce(block_fpi_length, 0), coalesce(md5(block_fpi_data), '-'), array_to_string(block_fpi_info, ','))
		from pg_get_wal_block_info($1, $2) order by start_lsn, block_id`, from, to))
	return got
}

// workload is what the records come from.
func workload(short bool) []string {
	rows := 10000
	if short {
		rows = 2000
	}
	return []string{
		"create type mood as enum ('sad', 'ok'); create table t (id serial primary key, v text, m mood, j jsonb); create index on t (v)",
		fmt.Sprintf("insert into t (v, m, j) select 'v' || i, 'ok', jsonb_build_object('i', i) from generate_series(1, %d) i", rows),
		"create index on t using gin (j); create index on t using hash (v); create index on t using brin (id)",
		"checkpoint",
		"set wal_compression = pglz; update t set v = v || '!' where id % 7 = 0; delete from t where id % 11 = 0; reset wal_compression",
		"checkpoint; update t set m = 'sad' where id % 50 = 1; vacuum t",
		"create table big (id int primary key, v text); alter table big alter v set storage external; insert into big values (1, repeat('xyz', 400000))",
		"alter table t add c int default 7; alter table t drop column j; alter table t alter c type bigint; analyze t",
		"do $$ begin for i in 1..80 loop begin insert into t (v) values ('sub ' || i); if i % 5 = 0 then raise 'no'; end if; exception when others then null; end; end loop; end $$",
		"select pg_logical_emit_message(true, 'large', repeat('m', 3000000)); select pg_logical_emit_message(false, 'small', 'm', true)",
		"select pg_switch_wal(); insert into t (v) values ('after'); select pg_switch_wal()",
		"create unlogged table u (a int); insert into u select generate_series(1, 100); create temp table w as select * from u",
		"truncate big, u; vacuum full t; cluster t using t_pkey; create materialized view mv as select count(*) from t; refresh materialized view mv",
		"create sequence s; select nextval('s') from generate_series(1, 100); begin; create table gone (a int); rollback; drop table big",
		"select pg_replication_origin_create('far'); select pg_replication_origin_session_setup('far'); insert into t (v) values ('from far'); select pg_replication_origin_session_reset()",
	}
}

// interleave has the transactions of two sessions in the log side by side.
func interleave(t *testing.T, a, b *pgx.Conn) {
	exec(t, a, "begin")
	exec(t, b, "begin")
	for i := range 50 {
		exec(t, a, "insert into t (v) values ('a')")
		exec(t, b, fmt.Sprintf("savepoint s; insert into t (v) values ('b'); %s s", []string{"release", "rollback to"}[i%2]))
	}
	exec(t, b, "commit")
	exec(t, a, "rollback")
}

// readLog reads the segments below dir, recycled ones too, and tells where the log
// ends.
func readLog(t *testing.T, dir string, each func(*wal.Record)) wal.LSN {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "pg_wal", "0000*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	var r *wal.Reader
	for _, name := range names {
		at, _, ok := wal.ParseSegment(filepath.Base(name), 16<<20)
		if !ok {
			t.Fatalf("%s is no segment", name)
		}
		if r == nil {
			r = wal.NewReader(at, wal.Options{})
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Write(at, b); err != nil {
			t.Fatal(err)
		}
		for {
			rec, err := r.Next()
			if errors.Is(err, wal.ErrMore) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			each(rec)
		}
	}
	return r.Position()
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("%s, %d of %d: %s, and pg_walinspect has %s", what, i, len(want), g, w)
			return
		}
	}
}

func open(t *testing.T, cfg *pgx.ConnConfig) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// exec runs statements one by one: CHECKPOINT and VACUUM are allowed in no others'
// transaction.
func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	statements := []string{sql}
	if !strings.HasPrefix(sql, "do ") {
		statements = strings.Split(sql, "; ")
	}
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func column(t *testing.T, conn *pgx.Conn, sql string, from, to wal.LSN) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, from.String(), to.String())
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}
