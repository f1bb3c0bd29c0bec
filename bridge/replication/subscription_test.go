package replication_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// tables are what is published and subscribed to.
var tables = []string{
	"create table rows (id int primary key, v text, n numeric(10,2), at timestamptz default now())",
	"create table large (id int primary key, v text, w int)",
	"create table whole (a int, b text); alter table whole replica identity full",
	"create table parts (id int primary key, v jsonb) partition by range (id)",
	"create table parts_low partition of parts for values from (0) to (500)",
	"create table parts_high partition of parts for values from (500) to (1000000)",
}

var published = []string{"rows", "large", "whole", "parts"}

// load writes to the tables from several sessions until stop is called, which gives
// the number of transactions.
type load struct {
	stop func() int
}

func startLoad(t *testing.T, url string, sessions int) *load {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	count := 0
	for k := range sessions {
		conn := connect(t, url, "")
		rng := rand.New(rand.NewPCG(seed, uint64(k)))
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := write(context.WithoutCancel(ctx), conn, rng); err != nil {
					t.Errorf("load: %v", err)
					return
				}
				mu.Lock()
				count++
				mu.Unlock()
			}
		})
	}
	l := &load{stop: sync.OnceValue(func() int { cancel(); wg.Wait(); return count })}
	t.Cleanup(func() { l.stop() })
	return l
}

// write runs a random transaction, which may fail as those of concurrent sessions do.
func write(ctx context.Context, conn *pgconn.PgConn, rng *rand.Rand) error {
	_, err := conn.Exec(ctx, transaction(rng)).ReadAll()
	if state := sqlState(err); state == "40P01" || state == "23505" {
		_, err = conn.Exec(ctx, "rollback").ReadAll()
	}
	return err
}

// transaction writes a random one.
func transaction(rng *rand.Rand) string {
	var b strings.Builder
	b.WriteString("begin;")
	for range 1 + rng.IntN(4) {
		id := rng.IntN(1000)
		switch rng.IntN(8) {
		case 0:
			fmt.Fprintf(&b, "insert into rows values (%d, 'v%d', %d.5) on conflict (id) do update set v = excluded.v, n = rows.n + 1;", id, id, id)
		case 1:
			fmt.Fprintf(&b, "update rows set id = id + 1000 where id = %d and not exists (select from rows r where r.id = rows.id + 1000);", id)
		case 2:
			fmt.Fprintf(&b, "delete from rows where id %% 1000 = %d;", id)
		case 3:
			fmt.Fprintf(&b, "insert into large values (%d, repeat(md5('%d'), %d), 0) on conflict (id) do update set w = large.w + 1;", id, id, rng.IntN(400))
		case 4:
			fmt.Fprintf(&b, "insert into whole select %d, 'b' || g from generate_series(1, 3) g;", id)
		case 5:
			fmt.Fprintf(&b, "update whole set b = b || 'x' where a = %d; delete from whole where a = %d;", id, id+1)
		case 6:
			fmt.Fprintf(&b, `insert into parts values (%d, '{"id": %d, "list": [1, 2.5, null]}') on conflict (id) do update set v = parts.v || '{"again": true}'; update parts set id = id + 500 where id = %d and not exists (select from parts o where o.id = parts.id + 500);`, id, id, id%500)
		case 7:
			fmt.Fprintf(&b, "savepoint a; delete from large where id = %d; rollback to a; update large set v = v || 'tail' where id = %d;", id, id+1)
		}
	}
	b.WriteString("commit")
	return b.String()
}

// contents is a table's, in an order of its own.
func contents(t *testing.T, conn *pgconn.PgConn, table string) string {
	t.Helper()
	return scalar(t, conn, "set timezone = 'UTC'; select count(*) || ' ' || coalesce(md5(string_agg(r::text, ';' order by r::text)), '') from "+table+" r")
}

func equalTables(t *testing.T, ours, theirs *pgconn.PgConn) {
	t.Helper()
	for _, table := range published {
		want := contents(t, ours, table)
		if strings.HasPrefix(want, "0 ") {
			t.Errorf("table %s is empty: nothing was compared", table)
		}
		if got := contents(t, theirs, table); got != want {
			t.Errorf("table %s is %s at the subscriber, expected %s", table, got, want)
		}
	}
}

// TestSubscription: another Postgres subscribes while there is load, copies the
// tables, follows, is killed and follows again, to equal tables.
func TestSubscription(t *testing.T) {
	s := serve(t)
	subscriber := need.StartDebian(t)
	showLog(t, subscriber)
	conn := connect(t, s.url(), "")
	run(t, conn, tables...)
	run(t, conn,
		"insert into rows select g, 'v' || g, g from generate_series(1, 900) g",
		"insert into large select g, repeat(md5(g::text), 100), 0 from generate_series(1, 300) g",
		"create publication p for table rows, large, whole, parts")
	theirs := connect(t, subscriber.URL("postgres"), "")
	run(t, theirs, tables...)

	l := startLoad(t, s.url(), 4)
	run(t, theirs, fmt.Sprintf("create subscription s connection 'host=127.0.0.1 port=%d user=postgres dbname=postgres' publication p", s.addr.Port))
	eventually(t, theirs, "select count(*) filter (where srsubstate <> 'r') || ' ' || (count(*) > 3) from pg_subscription_rel", "0 true")
	for range need.Choose(1, 10) {
		subscriber.Kill()
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		subscriber.Start(t)
		theirs = connect(t, subscriber.URL("postgres"), "")
		before := scalar(t, theirs, "select coalesce(max(latest_end_lsn), '0/0') from pg_stat_subscription")
		eventually(t, theirs, "select coalesce(max(latest_end_lsn), '0/0') > '"+before+"' from pg_stat_subscription", "t")
	}
	t.Logf("%d transactions", l.stop())
	awaitSubscriber(t, conn, theirs)
	equalTables(t, conn, theirs)
	run(t, theirs, "drop subscription s")
	if n := scalar(t, conn, "select count(*) from pg_replication_slots"); n != "0" {
		t.Errorf("%s slots are left of the subscription", n)
	}
}

// showLog shows what a server has logged when the test has failed.
func showLog(t *testing.T, n *need.Native) {
	t.Cleanup(func() {
		if log, err := os.ReadFile(n.LogFile); t.Failed() && err == nil {
			t.Logf("%s", log[max(0, len(log)-8000):])
		}
	})
}

// awaitSubscriber waits until a change made now has arrived.
func awaitSubscriber(t *testing.T, ours, theirs *pgconn.PgConn) {
	t.Helper()
	run(t, ours, "insert into whole values (-1, 'the end')")
	eventually(t, theirs, "select count(*) from whole where a = -1", "1")
}

// TestRecvlogical: pg_recvlogical makes a slot, writes what it gets to a file, is
// stopped and goes on, and drops the slot. When it is stopped it does not acknowledge
// what it has written last, which comes again.
func TestRecvlogical(t *testing.T) {
	program := need.PgRecvlogical(t)
	s := serve(t)
	conn := connect(t, s.url(), "")
	run(t, conn, "create table t (a int primary key)")
	file := filepath.Join(t.TempDir(), "out")
	args := func(more ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), program, append([]string{"-d", s.url(), "--slot", "s"}, more...)...)
		cmd.Env = append(os.Environ(), "PGSSLMODE=disable")
		return cmd
	}
	if out, err := args("--create-slot", "-P", "howdah").CombinedOutput(); err != nil {
		t.Fatalf("create: %v\n%s", err, out)
	}
	const rows = 50
	total := 0
	for round := range 3 {
		cmd := args("--start", "-f", file, "-o", "format=json", "-F", "1", "-s", "1")
		var out bytes.Buffer
		cmd.Stderr = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for k := range rows {
			run(t, conn, fmt.Sprintf("insert into t values (%d)", round*rows+k))
		}
		total += rows
		deadline := time.Now().Add(time.Minute)
		for !has(file, total-1) && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("pg_recvlogical, round %d: %v\n%s", round, err, &out)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for k := range total {
		if !bytes.Contains(b, newRow(k)) {
			t.Errorf("row %d is missing", k)
		}
	}
	if out, err := args("--drop-slot").CombinedOutput(); err != nil {
		t.Errorf("drop: %v\n%s", err, out)
	}
}

// has tells whether a row has come.
func has(file string, a int) bool {
	b, _ := os.ReadFile(file)
	return bytes.Contains(b, newRow(a))
}

func newRow(a int) []byte { return fmt.Appendf(nil, `"new":{"a":%d}`, a) }
