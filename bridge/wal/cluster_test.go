package wal_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
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
	c, err := pglite.Open(t.Context(), pglite.Options{
		Dir: dir, MaxBackends: 2, NoHousekeeping: true,
		Settings: []pglite.Setting{{Name: "wal_keep_size", Value: "1GB"}, {Name: "max_wal_size", Value: "4GB"}},
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
	conn, other := open(t, cfg), open(t, cfg)

	exec(t, conn, "create extension pg_walinspect")
	var text string
	scan(t, conn, &text, "select pg_current_wal_lsn()::text")
	from, err := wal.ParseLSN(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range workload(testing.Short()) {
		exec(t, conn, sql)
	}
	interleave(t, conn, other)
	exec(t, conn, "checkpoint")
	scan(t, conn, &text, "select pg_current_wal_flush_lsn()::text")

	r := logFiles(t, dir)
	var got inventory
	segments := map[wal.LSN]bool{}
	for {
		rec, err := r.Next()
		if errors.Is(err, wal.ErrMore) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.LSN >= from {
			got.add(rec)
			segments[rec.LSN>>24] = true
		}
	}
	if end := r.Position().String(); end != text {
		t.Errorf("the log ends at %s, not at %s", end, text)
	}
	var want inventory
	want.records = column(t, conn, `select concat_ws(' ', start_lsn, end_lsn, prev_lsn, xid, resource_manager, record_length, main_data_length, fpi_length)
		from pg_get_wal_records_info($1, $2) order by start_lsn`, from, text)
	want.blocks = column(t, conn, `select concat_ws(' ', start_lsn, block_id, reltablespace, reldatabase, relfilenode, relforknumber, relblocknumber,
			coalesce(md5(block_data), '-'), coalesce(block_fpi_length, 0), coalesce(md5(block_fpi_data), '-'), array_to_string(block_fpi_info, ','))
		from pg_get_wal_block_info($1, $2) order by start_lsn, block_id`, from, text)
	compare(t, "records", got.records, want.records)
	compare(t, "blocks", got.blocks, want.blocks)
	t.Logf("%d records with %d blocks in %d segments: %d page images, %d of them in pglz, %d of subtransactions, largest %d bytes",
		len(got.records), len(got.blocks), len(segments), got.images, got.compressed, got.subtransactions, got.largest)
	if got.images == 0 || got.compressed == 0 || got.subtransactions == 0 || got.largest < 1<<20 || len(segments) < 3 {
		t.Error("the workload leaves something out")
	}
}

// workload is what the records come from.
func workload(short bool) []string {
	rows := 20000
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

// inventory is a line for each record, and one for each block.
type inventory struct {
	records, blocks                     []string
	images, compressed, subtransactions int
	largest                             uint32
}

func (v *inventory) add(r *wal.Record) {
	images := 0
	for _, k := range r.Blocks {
		data, page, length := "-", "-", 0
		var info []string
		if k.Data != nil {
			data = sum(k.Data)
		}
		if i := k.Image; i != nil {
			var p [wal.PageSize]byte
			if err := i.Restore(&p); err != nil {
				page = err.Error()
			} else {
				page = sum(p[:])
			}
			length = len(i.Bytes)
			if i.HoleLength != 0 {
				info = append(info, "HAS_HOLE")
			}
			if i.Apply() {
				info = append(info, "APPLY")
			}
			if m := i.Method(); m != wal.Plain {
				info = append(info, "COMPRESS_"+strings.ToUpper(m.String()))
				v.compressed++
			}
			v.images++
		}
		images += length
		line := fmt.Sprintf("%v %d %d %d %d %d %d %s %d %s", r.LSN, k.ID, k.Relation.Tablespace, k.Relation.Database, k.Relation.Number, k.Fork, k.Number, data, length, page)
		if k.Image != nil {
			line += " " + strings.Join(info, ",")
		}
		v.blocks = append(v.blocks, line)
	}
	if r.TopXID != 0 {
		v.subtransactions++
	}
	v.largest = max(v.largest, r.Length)
	v.records = append(v.records, fmt.Sprintf("%v %v %v %d %v %d %d %d", r.LSN, r.End, r.Prev, r.XID, r.RM, r.Length, len(r.Data), images))
}

func sum(b []byte) string {
	s := md5.Sum(b)
	return hex.EncodeToString(s[:])
}

// logFiles has read the segments below dir, recycled ones too.
func logFiles(t *testing.T, dir string) *wal.Reader {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "pg_wal", "0000*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	var r *wal.Reader
	for _, name := range names {
		at, err := position(filepath.Base(name))
		if err != nil {
			t.Fatal(err)
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
	}
	return r
}

// position is where the segment of this name begins (XLogFromFileName).
func position(name string) (wal.LSN, error) {
	if len(name) != 24 {
		return 0, fmt.Errorf("%s is not a segment", name)
	}
	hi, err := strconv.ParseUint(name[8:16], 16, 32)
	if err != nil {
		return 0, err
	}
	lo, err := strconv.ParseUint(name[16:], 16, 32)
	return wal.LSN(hi<<32 | lo<<24), err
}

func compare(t *testing.T, what string, got, want []string) {
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

func scan(t *testing.T, conn *pgx.Conn, to any, sql string) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(to); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func column(t *testing.T, conn *pgx.Conn, sql string, from wal.LSN, to string) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, from.String(), to)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}
