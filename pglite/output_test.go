package pglite_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
)

// onPage is a value as it is on a page, with what is to be known of its type.
type onPage struct {
	function uint32
	byval    bool
	length   int16
	datum    []byte
	text     string
}

// store puts values of a type on pages and reads them there.
func store(t testing.TB, conn *pgx.Conn, typ string, texts ...string) (values []onPage) {
	t.Helper()
	ctx := t.Context()
	exec(t, conn, fmt.Sprintf("drop table if exists public.v; create table public.v (v %s)", typ))
	for _, text := range texts {
		if _, err := conn.Exec(ctx, "insert into public.v values ("+quote(text)+")"); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := conn.Query(ctx, `select y.typoutput::oid, y.typbyval, y.typlen, encode(t_data, 'hex') from heap_page_items(get_raw_page('public.v', 0)),
		pg_attribute a join pg_type y on y.oid = atttypid where attrelid = 'public.v'::regclass and attname = 'v' order by lp`, pgx.QueryExecModeExec)
	if err == nil {
		var v onPage
		var page string
		_, err = pgx.ForEachRow(rows, []any{&v.function, &v.byval, &v.length, &page}, func() error {
			v.text = texts[len(values)]
			if v.datum, err = hex.DecodeString(page); err != nil {
				return err
			}
			switch {
			case v.length > 0:
				v.datum = v.datum[:v.length]
			case v.datum[0]&1 == 1:
				v.datum = v.datum[1 : v.datum[0]>>1]
			default:
				v.datum = v.datum[4 : binary.LittleEndian.Uint32(v.datum)>>2]
			}
			values = append(values, v)
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(values) != len(texts) {
		t.Fatalf("%d values of %d are on the page", len(values), len(texts))
	}
	return values
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// refusal is the SQLSTATE of a cluster's error, "" for another.
func refusal(err error) string {
	var e *pglite.Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Code
}

func (v onPage) output(ctx context.Context, c *pglite.Cluster, database string) (string, error) {
	return c.Output(ctx, database, v.function, v.byval, v.length, v.datum)
}

// TestOutput has types written that only Postgres and its extensions know, whatever
// the sessions have set, in the words of the database.
func TestOutput(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends, o.Extensions = 3, []string{"pgvector"} })
	conn := connect(t, c, nil)
	exec(t, conn, `create extension pageinspect; create extension ltree; create extension hstore; create extension vector;
		create type mood as enum ('sad', 'ok'); create type pair as (a int, b timestamptz)`)
	exec(t, conn, "set datestyle = 'German'; set timezone = 'Asia/Tokyo'; set extra_float_digits = -10; set bytea_output = 'escape'; set intervalstyle = 'iso_8601'; set quote_all_identifiers = on")
	for _, x := range []struct {
		typ   string
		texts []string
	}{
		{"tsvector", []string{"'a':1A,2 'b'", ""}},
		{"tsquery", []string{"'a' & !( 'b' | 'c' )"}},
		{"ltree", []string{"Top.Science.Astronomy"}},
		{"hstore", []string{`"a"=>"1", "b c"=>NULL`}},
		{"hstore[]", []string{`{"\"a\"=>\"1\"",NULL}`}},
		{"vector(3)", []string{"[1,2.5,-3]"}},
		{"jsonpath", []string{`$."a"[*]?(@ > 1)`}},
		{"mood", []string{"sad", "ok"}},
		{"mood[]", []string{"{ok,NULL}"}},
		{"pair", []string{`(1,"2020-01-02 03:04:05+00")`}},
		{"int2", []string{"-5", "7"}},
		{"bool", []string{"t"}},
		{`"char"`, []string{"x"}},
		{"int8", []string{"-1234567890123"}},
		{"float8", []string{"0.1", "1e+20"}},
		{"name", []string{"a name"}},
		{"bytea", []string{`\x00ff`}},
		{"date", []string{"2020-12-31"}},
		{"interval", []string{"1 year 2 days 03:00:00"}},
		{"regtype", []string{"integer", "public.mood"}},
		{"regclass", []string{"pg_class", "public.v"}},
	} {
		t.Run(x.typ, func(t *testing.T) {
			for _, v := range store(t, conn, x.typ, x.texts...) {
				if got, err := v.output(t.Context(), c, "postgres"); err != nil || got != v.text {
					t.Errorf("%s, %v; want %s", got, err, v.text)
				}
			}
		})
	}
	if got := value(t, conn, "show datestyle"); got != "German, DMY" {
		t.Errorf("the client's DateStyle is %s", got)
	}
}

// TestOutputError: what the function refuses is Postgres' error, and its backend goes
// on.
func TestOutputError(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 2 })
	conn := connect(t, c, nil)
	exec(t, conn, "create extension pageinspect; create type mood as enum ('sad', 'ok')")
	mood := store(t, conn, "mood", "sad")[0]
	number := store(t, conn, "int4", "17")[0]
	exec(t, conn, "drop type mood cascade")
	for range 3 {
		if got, err := mood.output(t.Context(), c, "postgres"); refusal(err) != "22P03" {
			t.Errorf("%s, %v", got, err)
		}
		if got, err := number.output(t.Context(), c, "postgres"); err != nil || got != "17" {
			t.Errorf("%s, %v", got, err)
		}
	}
	mood.function = 0x7fffffff
	if got, err := mood.output(t.Context(), c, "postgres"); refusal(err) != "XX000" {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := number.output(t.Context(), c, "none"); refusal(err) != "3D000" {
		t.Errorf("without the database: %v", err)
	}
	number.datum = number.datum[:3]
	if got, err := number.output(t.Context(), c, "postgres"); err == nil {
		t.Errorf("3 bytes for an integer: %s", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := mood.output(ctx, c, "postgres"); err == nil {
		t.Error("done after its context")
	}
	if n := value(t, conn, "select 1"); n != "1" {
		t.Error(n)
	}
}

// TestOutputOfDatabases: each database has its own types, and dropping one does not
// wait for its backend.
func TestOutputOfDatabases(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 3 })
	first := connect(t, c, nil)
	var values []onPage
	for _, db := range []string{"one", "two"} {
		exec(t, first, "create database "+db)
		conn := connect(t, c, func(cfg *pgx.ConnConfig) { cfg.Database = db })
		exec(t, conn, fmt.Sprintf("create extension pageinspect; create type mood as enum ('in %s')", db))
		values = append(values, store(t, conn, "mood", "in "+db)...)
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		for k, db := range []string{"one", "two"} {
			if got, err := values[k].output(t.Context(), c, db); err != nil || got != "in "+db {
				t.Errorf("%s, %v", got, err)
			}
		}
	}
	exec(t, first, "drop database one")
	if got, err := values[0].output(t.Context(), c, "one"); refusal(err) != "3D000" {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := values[1].output(t.Context(), c, "two"); err != nil || got != "in two" {
		t.Errorf("%s, %v", got, err)
	}
}

// TestOutputBesideClients: values are written while clients have all backends in
// transactions, and by several at once.
func TestOutputBesideClients(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 2 })
	a, b := connect(t, c, nil), connect(t, c, nil)
	exec(t, a, "create extension pageinspect")
	v := store(t, a, "tsvector", "'x':1")[0]
	exec(t, a, "begin; create temp table t (a int)")
	exec(t, b, "begin; select 1")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				if got, err := v.output(t.Context(), c, "postgres"); err != nil || got != v.text {
					t.Errorf("%s, %v", got, err)
				}
			}
		})
	}
	for range 20 {
		exec(t, a, "insert into t values (1)")
	}
	all.Wait()
	exec(t, a, "commit")
	exec(t, b, "commit")
}

func BenchmarkOutput(b *testing.B) {
	c := openCluster(b, func(o *pglite.Options) { o.MaxBackends = 2 })
	conn := connect(b, c, nil)
	exec(b, conn, "create extension pageinspect; create extension hstore")
	for _, x := range []struct{ typ, text string }{{"int4", "17"}, {"tsvector", "'a':1A,2 'b'"}, {"hstore", `"a"=>"1", "b c"=>NULL`}} {
		v := store(b, conn, x.typ, x.text)[0]
		b.Run(x.typ, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.output(b.Context(), c, "postgres"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
