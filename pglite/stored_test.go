package pglite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/runtime/linear"
)

// asDefault opens a new cluster as the zero Options do, which goes on from the
// stored process.
func asDefault(o *pglite.Options) { o.MaxBackends = 0 }

// TestStored: new clusters that go on from the stored process boot nothing, share
// nothing that is a secret or random, and are sound through checkpoints, new WAL
// segments, a crash and its recovery.
func TestStored(t *testing.T) {
	if !linear.CanShare {
		t.Skip("memory can't be mapped here: new clusters boot")
	}
	seen := map[string]bool{}
	once := func(what, got string) {
		t.Helper()
		if seen[what+" "+got] {
			t.Errorf("twice: %s %s", what, got)
		}
		seen[what+" "+got] = true
	}
	for range 3 {
		c := openCluster(t, asDefault)
		if n := c.Stats(); n.BackendsThawed != 1 || n.BackendsBooted != 1 {
			t.Fatalf("%d backends have started, %d from the image", n.BackendsBooted, n.BackendsThawed)
		}
		a, b := connect(t, c, nil), connect(t, c, nil)
		for _, sql := range []string{
			"select random()", "select gen_random_uuid()", "select pg_backend_pid()", "select pg_postmaster_start_time()",
		} {
			once(sql, value(t, a, sql))
			once(sql, value(t, b, sql))
		}
		id := value(t, a, identifier)
		_, nonce, err := pglite.Identity(c)
		if err != nil {
			t.Fatal(err)
		}
		once("identifier", id)
		once("nonce", nonce)

		// Postgres writes the control file out of its memory, and the
		// identifier into each new segment of WAL.
		exec(t, a, "create table t as select i as id from generate_series(1, 10000) i; create index on t (id)")
		exec(t, a, "select pg_switch_wal(); checkpoint")
		exec(t, b, "insert into t values (-1); select pg_switch_wal(); insert into t values (-2)")
		same := func(when string) {
			t.Helper()
			file, after, err := pglite.Identity(c)
			if err != nil || file != id || after != nonce {
				t.Errorf("%s the control file is of system %s, not %s, or has another nonce: %v", when, file, id, err)
			}
		}
		same("after a checkpoint")
		if err := pglite.TrapNext(c, b.PgConn().PID()); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Exec(t.Context(), "select 1"); err == nil {
			t.Error("the backend has not crashed")
		}
		after := connect(t, c, nil)
		if got := value(t, after, "select count(*) from t"); got != "10002" {
			t.Errorf("%s rows after the crash", got)
		}
		exec(t, after, "checkpoint")
		same("after a recovery")
		if got := value(t, after, identifier); got != id {
			t.Errorf("it was system %s before the crash, and is %s", id, got)
		}
		sound(t, c)
	}
}

// TestStoredSettings: other settings, numbers of backends and extensions than those
// of the stored process are honoured.
func TestStoredSettings(t *testing.T) {
	for name, change := range map[string]func(*pglite.Options){
		"a setting":   func(o *pglite.Options) { o.Settings = []pglite.Setting{{Name: "shared_buffers", Value: "16MB"}} },
		"backends":    func(o *pglite.Options) { o.MaxBackends = 5 },
		"extensions":  func(o *pglite.Options) { o.Extensions = []string{"pg_hashids"} },
		"a directory": func(o *pglite.Options) { o.Dir = t.TempDir() },
	} {
		t.Run(name, func(t *testing.T) {
			c := openCluster(t, func(o *pglite.Options) { asDefault(o); change(o) })
			if n := c.Stats().BackendsThawed; n != 0 {
				t.Fatalf("%d backends go on from an image", n)
			}
			conn := connect(t, c, nil)
			want := map[string]string{"a setting": "16MB 72", "backends": "128MB 13"}[name]
			if want == "" {
				want = "128MB 72"
			}
			if got := value(t, conn, "select current_setting('shared_buffers') || ' ' || current_setting('max_connections')"); got != want {
				t.Errorf("it has %s, not %s", got, want)
			}
			if name == "extensions" {
				exec(t, conn, "create extension pg_hashids")
			}
		})
	}
	// A password is no setting.
	c := openCluster(t, func(o *pglite.Options) { asDefault(o); o.Password = "secret" })
	if n := c.Stats().BackendsThawed; n != 1 && linear.CanShare {
		t.Errorf("with a password %d backends go on from an image", n)
	}
	if got := value(t, connect(t, c, nil), "select rolpassword like 'SCRAM%' from pg_authid where rolname = 'postgres'"); got != "t" {
		t.Errorf("the password is set: %s", got)
	}
}

// copyCache makes a cache of a test's own, with all that the user's has of machine
// code and images: it compiles nothing. It returns where the stored process is.
func copyCache(t *testing.T) (dir, stored string) {
	t.Helper()
	if !linear.CanShare {
		t.Skip("memory can't be mapped here: new clusters boot")
	}
	openCluster(t, asDefault) // fills the user's
	home, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	from, dir := filepath.Join(home, "howdah"), t.TempDir()
	name, err := pglite.StoredFile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rel, err := filepath.Rel(from, name)
	if err != nil || strings.HasPrefix(rel, "..") {
		t.Skipf("the stored process is at %s, not in %s", name, from)
	}
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		part, relErr := filepath.Rel(from, path)
		if err = errors.Join(err, relErr); err != nil {
			return err
		}
		wanted := strings.HasPrefix(rel, part) || strings.HasPrefix(part, filepath.Dir(rel)) || strings.HasPrefix(part, "pglite-0")
		switch {
		case part == ".":
			return nil
		case d.IsDir() && !wanted:
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, part), 0o700)
		case !wanted:
			return nil
		}
		return copyFile(path, filepath.Join(dir, part))
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(dir, rel)
}

func copyFile(from, to string) (err error) {
	r, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) { // another process writes there
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}

// TestStoredDamaged: what is not whole in the cache is said to be, and made again;
// the cluster that finds it is as any other.
func TestStoredDamaged(t *testing.T) {
	dir, stored := copyCache(t)
	whole, err := os.ReadFile(stored)
	if err != nil {
		t.Fatal(err)
	}
	for name, harm := range map[string]func() error{
		"missing": func() error { return os.Remove(stored) },
		"cut":     func() error { return os.Truncate(stored, int64(len(whole)/2)) },
		"empty":   func() error { return os.Truncate(stored, 0) },
		"changed": func() error {
			bad := bytes.Clone(whole)
			bad[len(bad)/3] ^= 4
			return os.WriteFile(stored, bad, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := harm(); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			open := func() *pglite.Cluster {
				log.Reset()
				return openCluster(t, func(o *pglite.Options) {
					asDefault(o)
					o.CacheDir, o.Logger = dir, zerolog.New(&log)
				})
			}
			c := open()
			if said := strings.Contains(log.String(), "made again"); said != (name != "missing") {
				t.Errorf("the log says %q", log.String())
			}
			if n := c.Stats().BackendsThawed; n != 1 {
				t.Errorf("%d backends go on from the image that was made", n)
			}
			if got := value(t, connect(t, c, nil), "select 6 * 7"); got != "42" {
				t.Errorf("it answers %s", got)
			}
			if err := c.Close(context.Background()); err != nil {
				t.Error(err)
			}
			if c = open(); log.Len() > 0 {
				t.Errorf("the second one says %q", log.String())
			}
			if err := c.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStoredAtOnce: processes that start at once without a stored process each
// have a cluster, and leave one that later ones go on from.
func TestStoredAtOnce(t *testing.T) {
	const cacheOfChild = "HOWDAH_TEST_STORED"
	if dir := os.Getenv(cacheOfChild); dir != "" {
		c := openCluster(t, func(o *pglite.Options) { asDefault(o); o.CacheDir = dir })
		fmt.Printf("system %s thawed %d\n", value(t, connect(t, c, nil), identifier), c.Stats().BackendsThawed)
		return
	}
	dir, stored := copyCache(t)
	if err := os.Remove(stored); err != nil {
		t.Fatal(err)
	}
	run := func(n int) (systems []string) {
		t.Helper()
		out := make([]bytes.Buffer, n)
		var all []*osexec.Cmd
		for k := range out {
			cmd := osexec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStoredAtOnce$")
			cmd.Env = append(os.Environ(), cacheOfChild+"="+dir)
			cmd.Stdout, cmd.Stderr = &out[k], &out[k]
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			all = append(all, cmd)
		}
		for k, cmd := range all {
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v\n%s", err, out[k].String())
			}
			line, _, _ := strings.Cut(out[k].String(), "\n")
			if !strings.HasPrefix(line, "system ") || !strings.HasSuffix(line, " thawed 1") {
				t.Errorf("it says %q", line)
			}
			systems = append(systems, line)
		}
		return systems
	}
	systems := append(run(need.Choose(2, 8)), run(1)...)
	seen := map[string]bool{}
	for _, s := range systems {
		if seen[s] {
			t.Errorf("twice: %s", s)
		}
		seen[s] = true
	}
}
