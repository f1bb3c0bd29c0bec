package pglite_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// fingerprint tells everything of a tree but the times of access.
func fingerprint(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(h, name, info.Mode(), info.ModTime().UnixNano())
		if !e.Type().IsRegular() {
			return nil
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(h, f)
		return errors.Join(err, f.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// closedCluster makes a cluster in a directory, with a table kept, and closes
// it.
func closedCluster(t *testing.T, dir string) {
	t.Helper()
	c, err := pglite.Open(t.Context(), pglite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.AsHost(t.Context(), "create table kept as select 1 a"); err != nil {
		t.Error(err)
	}
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestForeignDirectories(t *testing.T) {
	for _, f := range []struct {
		name string
		make func(t *testing.T, dir string)
		says string
	}{
		{"random-files", func(t *testing.T, dir string) { put(t, dir+"/letter.txt", "dear diary") }, "no PG_VERSION"},
		{"older-version", func(t *testing.T, dir string) {
			put(t, dir+"/PG_VERSION", "17\n")
			put(t, dir+"/global/pg_control", strings.Repeat("\x00", 8192))
		}, "made by PostgreSQL 17"},
		{"version-only", func(t *testing.T, dir string) { put(t, dir+"/PG_VERSION", "18\n") }, "pg_control"},
		{"control-file-of-zeros", func(t *testing.T, dir string) {
			put(t, dir+"/PG_VERSION", "18\n")
			put(t, dir+"/global/pg_control", strings.Repeat("\x00", 8192))
		}, "another version"},
		{"file-for-a-directory", func(t *testing.T, dir string) { put(t, dir, "not a directory") }, "not a directory"},
		{"log-elsewhere", func(t *testing.T, dir string) {
			closedCluster(t, dir)
			moveOut(t, dir, "pg_wal")
		}, "pg_wal is a symbolic link"},
		{"control-file-elsewhere", func(t *testing.T, dir string) {
			closedCluster(t, dir)
			moveOut(t, dir, "global")
		}, "symbolic link"},
		{"tablespace-elsewhere", func(t *testing.T, dir string) {
			closedCluster(t, dir)
			if err := os.Symlink(t.TempDir(), dir+"/pg_tblspc/16384"); err != nil {
				t.Fatal(err)
			}
		}, "16384 is a symbolic link"},
	} {
		t.Run(f.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			f.make(t, dir)
			refusedUntouched(t, dir, f.says)
		})
	}
}

func moveOut(t *testing.T, dir, name string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	if err := errors.Join(os.Rename(filepath.Join(dir, name), out), os.Symlink(out, filepath.Join(dir, name))); err != nil {
		t.Fatal(err)
	}
}

// refusedUntouched expects ErrNotCluster.
func refusedUntouched(t *testing.T, dir, says string) {
	t.Helper()
	before := fingerprint(t, dir)
	c, err := pglite.Open(t.Context(), pglite.Options{Dir: dir})
	if err == nil {
		_ = c.Close(context.Background())
		t.Fatal("it is opened")
	}
	if !errors.Is(err, pglite.ErrNotCluster) || !strings.Contains(err.Error(), says) {
		t.Errorf("the error is %q, want %q with %q", err, pglite.ErrNotCluster, says)
	}
	if after := fingerprint(t, dir); after != before {
		t.Error("something in it has changed")
	}
}

// TestNativeCluster: a native server's 64-bit cluster has the same version.
func TestNativeCluster(t *testing.T) {
	n := need.StartNative(t)
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS(n.DataDir)); err != nil {
		t.Fatal(err)
	}
	refusedUntouched(t, dir, "64-bit")
}

// TestMissingParent makes no folders but the last.
func TestMissingParent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if _, err := pglite.Open(t.Context(), pglite.Options{Dir: dir}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), dir) {
		t.Errorf("the error is %v", err)
	}
}

// TestModeOfDirectory: a directory that somebody made with the usual mode is
// good to go.
func TestModeOfDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	closedCluster(t, dir)
}

func TestShutdownState(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	// DBState of src/include/catalog/pg_control.h, and where it stands.
	const shutDown, inProduction, stateAt = 1, 6, 16
	state := func() uint32 {
		b, err := os.ReadFile(filepath.Join(dir, "global", "pg_control"))
		if err != nil {
			t.Fatal(err)
		}
		return binary.LittleEndian.Uint32(b[stateAt:])
	}
	c, err := pglite.Open(t.Context(), pglite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if s := state(); s != inProduction {
		t.Errorf("while it runs the state is %d", s)
	}
	conn := connect(t, c, nil)
	exec(t, conn, "create table kept as select 1 a")
	for name, want := range map[string]string{"wal_level": "logical", "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "data_checksums": "on"} {
		if got := value(t, conn, "show "+name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	_ = conn.Close(t.Context())
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s := state(); s != shutDown {
		t.Errorf("after Close the state is %d", s)
	}
	if _, err := os.Stat(filepath.Join(dir, "postmaster.pid")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("postmaster.pid: %v", err)
	}
}

// TestLock: a directory is one process', until it ends, however that is.
func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := startServer(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, link} {
		if _, err := pglite.Open(t.Context(), pglite.Options{Dir: name}); !errors.Is(err, pglite.ErrLocked) {
			t.Errorf("Open(%s) in another process: %v", name, err)
		}
	}
	if _, err := startServer(t, dir); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a third process: %v", err)
	}
	s.kill()
	c, err := pglite.Open(t.Context(), pglite.Options{Dir: dir})
	if err != nil {
		t.Fatal("after a kill:", err)
	}
	if _, err := pglite.Open(t.Context(), pglite.Options{Dir: dir}); !errors.Is(err, pglite.ErrLocked) {
		t.Errorf("a second time in this process: %v", err)
	}
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	closedCluster(t, dir)
}

// TestKillWhileFilling kills a process that makes a cluster; the next one
// begins anew, or finds it complete.
func TestKillWhileFilling(t *testing.T) {
	rng := rand.New(rand.NewPCG(pickSeed(t), 1))
	for k := range need.Size(20) {
		dir := filepath.Join(t.TempDir(), fmt.Sprint(k))
		s := spawnServer(t, dir)
		for { // the marker comes first
			if _, err := os.Stat(filepath.Join(dir, "howdah.init")); err == nil {
				break
			}
			if _, err := os.Stat(filepath.Join(dir, "PG_VERSION")); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(rng.IntN(150)) * time.Millisecond)
		s.kill()
		closedCluster(t, dir)
	}
}

// TestPowerCutWhileFilling does the same to a disk that keeps only what was
// synced: an unfinished cluster never passes for one.
func TestPowerCutWhileFilling(t *testing.T) {
	rng := rand.New(rand.NewPCG(pickSeed(t), 1))
	ctx := t.Context()
	if _, err := pglite.Fresh(ctx); err != nil { // keeps the engine
		t.Fatal(err)
	}
	disk := vfs.NewCrash(vfs.NewMemory(vfs.MemoryOptions{}), vfs.CrashOptions{})
	defer disk.Close()
	calls, next, cuts := 0, 1, 0
	f := vfs.NewFault(disk)
	try := func(why string) {
		cuts++
		tree := disk.CrashClone(rng)
		if cuts%2 == 0 { // a second time, while the rest of the first is cleared away
			again := vfs.NewCrash(tree, vfs.CrashOptions{})
			g := vfs.NewFault(again)
			at := int64(1 + rng.IntN(1500))
			var second *vfs.Memory
			g.SetRule(func(c vfs.Call) vfs.Break {
				if at--; at == 0 {
					second = again.CrashClone(rng)
				}
				return vfs.Break{}
			})
			c, err := pglite.OpenOn(ctx, pglite.Options{Settings: crashSettings}, g)
			if err != nil {
				t.Fatal(why, err)
			}
			pglite.Kill(c)
			if second != nil {
				_ = again.Close()
				tree = second
			}
		}
		defer tree.Close()
		c, err := pglite.OpenOn(ctx, pglite.Options{Settings: crashSettings}, vfs.NewFault(tree))
		if err != nil {
			t.Fatal(why, err)
		}
		defer pglite.Kill(c)
		if rows, err := c.AsHost(ctx, "select count(*) from pg_class"); err != nil || rows[0][0] < "4" {
			t.Error(why, rows, err)
		}
	}
	f.SetRule(func(c vfs.Call) vfs.Break {
		if changes(c.Op) {
			if calls++; calls == next {
				next += 1 + rng.IntN(6400/need.Size(60))
				try(fmt.Sprintf("before call %d, %v %s", calls, c.Op, c.Path))
			}
		}
		return vfs.Break{}
	})
	c, err := pglite.OpenOn(ctx, pglite.Options{Settings: crashSettings}, f)
	if err != nil {
		t.Fatal(err)
	}
	f.SetRule(nil)
	try("filled")
	pglite.Kill(c)
	t.Logf("%d calls, %d cuts", calls, cuts)
}
