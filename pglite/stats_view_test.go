package pglite_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/internal/catalog"
)

// TestStatView: every role sees the figures in every database, as they are.
func TestStatView(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 4 })
	super := connect(t, c, nil)
	exec(t, super, "create role nobody login")
	exec(t, super, "create database of_later")
	exec(t, super, "create database of_template0 template template0")
	for _, db := range []string{"postgres", "of_later", "of_template0"} {
		conn := connect(t, c, func(cfg *pgx.ConnConfig) { cfg.User, cfg.Database = "nobody", db })
		figure := func(name string) float64 {
			t.Helper()
			v, err := strconv.ParseFloat(value(t, conn, "select value from howdah_stat where name = '"+name+"'"), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		if n := figure("sessions"); n != float64(c.Stats().Sessions) {
			t.Errorf("%s: %v sessions of %d", db, n, c.Stats().Sessions)
		}
		before := figure("commits")
		exec(t, conn, "select 1")
		if n := figure("commits") - before; n != 2 { // and that of the first query
			t.Errorf("%s: %v commits", db, n)
		}
		want := 0
		stats := c.Stats()
		for f := range stats.Figures() {
			want++
			if got := value(t, conn, "select concat_ws('|', unit, description) from howdah_stat where name = '"+f.Name+"'"); got != strings.TrimPrefix(f.Unit+"|"+f.Help, "|") {
				t.Errorf("%s is %q", f.Name, got)
			}
		}
		if got := value(t, conn, "select count(*) from howdah_stat"); got != strconv.Itoa(want) {
			t.Errorf("%s: %s figures, want %d", db, got, want)
		}
		if _, err := conn.Exec(t.Context(), "select pg_read_file('/howdah/stat')"); err == nil {
			t.Error("the file itself can be read by anyone")
		}
		_ = conn.Close(t.Context())
	}
	// What users make has the OIDs that it has in native Postgres, and the view's
	// are among those of initdb.
	if got := value(t, super, "select max(oid::int8) from pg_class where relname = 'howdah_stat'"); len(got) != 5 || got >= "16384" {
		t.Errorf("the view's OID is %s", got)
	}
	// pg_dump leaves out what has the privileges that initdb gave.
	if got := value(t, super, "select count(*) from pg_class c join pg_init_privs p on p.objoid = c.oid and p.classoid = 'pg_class'::regclass and p.initprivs = c.relacl where c.relname = 'howdah_stat'"); got != "1" {
		t.Error("the view's privileges would be dumped")
	}
	if _, err := super.Exec(t.Context(), "copy (select 1) to '/howdah/stat'"); err == nil {
		t.Error("the file can be written")
	}
}

// TestStatViewLater: a cluster without the view serves all the same, and its
// SQL can be run there.
func TestStatViewLater(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 2 })
	conn := connect(t, c, nil)
	exec(t, conn, "set allow_system_table_mods = on; drop view howdah_stat; drop function howdah_stat_file")
	if _, err := conn.Exec(t.Context(), "table howdah_stat"); err == nil {
		t.Fatal("the view is still there")
	}
	exec(t, conn, catalog.View)
	if got := value(t, conn, "select value from howdah_stat where name = 'sessions'"); got != "1" {
		t.Errorf("%s sessions", got)
	}
}
