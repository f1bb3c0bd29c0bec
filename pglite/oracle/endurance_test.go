package oracle_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/pglite"
)

// A session that fails over and over: triggers with exception blocks inside
// exception blocks, errors that reach the client, and syntax errors.
const (
	failingSchema = `
create table entries (id int primary key, v int check (v < 100));
create table failures (depth int, code text);
create function nest(depth int, v int) returns int language plpgsql as $$
begin
  begin
    if depth > 0 then return nest(depth - 1, v); end if;
    return 1 / v;
  exception when division_by_zero then
    insert into failures values (depth, sqlstate);
    raise exception 'wrapped %', depth using errcode = 'P1234';
  end;
exception when sqlstate 'P1234' then
  if depth < 3 then raise; end if;
  return -depth;
end $$;
create function guard() returns trigger language plpgsql as $$
begin
  new.v := coalesce(nest(3, new.v), 0) + new.v;
  begin
    perform 'x'::int;
  exception when others then
    if new.v > 50 then raise exception 'too much: %', new.v; end if;
  end;
  return new;
end $$;
create trigger guard before insert on entries for each row execute function guard();
`
	failures      = 10_000
	growthAllowed = 256 << 10 // bytes in memory contexts, of caches that fill slowly
)

// TestErrorsInARow requires that ten thousand errors leave neither memory nor
// a change in the session's state behind. A longjmp that forgets its stack
// frame, an invoke that keeps a call engine or a context that nobody resets
// shows here.
func TestErrorsInARow(t *testing.T) {
	c := &conn{addr: startHowdah(t, pglite.Options{}), database: "postgres"}
	defer c.close()
	if _, err := c.start(nil); err != nil {
		t.Fatal(err)
	}
	must := func(sql string) [][]string {
		t.Helper()
		rows, err := c.rows(sql)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	must(failingSchema)
	must("create temp table kept as select 41 as a; prepare kept_plan (int) as select a + $1 from kept; set work_mem = '7MB'")
	used := func() int {
		t.Helper()
		n, err := strconv.Atoi(must("select sum(total_bytes) from pg_backend_memory_contexts")[0][0])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	fail := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			sql, code := fmt.Sprintf("insert into entries values (%d, 99)", i), "P0001"
			switch i % 5 {
			case 1:
				sql, code = "selec 1", "42601"
			case 2:
				sql, code = "insert into entries values (1, 200)", "P0001"
			case 3:
				sql, code = "begin; savepoint a; select 1/0; commit", "22012"
			case 4:
				sql, code = "do $$ begin perform nest(2, 0); end $$", "P1234"
			}
			_, err := c.rows(sql)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("C: %q", code)) {
				t.Fatalf("error %d: %s gives %v, want %s", i, sql, err, code)
			}
			if i%5 == 3 {
				must("rollback")
			}
		}
	}
	const warm = failures / 10
	fail(0, warm)
	before := used()
	fail(warm, failures)
	if after := used(); after > before+growthAllowed {
		t.Errorf("memory contexts have grown from %d to %d bytes", before, after)
	}
	if rows := must("execute kept_plan (1)"); rows[0][0] != "42" {
		t.Errorf("the prepared statement gives %s", rows[0])
	}
	if rows := must("show work_mem"); rows[0][0] != "7MB" {
		t.Errorf("work_mem is %s", rows[0])
	}
	if rows := must("insert into entries values (1, 0) returning v"); rows[0][0] != "-3" {
		t.Errorf("the trigger gives %s", rows[0])
	}
	if rows := must("select count(*) from failures"); rows[0][0] != "0" {
		t.Errorf("rolled back subtransactions have left %s rows", rows[0])
	}
}

// TestVector searches embeddings with pgvector, exactly and by both indexes.
func TestVector(t *testing.T) {
	addr := startHowdah(t, pglite.Options{Extensions: []string{"pgvector"}})
	c := &conn{addr: addr, database: "postgres"}
	defer c.close()
	if _, err := c.start(nil); err != nil {
		t.Fatal(err)
	}
	must := func(sql string) [][]string {
		t.Helper()
		rows, err := c.rows(sql)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	must("create extension vector; create table items (id int primary key, e vector(3))")
	must("insert into items select i, array[i % 10, i / 10 % 10, i / 100]::real[]::vector from generate_series(0, 999) i")
	for _, want := range [][3]string{
		{"select '[1,2,3]'::vector <-> '[4,6,3]', '[1,2,3]'::vector <#> '[1,1,1]', round(('[1,0]'::vector <=> '[0,1]')::numeric, 5), '[1,2]'::vector <+> '[3,5]'", "5 -6 1.00000 5", "distances"},
		{"select '[1,2,3]'::vector + '[1,1,1]', '[1.5,-2]'::halfvec, '{1:1,3:2}/5'::sparsevec, l2_normalize('[3,4]'::vector), avg(e) from items where id < 10", "[2,3,4] [1.5,-2] {1:1,3:2}/5 [0.6,0.8] [4.5,0,0]", "values"},
	} {
		if got := strings.Join(must(want[0])[0], " "); got != want[1] {
			t.Errorf("%s: %s, want %s", want[2], got, want[1])
		}
	}
	const nearest = "select id from items order by e <-> '[3.1,4.2,5.3]' limit 3"
	exact := fmt.Sprint(must(nearest))
	if exact != "[[543] [643] [553]]" {
		t.Errorf("nearest without an index: %s", exact)
	}
	for _, index := range []string{"hnsw (e vector_l2_ops)", "ivfflat (e vector_l2_ops) with (lists = 1)"} {
		must("create index nearest on items using " + index)
		must("set enable_seqscan = off")
		if plan := fmt.Sprint(must("explain (costs off) " + nearest)); !strings.Contains(plan, "Index Scan using nearest") {
			t.Errorf("%s is not used: %s", index, plan)
		}
		if got := fmt.Sprint(must(nearest)); got != exact {
			t.Errorf("nearest by %s: %s, want %s", index, got, exact)
		}
		must("drop index nearest")
	}
	if _, err := c.rows("insert into items values (5000, '[1,2]')"); err == nil || !strings.Contains(err.Error(), "22000") {
		t.Errorf("a vector of another dimension: %v", err)
	}
}
