package template

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
)

// files makes a folder.
func files(texts map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range texts {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

// openCluster opens a cluster of an image, nil for a new one, until the end of t.
func openCluster(t testing.TB, i *pglite.Image) *pglite.Cluster {
	t.Helper()
	open := pglite.Open
	if i != nil {
		open = i.Open
	}
	c, err := open(t.Context(), pglite.Options{MaxBackends: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// value is what a query answers, in one text.
func value(t testing.TB, c *pglite.Cluster, sql string) (text string) {
	t.Helper()
	config, err := driver.ConnConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return text
}

// fresh removes the template of a key from the cache, now and at the end of t,
// and tells where it is.
func fresh(t testing.TB, key string, o pglite.Options) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	name, err := fileName(key, &o)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(cache, "howdah", "templates", name)
	os.Remove(file)
	t.Cleanup(func() { os.Remove(file) })
	return file
}

// TestKinds applies a folder of each kind. Each migration notes itself in a table.
func TestKinds(t *testing.T) {
	const note = "insert into ran values ('%s');"
	table := "create table ran (name text, at serial);\n" + fmt.Sprintf(note, "first")
	noted := func(name string) string { return fmt.Sprintf(note, name) }
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"plain": {map[string]string{"1.sql": table, "10.sql": noted("10"), "2.sql": noted("2") + "create index concurrently on ran (name);", "README": "no", "x/3.sql": "no", "._1.sql": "\xff"}, "first 10 2"},
		"goose": {map[string]string{
			"1_a.sql": "-- +goose Up\n" + table + "\n-- +goose Down\ndrop table ran;",
			"10_c.sql": "-- +goose NO TRANSACTION\n-- +goose Up\n" + noted("10") + "create index concurrently on ran (name);\n" +
				"-- +goose Down\nno;",
			"2_b.sql": "--+goose up\n-- +goose StatementBegin\ncreate function f() returns text language plpgsql as $$ begin return 'f'; end $$;\n" +
				"select f();\n-- +goose StatementEnd\n" + noted("2") + "\nset local work_mem = '1MB';\n-- +goose Down\n-- +goose StatementBegin\nno;\n-- +goose StatementEnd\n"},
			"first 2 10"},
		"dbmate": {map[string]string{
			"1.sql":  "-- migrate:up\n" + table + "\n\n-- migrate:down\ndrop table ran;",
			"2a.sql": "-- migrate:up transaction:false\n" + noted("2a") + "create index concurrently on ran (name);\n-- migrate:down\nno;"},
			"first 2a"},
		"golang-migrate": {map[string]string{
			"1_a.up.sql": table, "1_a.down.sql": "no", "10_c.up.sql": noted("10"),
			"2_b.up.sql": "create index concurrently on ran (name);", "notes.sql": "no"},
			"first 10"},
		"prisma": {map[string]string{"20250101_a/migration.sql": table, "20250102_b/migration.sql": noted("b"), "migration_lock.toml": "provider"}, "first b"},
		"apart":  {map[string]string{"1.sql": table + "set search_path = pg_catalog; create temp table x ()", "2.sql": noted("2") + "create temp table x ()"}, "first 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Dir(files(c.files))
			if err != nil {
				t.Fatal(err)
			}
			cluster := openCluster(t, nil)
			if err := s.Apply(t.Context(), cluster); err != nil {
				t.Fatal(err)
			}
			if got := value(t, cluster, "select string_agg(name, ' ' order by at) from ran"); got != c.want {
				t.Errorf("ran %s, want %s", got, c.want)
			}
		})
	}
}

// dump is what pg_dump 18 writes, as far as it matters.
const dump = `--
-- PostgreSQL database dump
--

\restrict 6cYTqB8mUiOVZ1wq

SET statement_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET row_security = off;

CREATE TYPE public.mood AS ENUM (
    'sad;',
    'ok'
);

CREATE FUNCTION public.positive(a integer) RETURNS integer
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT 1;
 SELECT CASE WHEN (a > 0) THEN a ELSE 0 END AS "case";
END;

CREATE TABLE public.people (
    id integer NOT NULL,
    name text,
    mood public.mood
);

ALTER TABLE public.people ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.people_id_seq
);

COPY public.people (id, name, mood) FROM stdin;
1	Anna; select	ok
2	\N	sad;
3	back\\slash	\N
\.


COPY public.people (id, name, mood) FROM stdin;
\.

SELECT pg_catalog.setval('public.people_id_seq', 3, true);

ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_pkey PRIMARY KEY (id);

--
-- PostgreSQL database dump complete
--

\unrestrict 6cYTqB8mUiOVZ1wq

`

func TestDump(t *testing.T) {
	s, err := File(files(map[string]string{"d/dump.sql": "\ufeff" + dump}), "d/dump.sql")
	if err != nil {
		t.Fatal(err)
	}
	c := openCluster(t, nil)
	if err := s.Apply(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct{ sql, want string }{
		{
			"select string_agg(coalesce(name, 'null') || ' ' || coalesce(mood::text, 'null'), ', ' order by id) from people",
			`Anna; select ok, null sad;, back\slash null`,
		},
		{"insert into people (name) values ('next') returning id::text", "4"},
		{"select positive(7)::text", "7"},
	} {
		if got := value(t, c, q.sql); got != q.want {
			t.Errorf("%s gives %s, want %s", q.sql, got, q.want)
		}
	}
}

// TestErrors: what is wrong is said with the file, the line and the statement.
func TestErrors(t *testing.T) {
	c := openCluster(t, nil)
	for _, e := range []struct{ name, text, want string }{
		{"1.sql", "select 1;\n\nselect\n  1,\n  nowhere;\nselect 2", `1.sql:5: column "nowhere" does not exist (SQLSTATE 42703); in: select 1, nowhere`},
		{"2.sql", "create table a (id int primary key);\ninsert into a\nvalues (1), (1);", `2.sql:2: duplicate key value violates unique constraint "a_pkey" (SQLSTATE 23505); Key (id)=(1) already exists.; in: insert into a values (1), (1)`},
		{"3.sql", "create table b (id int);\ncopy b from stdin;\n1\nx\n\\.\n", `3.sql:4: invalid input syntax for type integer: "x" (SQLSTATE 22P02); in: copy b from stdin`},
		{"3b.sql", "create table f (id int primary key);\n\ncopy f\nfrom stdin;\n1\n2\n1\n\\.\n", `3b.sql:7: duplicate key value violates unique constraint "f_pkey" (SQLSTATE 23505); Key (id)=(1) already exists.; in: copy f from stdin`},
		{"3c.sql", "copy nowhere\nfrom stdin;\n1\n\\.\n", `3c.sql:1: relation "nowhere" does not exist (SQLSTATE 42P01); in: copy nowhere from stdin`},
		{"4.up.sql", "create table d (id int primary key deferrable initially deferred);\ninsert into d values (1), (1);", `4.up.sql:2: duplicate key value violates unique constraint "d_pkey" (SQLSTATE 23505); Key (id)=(1) already exists.; in: insert into d values (1), (1)`},
		{"5.sql", "begin;\ncreate table e ();", "5.sql:2: the file ends within a transaction that it has begun; in: create table e ()"},
		{"6.sql", "-- +goose Up\nselect 1;\n\n-- +goose StatementBegin\n\nselect 2;\nselect ü,\n  nowhere;\n-- +goose StatementEnd", `6.sql:7: column "ü" does not exist (SQLSTATE 42703); in: select 2; select ü, nowhere;`},
		{"7.sql", "\\connect other", `7.sql:1: \connect is a command of psql, which only psql can run`},
		{"8.sql", "-- +goose ENVSUB ON\n", "8.sql:1: +goose ENVSUB ON is not supported"},
		{"9.sql", "PGDMP\x01", "9.sql: a dump in the custom format, which only pg_restore reads; pg_dump --format=plain makes one that can be used"},
		{"10.sql", "select '\xff'", "10.sql: not SQL in UTF-8"},
		{"11.sql", "select " + strings.Repeat("x", 100), `11.sql:1: column "` + strings.Repeat("x", 63) + `" does not exist (SQLSTATE 42703); in: select ` + strings.Repeat("x", 72) + "…"},
	} {
		t.Run(e.name, func(t *testing.T) {
			s, err := Dir(files(map[string]string{e.name: e.text}))
			if err == nil {
				err = s.Apply(t.Context(), c)
			}
			if err == nil || err.Error() != e.want {
				t.Errorf("got  %v\nwant %s", err, e.want)
			}
		})
	}
	for name, f := range map[string]map[string]string{
		"migrations: no migrations: neither *.sql nor */migration.sql":          {"README": ""},
		"2_b.go: a migration in Go, which needs the program that it is part of": {"1_a.sql": "-- +goose Up", "2_b.go": "package migrations"},
	} {
		if _, err := Dir(files(f)); err == nil || err.Error() != name {
			t.Errorf("got %v, want %s", err, name)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path with nothing: %v", err)
	}
}

// TestImage: the first makes it, others find it, and what is damaged is made
// again.
func TestImage(t *testing.T) {
	s, err := Dir(files(map[string]string{"1.sql": "create table t as select '" + rand.Text() + "' as secret"}))
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	builds := 0
	o := pglite.Options{Logger: zerolog.New(&log), Progress: func(stage string, _, _ int64) {
		if stage == "build template migrations" {
			builds++
		}
	}}
	file := fresh(t, s.Key(), o)
	secret := ""
	get := func(want int) {
		t.Helper()
		i, err := s.Image(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close()
		if builds != want {
			t.Errorf("built %d times, want %d", builds, want)
		}
		got := value(t, openCluster(t, i), "select secret from t")
		if secret == "" {
			secret = got
		}
		if got != secret {
			t.Errorf("has %q, want %q", got, secret)
		}
	}
	get(1)
	get(1)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	get(2)
	if !strings.Contains(log.String(), "can't be used") {
		t.Errorf("the log says %q", log.String())
	}
	if err := os.Truncate(file, 100); err != nil {
		t.Fatal(err)
	}
	get(3)
	get(3)
}

// TestKeys: whatever decides what a template is makes it another.
func TestKeys(t *testing.T) {
	source := func(texts map[string]string) string {
		s, err := Dir(files(texts))
		if err != nil {
			t.Fatal(err)
		}
		return s.Key()
	}
	one := map[string]string{"1.sql": "select 1"}
	f, err := File(files(one), "1.sql")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, c := range []struct {
		name, key string
		o         pglite.Options
	}{
		{"one", source(one), pglite.Options{}},
		{"other name", source(map[string]string{"2.sql": "select 1"}), pglite.Options{}},
		{"other content", source(map[string]string{"1.sql": "select 2"}), pglite.Options{}},
		{"cut elsewhere", source(map[string]string{"1.sql": "select ", "2.sql": "1"}), pglite.Options{}},
		{"a file", f.Key(), pglite.Options{}},
		{"a setting", source(one), pglite.Options{Settings: []pglite.Setting{{Name: "work_mem", Value: "5MB"}}}},
		{"an extension", source(one), pglite.Options{Extensions: []string{"pgvector"}}},
	} {
		name, err := fileName(c.key, &c.o)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("%s is %s", c.name, other)
		}
		seen[name] = c.name
	}
}

// TestBuiltOnce: of several that want the same one makes it, also after one of
// them has failed.
func TestBuiltOnce(t *testing.T) {
	key := rand.Text()
	fresh(t, key, pglite.Options{})
	var builds atomic.Int32
	failure := errors.New("the first one fails")
	var wg sync.WaitGroup
	var failed atomic.Int32
	for range 4 {
		wg.Go(func() {
			i, err := Keep(t.Context(), key, "test", pglite.Options{}, func(ctx context.Context, c *pglite.Cluster) error {
				if builds.Add(1) == 1 {
					return failure
				}
				return nil
			})
			if errors.Is(err, failure) {
				failed.Add(1)
			} else if err != nil {
				t.Error(err)
			} else if err := i.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if builds.Load() != 2 || failed.Load() != 1 {
		t.Errorf("built %d times, %d failed", builds.Load(), failed.Load())
	}
}
