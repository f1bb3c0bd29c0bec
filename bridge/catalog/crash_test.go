package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// TestCrash follows clusters on which several sessions change tables, types and the
// catalogs' files at random, and every now and then reads a copy of the data
// directory as a crash at that moment leaves it: what was committed until then is
// there, and nothing else.
func TestCrash(t *testing.T) {
	for name, start := range servers() {
		t.Run(name, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			s := start(t)
			conn := s.open(t, "postgres")
			flush(t, conn)
			f := follow(t, s.dir)

			const sessions = 3
			var load sync.WaitGroup
			defer load.Wait()
			for i := range sessions {
				c, r := s.open(t, "postgres"), rand.New(rand.NewPCG(seed, uint64(i)))
				load.Go(func() { disturb(t, c, r, i, need.Size(1000)) })
			}
			done := make(chan struct{})
			go func() { load.Wait(); close(done) }()

			copies := 0
			for running := true; running; copies++ {
				select {
				case <-done:
					running = false
				case <-time.After(20 * time.Millisecond):
				}
				dir := crashed(t, s.dir)
				c, start := read(t, dir)
				f.catchUp(t, start.LSN)
				if at := f.reader.Position(); at != start.LSN {
					t.Fatalf("the copy's log ends at %v, and the follower is at %v", start.LSN, at)
				}
				same(t, fmt.Sprint("copy ", copies, " at ", start.LSN), c.Dump(), f.catalogs.Dump(), "followed")
				f.restart(t)
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
				if t.Failed() {
					return
				}
			}
			check(t, s, f, map[string]*pgx.Conn{"": conn}, "in the end")
			t.Logf("%d copies, %d records, %d changes of catalogs", copies, f.records, f.ops)
		})
	}
}

// crashed copies a data directory that is in use. What a record since the last
// checkpoint says is done again by recovery, so pages may be copied before and after
// it; the control file goes first and the log last, as in a backup.
func crashed(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	for _, part := range []string{"global/pg_control", ".", "pg_wal"} {
		err := filepath.WalkDir(filepath.Join(dir, part), func(name string, e fs.DirEntry, err error) error {
			rel, _ := filepath.Rel(dir, name)
			target := filepath.Join(to, rel)
			switch {
			case errors.Is(err, os.ErrNotExist): // removed meanwhile
				return nil
			case err != nil:
				return err
			case part == "." && rel == "pg_wal":
				return fs.SkipDir
			case e.IsDir():
				return os.MkdirAll(target, 0o700)
			case part == "." && (rel == "global/pg_control" || rel == "postmaster.pid"):
				return nil
			}
			b, err := os.ReadFile(name)
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
				return err
			}
			return os.WriteFile(target, b, 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// disturb changes tables of its own, n times.
func disturb(t *testing.T, conn *pgx.Conn, r *rand.Rand, session, n int) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	next := 0
	var tables, kinds, waiting []string
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	name := func(what string) string { next++; return fmt.Sprintf("%s_%d_%d", what, session, next) }
	for i := range n {
		var sql string
		switch k := r.IntN(20); {
		case k < 3 || len(tables) < 2:
			tables = append(tables, name("t"))
			sql = fmt.Sprintf("create table %s (id int primary key, a text default 'd', b numeric(8, 2))", tables[len(tables)-1])
		case k < 4 || len(kinds) == 0:
			kinds = append(kinds, name("e"))
			sql = fmt.Sprintf("create type %s as enum ('a', 'b')", kinds[len(kinds)-1])
		case k < 7:
			sql = fmt.Sprintf("alter table %s add column %s %s", pick(tables), name("c"), []string{"int default 7", "text default 'seven'", pick(kinds), "float8[]"}[r.IntN(4)])
		case k < 8:
			at := r.IntN(len(tables))
			old := tables[at]
			tables[at] = name("r")
			sql = fmt.Sprintf("alter table %s rename to %s", old, tables[at])
		case k < 9:
			at := r.IntN(len(tables))
			sql = "drop table " + tables[at]
			tables = append(tables[:at], tables[at+1:]...)
		case k < 10:
			sql = fmt.Sprintf("alter type %s add value '%s'", pick(kinds), name("v"))
		case k < 12:
			sql = fmt.Sprintf("begin; savepoint s; alter table %[1]s add column %[2]s int; rollback to s; alter table %[1]s add column %[2]s text default 'x'; %[3]s",
				pick(tables), name("c"), []string{"commit", "rollback"}[r.IntN(2)])
		case k < 13:
			sql = fmt.Sprintf("begin; create table %s (id int); drop table %s; rollback", name("n"), pick(tables))
		case k < 14:
			sql = []string{"truncate ", "vacuum full ", "vacuum ", "analyze "}[r.IntN(4)] + pick(tables)
		case k < 15:
			sql = fmt.Sprintf("alter table %s alter column b type %s", pick(tables), []string{"numeric(9, 3)", "float8", "text"}[r.IntN(3)])
		case k < 16 && len(waiting) < 5:
			gid := name("gid")
			waiting = append(waiting, gid)
			sql = fmt.Sprintf("begin; create table %s (id int primary key, v text); prepare transaction '%s'", name("p"), gid)
		case k < 17 && len(waiting) > 0:
			sql = []string{"commit", "rollback"}[r.IntN(2)] + " prepared '" + waiting[0] + "'"
			waiting = waiting[1:]
		case k < 18 && session == 0:
			sql = "checkpoint"
		case k < 19:
			sql = []string{"vacuum ", "vacuum freeze "}[r.IntN(2)] + []string{"pg_class", "pg_attribute", "pg_type", "pg_enum", "pg_index"}[r.IntN(5)]
		case session == 0:
			sql = "vacuum full " + []string{"pg_class", "pg_attribute", "pg_type", "pg_enum", "pg_index", "pg_namespace"}[r.IntN(6)]
		}
		if sql == "" {
			continue
		}
		if err := each(ctx, conn, sql); err != nil {
			// Sessions get in each other's way at the catalogs themselves.
			var e *pgconn.PgError
			if !errors.As(err, &e) || !strings.Contains("40P01 XX000 42P01 42704 42804 42701 53400 55000 0A000 55P04 42846", e.Code) {
				t.Errorf("session %d, step %d: %s: %v", session, i, sql, err)
				return
			}
			if err := each(ctx, conn, "rollback"); err != nil {
				t.Error(err)
				return
			}
		}
	}
	for _, gid := range waiting {
		if err := each(ctx, conn, "rollback prepared '"+gid+"'"); err != nil {
			var e *pgconn.PgError
			if !errors.As(err, &e) {
				t.Error(err)
			}
		}
	}
}

// each runs statements one by one.
func each(ctx context.Context, conn *pgx.Conn, sql string) error {
	for _, s := range strings.Split(sql, "; ") {
		if _, err := conn.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}
