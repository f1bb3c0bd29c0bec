//go:build unix

package wasm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// childEnv names the part of the test binary that runs as a process of its
// own, see TestMain.
const childEnv = "HOWDAH_WASM_CHILD"

// TestMain is the test binary; as a child it loads from the cache folder that
// it is given, prints its stages and notices, and exits.
func TestMain(m *testing.M) {
	dir, ok := os.LookupEnv(childEnv)
	if !ok {
		os.Exit(m.Run())
	}
	a, err := Load(context.Background(), Options{CacheDir: dir, Progress: func(stage string, done, _ int64) {
		if done == 0 {
			fmt.Println("stage:", stage)
		}
	}})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	for _, n := range a.Notices() {
		fmt.Println("notice:", n)
	}
	if entries, err := codeEntries(filepath.Join(a.CompileCache(), thisTarget().folder())); err == nil && a.CompileCache() != "" {
		fmt.Printf("code: %s with %d entries\n", a.CompileCache(), len(entries))
	}
	if err := a.Close(); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("loaded")
}

// child starts the test binary to load from dir, as user id uid.
func child(t *testing.T, dir string, uid int, out io.Writer) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if uid != os.Geteuid() { // it could not reach the original
		data, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		self = filepath.Join(openDir(t, uid), "child")
		if err := os.WriteFile(self, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stdout, cmd.Stderr = out, out
	if uid != os.Geteuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	return cmd
}

// TestProcessesShareOneFetch: of three processes that start at once with an
// empty cache one fetches, the others wait and use it.
func TestProcessesShareOneFetch(t *testing.T) {
	dir := t.TempDir()
	var outputs [3]bytes.Buffer
	var running [3]*exec.Cmd
	for i := range running {
		running[i] = child(t, dir, os.Geteuid(), &outputs[i])
		if err := running[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	all := ""
	for i := range running {
		if err := running[i].Wait(); err != nil {
			t.Errorf("%v: %s", err, &outputs[i])
		}
		all += outputs[i].String()
	}
	if strings.Count(all, "stage: fetch") != 1 || strings.Count(all, "loaded") != 3 || strings.Contains(all, "notice") {
		t.Errorf("the processes say:\n%s", all)
	}
}

// TestKilledFetchLeavesNoLock: a process that dies while it fetches holds up
// nobody, and what it left behind is swept.
func TestKilledFetchLeavesNoLock(t *testing.T) {
	dir := t.TempDir()
	first := child(t, dir, os.Geteuid(), nil)
	first.Env = append(first.Env, "TMPDIR="+openDir(t, os.Geteuid())) // it will not tidy up
	first.Stdout = nil
	out, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 7)); err != nil { // "stage: …": it has the lock
		t.Fatal(err)
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(); err == nil {
		t.Error("the process was not killed")
	}
	left := filepath.Join(dir, "pglite-0.5.16", temporary+"tree-1")
	if err := os.MkdirAll(filepath.Dir(left), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	loadReal(t, Options{CacheDir: dir})
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("the temporary file is still there: %v", err)
	}
}

// TestInsecureCache: each level that belongs to someone else, or that others
// can write, is refused by name and left as it is.
func TestInsecureCache(t *testing.T) {
	dir := filledFolder(t)
	code := loadReal(t, Options{CacheDir: dir}).CompileCache()
	entry := filepath.Join(code, thisTarget().folder(), strings.Repeat("ab", 32))
	if err := os.WriteFile(entry, []byte("code"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"cache":          dir,
		"package":        filepath.Join(dir, "pglite-0.5.16"),
		"file":           filepath.Join(dir, "pglite-0.5.16", "pglite.wasm"),
		"code":           filepath.Join(dir, "code"),
		"artifact code":  code,
		"wazero's":       filepath.Dir(entry),
		"code of module": entry,
	} {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, bits := range []os.FileMode{0o020, 0o002} {
			t.Run(fmt.Sprintf("%s writable by %03o", name, bits), func(t *testing.T) {
				if err := os.Chmod(path, st.Mode().Perm()|bits); err != nil {
					t.Fatal(err)
				}
				defer os.Chmod(path, st.Mode().Perm())
				a, err := Load(t.Context(), Options{CacheDir: dir})
				mustFail(t, a, err, path+" can be written by others", "chmod")
				if now, err := os.Stat(path); err != nil || now.Mode().Perm() != st.Mode().Perm()|bits {
					t.Errorf("mode is now %v, %v", now.Mode(), err)
				}
			})
		}
		t.Run(name+" of another user", func(t *testing.T) {
			if os.Geteuid() != 0 {
				t.Skip("needs root to give files away")
			}
			if err := os.Chown(path, 65534, -1); err != nil {
				t.Fatal(err)
			}
			defer os.Chown(path, 0, -1)
			a, err := Load(t.Context(), Options{CacheDir: dir})
			mustFail(t, a, err, path+" belongs to user id 65534")
		})
	}
	loadReal(t, Options{CacheDir: dir})
}

// TestReadOnlyCache runs a user without rights to write to the cache. Root
// may write everywhere, so it becomes nobody for it.
func TestReadOnlyCache(t *testing.T) {
	uid := os.Geteuid()
	if uid == 0 {
		uid = 65534
	}
	temporary := openDir(t, uid)
	load := func(dir string) (string, error) {
		var out bytes.Buffer
		cmd := child(t, dir, uid, &out)
		cmd.Env = append(cmd.Env, "PATH=", "TMPDIR="+temporary)
		err := cmd.Run()
		return out.String(), err
	}
	t.Run("filled", func(t *testing.T) {
		out, err := load(readOnly(t, uid, filledFolder(t)))
		if err != nil || !strings.Contains(out, "notice: the cache can't be written") {
			t.Errorf("%v: %s", err, out)
		}
		if strings.Contains(out, "code: "+temporary) {
			t.Errorf("without any code: %s", out)
		}
	})
	t.Run("with code", func(t *testing.T) {
		filled := filledFolder(t)
		code := loadReal(t, Options{CacheDir: filled}).CompileCache()
		if err := os.WriteFile(filepath.Join(code, thisTarget().folder(), strings.Repeat("ab", 32)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := load(readOnly(t, uid, filled))
		if err != nil || !strings.Contains(out, "code: "+temporary) || !strings.Contains(out, "with 1 entries") {
			t.Errorf("%v: %s", err, out)
		}
		left, err := os.ReadDir(temporary)
		if err != nil || len(left) > 0 {
			t.Errorf("temporary folders are left: %v, %v", left, err)
		}
	})
	t.Run("empty", func(t *testing.T) {
		out, err := load(readOnly(t, uid, t.TempDir()))
		if err == nil || !strings.Contains(out, "npm was not found") {
			t.Errorf("%v: %s", err, out)
		}
	})
}

// openDir is an empty folder of uid that the way to is open.
func openDir(t *testing.T, uid int) string {
	t.Helper()
	parent, err := os.MkdirTemp("", "howdah-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	dir := filepath.Join(parent, "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(parent, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, uid, -1); err != nil {
		t.Fatal(err)
	}
	return dir
}

// readOnly moves a folder to where uid owns and reads but can't write it.
func readOnly(t *testing.T, uid int, from string) string {
	t.Helper()
	dir := filepath.Join(openDir(t, uid), "cache")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	setModes := func(folder, file os.FileMode) error {
		return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if err := os.Chown(path, uid, -1); err != nil {
				return err
			}
			if d.IsDir() {
				return os.Chmod(path, folder)
			}
			return os.Chmod(path, file)
		})
	}
	if err := setModes(0o500, 0o400); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = setModes(0o700, 0o600) }) // so that it can be removed
	return dir
}
