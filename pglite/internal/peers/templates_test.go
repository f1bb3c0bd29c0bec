package peers

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite/pgtest"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// BenchmarkTemplates is a Go package with a migrated database for each of its
// tests: ours with pgtest; the native server's, which runs already, with CREATE
// DATABASE … TEMPLATE, a connection and DROP DATABASE, as pgtestdb does it; and
// PGlite's clone on Node, where the tests are JavaScript. The template is made
// anew, and for ours that includes loading the engine. Those who are in a hurry
// keep the native server's data in memory: -native-dir /dev/shm.
func BenchmarkTemplates(b *testing.B) {
	tests := 100
	if testing.Short() {
		tests = 4
	}
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\tat once\ttemplate s\t%d tests s\tms a test\tboth s\t÷ howdah\t\n", tests)
	ours := map[int]templateCost{}
	for _, peer := range []struct {
		name   string
		atOnce []int
		run    func(b *testing.B, tests, atOnce int) (templateCost, error)
	}{
		{"howdah", []int{1, 4}, pgtestClones},
		{"native18", []int{1, 4}, nativeTemplates},
		{"node", []int{1}, nodeClones},
	} {
		for _, n := range peer.atOnce {
			b.Run(fmt.Sprintf("%s/%d", peer.name, n), func(b *testing.B) {
				c, err := peer.run(b, tests, n)
				if err != nil {
					b.Fatal(err)
				}
				if peer.name == "howdah" {
					ours[n] = c
				}
				fmt.Fprintf(w, "%s\t%d\t%.2f\t%.2f\t%.1f\t%.2f\t%s\t\n", peer.name, n, c.template.Seconds(), c.tests.Seconds(),
					c.tests.Seconds()*1e3/float64(tests), c.all().Seconds(), ratio(c.all().Seconds(), ours[n].all().Seconds()))
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(c.tests.Seconds()*1e3/float64(tests), "ms/test")
			})
		}
	}
	w.Flush()
	fmt.Printf("\n%d tests, each with a database of %d migrations\n%s\n", tests, len(exampleMigrations), out.String())
}

type templateCost struct{ template, tests time.Duration }

func (c templateCost) all() time.Duration { return c.template + c.tests }

// exampleMigrations are what an application of some age has.
var exampleMigrations = func() (all []string) {
	for k := range 20 {
		sql := fmt.Sprintf(`create table table%[1]d (
			id bigint generated always as identity primary key, owner bigint references table0 (id), name text not null unique,
			state text not null default 'new' check (state in ('new', 'old')), details jsonb, made timestamptz not null default now());
			create index on table%[1]d (owner, made);
			create index on table%[1]d using gin (details);
			insert into table%[1]d (name) select 'row ' || i from generate_series(1, 20) i;`, k)
		if k%4 == 3 {
			sql += fmt.Sprintf(`create function touch%[1]d() returns trigger language plpgsql as $$ begin new.made := now(); return new; end $$;
				create trigger touch before update on table%[1]d for each row execute function touch%[1]d();`, k)
		}
		all = append(all, sql)
	}
	return all
}()

// exampleTest is what a test does with its database.
var exampleTest = []string{
	"insert into table3 (name, owner) values ('mine', 1)",
	"update table3 set state = 'old' where name = 'mine'",
	"insert into table7 (name, details) select 'item ' || i, jsonb_build_object('n', i) from generate_series(1, 10) i",
	"select count(*) from table7 where details @> '{\"n\": 3}'",
	"select t.name, o.name from table3 t join table0 o on o.id = t.owner",
	"delete from table7 where name like 'item%'",
}

func runExampleTest(ctx context.Context, conn *pgx.Conn) error {
	for _, sql := range exampleTest {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// eachTest runs f so many times, some of them at once.
func eachTest(tests, atOnce int, f func(k int) error) (time.Duration, error) {
	start := time.Now()
	var next atomic.Int32
	var first atomic.Pointer[error]
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for k := int(next.Add(1)); k <= tests; k = int(next.Add(1)) {
				if err := f(k); err != nil {
					first.CompareAndSwap(nil, &err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := first.Load(); err != nil {
		return 0, *err
	}
	return time.Since(start), nil
}

// smallTest is a test that is over when end is called.
type smallTest struct {
	testing.TB
	cleanups []func()
}

func (t *smallTest) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *smallTest) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}

func pgtestClones(b *testing.B, tests, atOnce int) (c templateCost, err error) {
	files := fstest.MapFS{}
	for k, sql := range exampleMigrations {
		files[fmt.Sprintf("%04d.sql", k)] = &fstest.MapFile{Data: []byte(sql)}
	}
	files["9999.sql"] = &fstest.MapFile{Data: []byte("-- " + rand.Text())} // no cache has it
	migrated := pgtest.WithTemplate(files)
	one := func(int) error {
		t := &smallTest{TB: b}
		defer t.end()
		conn, err := pgx.ConnectConfig(b.Context(), pgtest.New(t, migrated).ConnConfig())
		if err != nil {
			return err
		}
		defer conn.Close(context.Background())
		return runExampleTest(b.Context(), conn)
	}
	start := time.Now()
	t := &smallTest{TB: b}
	pgtest.New(t, migrated)
	t.end()
	c.template = time.Since(start)
	c.tests, err = eachTest(tests, atOnce, one)
	return c, err
}

func nativeTemplates(b *testing.B, tests, atOnce int) (c templateCost, err error) {
	if *nativeDir != "" {
		b.Setenv("TMPDIR", *nativeDir)
	}
	n := need.StartNative(b, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	ctx := b.Context()
	on := func(database string, do func(*pgx.Conn) error) error {
		conn, err := pgx.Connect(ctx, n.URL(database))
		if err != nil {
			return err
		}
		defer conn.Close(context.Background())
		return do(conn)
	}
	exec := func(sql string) func(*pgx.Conn) error {
		return func(conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, sql)
			return err
		}
	}
	start := time.Now()
	if err := on("postgres", exec("create database template")); err != nil {
		return c, err
	}
	if err := on("template", func(conn *pgx.Conn) error {
		for _, sql := range exampleMigrations {
			if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return c, err
	}
	c.template = time.Since(start)
	c.tests, err = eachTest(tests, atOnce, func(k int) error {
		name := fmt.Sprintf("test%d", k)
		if err := on("postgres", exec("create database "+name+" template template")); err != nil {
			return err
		}
		if err := on(name, func(conn *pgx.Conn) error { return runExampleTest(ctx, conn) }); err != nil {
			return err
		}
		return on("postgres", exec("drop database "+name))
	})
	return c, err
}

// cloneScript is the same with PGlite in a process of Node's. It prints the
// milliseconds.
const cloneScript = `
import { PGlite } from '@electric-sql/pglite'
const { migrations, test, tests } = JSON.parse(process.argv[2])
const template = new PGlite()
for (const sql of migrations) await template.exec(sql)
const made = performance.now() // since the process began
for (let k = 0; k < tests; k++) {
	const db = await template.clone()
	for (const sql of test) await db.query(sql)
	await db.close()
}
console.log(JSON.stringify({ template: made, tests: performance.now() - made }))
process.exit(0)
`

func nodeClones(b *testing.B, tests, _ int) (c templateCost, err error) {
	node := need.Node(b)
	if err := npmInstall(b, pglitePackage); err != nil {
		return c, err
	}
	script := filepath.Join(work, "clones.mjs")
	if err := os.WriteFile(script, []byte(cloneScript), 0o600); err != nil {
		return c, err
	}
	args, err := json.Marshal(map[string]any{"migrations": exampleMigrations, "test": exampleTest, "tests": tests})
	if err != nil {
		return c, err
	}
	cmd := exec.CommandContext(b.Context(), node, script, string(args))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		return c, fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	var ms struct{ Template, Tests float64 }
	if err := json.Unmarshal(stdout, &ms); err != nil {
		return c, fmt.Errorf("%q: %w", stdout, err)
	}
	return templateCost{time.Duration(ms.Template * 1e6), time.Duration(ms.Tests * 1e6)}, nil
}
