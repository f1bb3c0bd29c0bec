package pglite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// worst are random numbers with which a cut loses all that was not synced:
// IntN gives 0, which looks at the upper half or at the lower one.
type worst struct{}

func (worst) Uint64() uint64 { return 1 << 48 }

const prepare = `create table t (id int primary key, v text, pad text); insert into t select g, 'x', 'x' from generate_series(1, 100) g; vacuum (freeze) t; checkpoint`

// TestMissingSync takes one kind of sync away, and shows that a cluster comes
// to harm by it. What is not in here, and may be lost without harm:
//
//   - pg_wal/xlogtemp.N, a new segment of zeros: it is synced again under its
//     name, and with every commit in it.
//   - postmaster.pid: a lock of Postgres' own, stale after any crash. The
//     operating system's lock is what counts.
//   - pg_subtrans, pg_notify, pg_internal.init, temporary relations: a start
//     throws them away (volatile in durability.go has most of them).
//   - Free space maps: hints, which Postgres itself repairs.
//   - pg_commit_ts, pg_logical/mappings, pg_replslot: empty here.
func TestMissingSync(t *testing.T) {
	file := func(pattern string) func(vfs.SyncCall) bool {
		re := regexp.MustCompile("^(" + pattern + ")$")
		return func(s vfs.SyncCall) bool { return !s.Dir && re.MatchString(s.Path) }
	}
	dir := func(pattern string) func(vfs.SyncCall) bool {
		re := regexp.MustCompile("^(" + pattern + ")$")
		return func(s vfs.SyncCall) bool { return s.Dir && re.MatchString(s.Path) }
	}
	for _, f := range []struct {
		name  string
		drop  func(vfs.SyncCall) bool
		sql   []string // after prepare
		check string   // gives one row "ok" of a cluster that is unharmed
	}{
		{"commit-not-in-the-log", file(`/pg_wal/[0-9A-F]{24}`),
			[]string{"insert into t values (101, 'x', 'x')"},
			"select 'ok' from t where id = 101"},
		{"segment-without-a-name", dir(`/pg_wal`),
			[]string{"select pg_switch_wal()", "insert into t values (101, 'x', 'x')", "select pg_switch_wal()", "insert into t values (102, 'x', 'x')", "select pg_switch_wal()", "insert into t values (103, 'x', 'x')"},
			"select 'ok' from t where id = 103"},
		{"control-file-behind-the-log", file(`/global/pg_control`),
			[]string{"select pg_switch_wal()", "insert into t values (101, 'x', 'x')", "select pg_switch_wal()", "insert into t values (102, 'x', 'x')", "checkpoint"},
			"select 'ok' from t where id = 102"},
		{"checkpoint-without-data", file(`/base/5/\d+`),
			[]string{"update t set v = 'y'", "checkpoint"},
			"select 'ok' from t having count(*) filter (where v = 'y') = 100"},
		{"checkpoint-without-a-new-name", dir(`/base/5`),
			[]string{"create table u as select 1 a", "checkpoint"},
			"select 'ok' from u"},
		{"checkpoint-without-visibility", file(`/base/5/\d+_vm`),
			[]string{"delete from t where id = 1", "checkpoint"},
			"select 'ok' where (select count(*) from t) = 99 and not exists (select from pg_visibility_map('t') v where v.blkno = 0 and v.all_visible)"},
		{"checkpoint-without-fates", file(`/pg_xact/[0-9A-F]+`),
			[]string{"insert into t values (101, 'x', 'x')", "checkpoint"},
			"select 'ok' from t where id = 101"},
		{"checkpoint-without-lockers", file(`/pg_multixact/.*`),
			[]string{"begin", "select from t where id = 1 for key share", "savepoint s", "update t set v = 'y' where id = 1", "release s", "commit", "checkpoint"},
			"select 'ok' from t having count(*) = 100 and count(*) filter (where v = 'y') = 1"},
		{"checkpoint-without-prepared", file(`/pg_twophase/.*`),
			[]string{"begin", "insert into t values (101, 'x', 'x')", "prepare transaction 'p'", "checkpoint"},
			"select 'ok' from pg_prepared_xacts"},
		{"checkpoint-without-prepared-name", dir(`/pg_twophase`),
			[]string{"begin", "insert into t values (101, 'x', 'x')", "prepare transaction 'p'", "checkpoint"},
			"select 'ok' from pg_prepared_xacts"},
		{"relation-map-torn", file(`/base/5/pg_filenode\.map.*`),
			[]string{"vacuum full pg_class", "checkpoint"}, "select 'ok' from t where id = 1"},
		{"origins-torn", file(`/pg_logical/replorigin_checkpoint.*`),
			[]string{"checkpoint"}, "select 'ok'"},
		{"database-without-files", file(`/base/\d{5,}/\d+`),
			[]string{"create database d strategy file_copy"}, "select 'ok' from pg_database where datname = 'd'"},
		{"database-by-log-without-files", file(`/base/\d{5,}/\d+`),
			[]string{"create database d strategy wal_log", "checkpoint"}, "select 'ok' from pg_database where datname = 'd'"},
		{"database-without-a-folder", dir(`/base`),
			[]string{"create database d strategy wal_log", "checkpoint"}, "select 'ok' from pg_database where datname = 'd'"},
		{"database-without-names", dir(`/base/\d{5,}`),
			[]string{"create database d strategy wal_log", "checkpoint"}, "select 'ok' from pg_database where datname = 'd'"},
	} {
		t.Run(f.name, func(t *testing.T) {
			for _, dropped := range []bool{false, true} {
				r := newRig(t, nil, vfs.CrashOptions{})
				r.boot()
				for _, sql := range append([]string{"create extension pg_visibility"}, strings.Split(prepare, "; ")...) {
					exec(t, r.conn, sql)
				}
				if dropped {
					r.disk.DropSyncs(f.drop)
				}
				for _, sql := range f.sql {
					exec(t, r.conn, sql)
				}
				if dropped && r.disk.Dropped() == 0 {
					t.Fatal("there is no such sync")
				}
				i := r.cut("cut", rand.New(worst{}))
				err := i.answers(t.Context(), f.check)
				if dropped && err == nil {
					t.Errorf("%d syncs are gone, and no harm is seen", r.disk.Dropped())
				}
				if !dropped && err != nil {
					t.Errorf("harm without a cause: %v", err)
				}
				t.Logf("dropped %d: %v", r.disk.Dropped(), err)
			}
		})
	}
}

// TestLeftOver: a crash leaves files that would keep Postgres from recovery.
func TestLeftOver(t *testing.T) {
	t.Run("lock-file-without-contents", func(t *testing.T) {
		r := newRig(t, nil, vfs.CrashOptions{})
		r.boot()
		i := r.cut("cut", rand.New(worst{}))
		f, err := i.tree.Open("/postmaster.pid", vfs.WriteOnly|vfs.Create|vfs.Truncate, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := i.answers(t.Context(), "select 'ok'"); err != nil {
			t.Error(err)
		}
	})
	t.Run("prepared-ahead-of-the-checkpoint", func(t *testing.T) {
		r := newRig(t, nil, vfs.CrashOptions{})
		r.boot()
		for _, sql := range []string{"create table t (a int)", "checkpoint", "insert into t values (0)", "begin", "insert into t values (1)", "prepare transaction 'p'"} {
			exec(t, r.conn, sql)
		}
		var i *image
		r.calls.SetRule(func(c vfs.Call) vfs.Break {
			if c.Op == vfs.OpWrite && c.Path == "/global/pg_control" && i == nil {
				i = r.cut("cut", rand.New(worst{}))
			}
			return vfs.Break{}
		})
		exec(t, r.conn, "checkpoint")
		if err := i.answers(t.Context(), "select 'ok' from pg_prepared_xacts"); err != nil {
			t.Error(err)
		}
	})
}

// TestInitForkWithoutName: the name of an unlogged table's init fork is lost,
// that of its main fork is not, and the WAL tells of both.
func TestInitForkWithoutName(t *testing.T) {
	rng := rand.New(rand.NewPCG(pickSeed(t), 1))
	for _, dropped := range []bool{false, true} {
		r := newRig(t, nil, vfs.CrashOptions{})
		r.boot()
		if dropped {
			r.disk.DropSyncs(func(s vfs.SyncCall) bool { return s.Path == "/base/5" })
		}
		exec(t, r.conn, "create unlogged table u (id int primary key)")
		bad := 0
		tries := 10
		if dropped {
			tries = 200
		}
		for range tries {
			if err := r.cut("cut", rng).answers(t.Context(), "select 'ok' from u having count(*) = 0"); err != nil {
				if bad++; !dropped {
					t.Error(err)
				}
				break
			}
		}
		if dropped && bad == 0 {
			t.Error("the sync of the directory is gone, and no harm is seen")
		}
	}
}

// answers opens the image and looks for one row "ok", also into all databases.
// It takes the image over.
func (i *image) answers(ctx context.Context, sql string) error {
	defer i.tree.Close()
	c, err := i.open(ctx)
	if err != nil {
		return err
	}
	defer pglite.Kill(c)
	rows, err := c.AsHost(ctx, sql)
	if err == nil && (len(rows) != 1 || rows[0][0] != "ok") {
		err = fmt.Errorf("got %q", rows)
	}
	if err != nil {
		return err
	}
	return databasesRead(ctx, c)
}

// TestOneMissingSync takes a single call away out of a fixed workload, and
// cuts the power when the statement in which it was is acknowledged. If that
// call was the statement's last sync of the WAL, and the statement changed
// anything, the change must be lost. Of the others most do no harm alone
// because a later one covers the same file before anything depends on it, or
// because nobody looks; TestMissingSync has them by kind.
func TestOneMissingSync(t *testing.T) {
	seed := pickSeed(t)
	type entry struct {
		call    vfs.SyncCall
		decides bool // the last of the WAL in a step that commits
	}
	const steps = 60
	var calls []entry
	script := func(drop func(vfs.SyncCall) bool, after func(r *rig, changed bool) (goOn bool)) {
		r := newRig(t, rand.New(rand.NewPCG(seed, 2)), vfs.CrashOptions{})
		r.boot()
		base := r.disk.Syncs()
		r.disk.DropSyncs(func(s vfs.SyncCall) bool {
			s.N -= base
			return drop(s)
		})
		for range steps {
			before := r.allowed[0]
			if err := r.step(); err != nil {
				t.Fatal(err)
			}
			// A database to be dropped is invalid, which is as good as gone, long before
			// the commit (dropdb, src/backend/commands/dbcommands.c).
			changed := r.allowed[0] != before && !strings.HasPrefix(r.last, "drop database")
			if !after(r, changed) {
				return
			}
		}
	}
	segment := regexp.MustCompile(`^/pg_wal/[0-9A-F]{24}$`)
	first := 0
	script(func(s vfs.SyncCall) bool { calls = append(calls, entry{call: s}); return false }, func(_ *rig, changed bool) bool {
		for k := len(calls) - 1; k >= first && changed; k-- {
			if segment.MatchString(calls[k].call.Path) {
				calls[k].decides = true
				break
			}
		}
		first = len(calls)
		return true
	})
	rng := rand.New(rand.NewPCG(seed, 3))
	lost, decided := 0, 0
	var sample, others []int
	for _, n := range rng.Perm(len(calls)) {
		if calls[n].decides && len(sample) < need.Size(150) {
			sample = append(sample, n)
		} else {
			others = append(others, n)
		}
	}
	sample = append(sample, others[:min(len(others), need.Size(150))]...)
	for _, n := range sample {
		var got vfs.SyncCall
		script(func(s vfs.SyncCall) bool {
			if s.N == calls[n].call.N {
				got = s
			}
			return s.N == calls[n].call.N
		}, func(r *rig, _ bool) bool {
			if got.N == 0 {
				return true
			}
			i := r.cut("cut", rand.New(worst{}))
			defer i.tree.Close()
			i.deep = true
			_, err := i.check(t.Context())
			if err != nil {
				lost++
			}
			if calls[n].decides {
				decided++
				if err == nil {
					t.Errorf("seed %#x: call %d, %s: dropped without harm", seed, got.N, got.Path)
				}
			}
			return false
		})
		if want := calls[n].call; got.Path != want.Path && !strings.Contains(want.Path, "xlogtemp") {
			t.Fatalf("call %d is for %s, was for %s", n, got.Path, want.Path)
		}
	}
	t.Logf("of %d calls in the workload %d were dropped one by one: %d did harm, among them all %d that decide about a commit", len(calls), len(sample), lost, decided)
	if lost == 0 {
		t.Error("no call matters")
	}
}
