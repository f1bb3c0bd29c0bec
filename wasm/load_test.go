package wasm

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// loadReal loads with the user's own cache, fetching what it lacks.
func loadReal(t testing.TB, o Options) *Artifact {
	t.Helper()
	a, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// filledFolder is a new folder with the base package and extensions, good as
// a cache and as an Options.FS.
func filledFolder(t testing.TB, extensions ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Fetch(t.Context(), Options{Extensions: extensions}, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// offline takes npm away.
func offline(t testing.TB) { t.Setenv("PATH", t.TempDir()) }

func mustFail(t *testing.T, a *Artifact, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error but %d files", len(a.Files()))
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

func mustNotice(t *testing.T, a *Artifact, want string) {
	t.Helper()
	if !strings.Contains(strings.Join(a.Notices(), "\n"), want) {
		t.Errorf("notices %q do not say %q", a.Notices(), want)
	}
}

func TestLoad(t *testing.T) {
	a := loadReal(t, Options{Extensions: Extensions()})
	magic := []byte("\x00asm\x01\x00\x00\x00")
	if !bytes.HasPrefix(a.Backend(), magic) || !bytes.HasPrefix(a.Initdb(), magic) {
		t.Error("not WebAssembly")
	}
	if hexSum(a.Backend()) != a.Hash() {
		t.Errorf("hash is %s", a.Hash())
	}
	modes := make(map[string]fs.FileMode)
	for _, f := range a.Files() {
		if _, ok := modes[f.Path]; ok {
			t.Errorf("%s stands twice", f.Path)
		}
		modes[f.Path] = f.Mode
		if strings.HasPrefix(f.Path, "/pglite/include/") {
			t.Errorf("%s is of no use", f.Path)
		}
		if path := f.Path; filepath.Ext(path) == ".so" && !bytes.HasPrefix(f.Data, magic) {
			t.Errorf("%s is not WebAssembly", path)
		}
	}
	for path, mode := range map[string]fs.FileMode{
		"/home/postgres/.pgpass":                                     0o600,
		"/pglite/bin/postgres":                                       0o755,
		"/pglite/lib/postgresql/plpgsql.so":                          0o755,
		"/pglite/lib/postgresql/pgcrypto.so":                         0o755,
		"/pglite/lib/postgresql/vector.so":                           0o755,
		"/pglite/share/postgresql/extension/uuid-ossp.control":       0o644,
		"/pglite/share/postgresql/extension/vector.control":          0o644,
		"/pglite/share/postgresql/timezone/Europe/Berlin":            0o644,
		"/pglite/share/postgresql/tsearch_data/thesaurus_sample.ths": 0o644,
	} {
		if got, ok := modes[path]; !ok || got != mode {
			t.Errorf("%s: there %v, mode %o", path, ok, got)
		}
	}
}

func TestLoadWithoutExtensionsHasNone(t *testing.T) {
	for _, f := range loadReal(t, Options{}).Files() {
		if strings.Contains(f.Path, "vector.control") {
			t.Error(f.Path)
		}
	}
}

func TestLoadFetchesOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "cache")
	var stages []string
	o := Options{CacheDir: dir, Progress: func(stage string, done, total int64) {
		if done == 0 {
			stages = append(stages, stage)
		}
	}}
	loadReal(t, o)
	offline(t)
	a := loadReal(t, o)
	if !slices.Equal(stages, []string{"fetch @electric-sql/pglite 0.5.16"}) || len(a.Notices()) > 0 {
		t.Errorf("stages %q, notices %q", stages, a.Notices())
	}
	st, err := os.Stat(dir)
	if err != nil || st.Mode().Perm() != 0o700 && st.Mode().Perm() != 0o777 { // 0777 is what Windows shows
		t.Errorf("cache has mode %v, %v", st.Mode(), err)
	}
	if err := Fetch(t.Context(), o, ""); err != nil {
		t.Error(err)
	}
}

func TestLoadOfflineSaysWhatToDo(t *testing.T) {
	offline(t)
	a, err := Load(t.Context(), Options{CacheDir: t.TempDir()})
	mustFail(t, a, err, "@electric-sql/pglite 0.5.16", "npm was not found", `"howdah fetch"`, "--dir", "pglite.Options.Artifact")
}

func TestLoadReportsNpm(t *testing.T) {
	t.Setenv("npm_config_registry", "http://127.0.0.1:1/")
	t.Setenv("npm_config_cache", t.TempDir())
	t.Setenv("npm_config_fetch_retries", "0")
	a, err := Load(t.Context(), Options{CacheDir: t.TempDir()})
	mustFail(t, a, err, "npm pack @electric-sql/pglite@0.5.16", "ECONNREFUSED")
}

// TestLoadDamaged damages each file of the cache in each way.
func TestLoadDamaged(t *testing.T) {
	for _, name := range []string{"pglite.wasm", "initdb.wasm", "tree"} {
		for damage, change := range map[string]func(data []byte) []byte{
			"flipped":   func(data []byte) []byte { data[len(data)/2] ^= 1; return data },
			"truncated": func(data []byte) []byte { return data[:len(data)-1] },
			"longer":    func(data []byte) []byte { return append(data, 0) },
			"empty":     func([]byte) []byte { return nil },
		} {
			t.Run(name+" "+damage, func(t *testing.T) {
				dir := filledFolder(t)
				path := filepath.Join(dir, "pglite-0.5.16", name)
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, change(data), 0o600); err != nil {
					t.Fatal(err)
				}
				without := func() {
					offline(t)
					a, err := Load(t.Context(), Options{CacheDir: dir})
					mustFail(t, a, err, path, "want", "npm was not found")
					a, err = Load(t.Context(), Options{FS: os.DirFS(dir), CacheDir: t.TempDir()})
					mustFail(t, a, err, "pglite-0.5.16/"+name, "want")
				}
				if damage != "flipped" { // one fetch per file is enough
					without()
					return
				}
				a := loadReal(t, Options{CacheDir: dir})
				mustNotice(t, a, path)
				mustNotice(t, a, "it was replaced")
				offline(t)
				if again := loadReal(t, Options{CacheDir: dir}); len(again.Notices()) > 0 {
					t.Errorf("notices after the repair: %q", again.Notices())
				}
			})
		}
	}
}

func TestLoadFS(t *testing.T) {
	dir := filledFolder(t, "pgvector")
	offline(t)
	whole := loadReal(t, Options{FS: os.DirFS(dir), CacheDir: t.TempDir(), Extensions: []string{"pgvector"}})

	memory := make(fstest.MapFS)
	if err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		memory[path] = &fstest.MapFile{Data: data}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(memory) != 4 {
		t.Errorf("folder has %d files", len(memory))
	}
	same := loadReal(t, Options{FS: memory, CacheDir: t.TempDir(), Extensions: []string{"pgvector"}})
	if len(same.Files()) != len(whole.Files()) {
		t.Errorf("%d files, then %d", len(whole.Files()), len(same.Files()))
	}
	// Nowhere else: the cache has what the folder lacks.
	a, err := Load(t.Context(), Options{FS: memory, CacheDir: dir, Extensions: []string{"pgtap"}})
	mustFail(t, a, err, "@electric-sql/pglite-pgtap 0.0.15", "howdah fetch --dir")
}

func TestFetchRepairsFolder(t *testing.T) {
	dir := filledFolder(t)
	path := filepath.Join(dir, "pglite-0.5.16", "tree")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	offline(t) // the user's cache has it
	if err := Fetch(t.Context(), Options{}, dir); err != nil {
		t.Fatal(err)
	}
	loadReal(t, Options{FS: os.DirFS(dir), CacheDir: t.TempDir()})
}

func TestLoadWithoutHome(t *testing.T) {
	dir := filledFolder(t)
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData"} {
		t.Setenv(name, "")
	}
	a := loadReal(t, Options{FS: os.DirFS(dir)})
	mustNotice(t, a, "nothing is kept")
	if a.CompileCache() != "" {
		t.Errorf("machine code goes to %s", a.CompileCache())
	}
	unlock, err := a.LockCompile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if err := a.ResetCompileCache(); err != nil {
		t.Error(err)
	}
	// npm gets along without a home too.
	if a := loadReal(t, Options{}); len(a.Files()) == 0 {
		t.Error("no files")
	}
	if err := Fetch(t.Context(), Options{}, ""); err == nil || !strings.Contains(err.Error(), "can't be written") {
		t.Errorf("fetch without a cache: %v", err)
	}
}

// TestLoadCancelled cancels while npm runs and while another process has the
// lock.
func TestLoadCancelled(t *testing.T) {
	dir := t.TempDir()
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	_, err := Load(ctx, Options{CacheDir: dir, Progress: func(string, int64, int64) {
		time.AfterFunc(50*time.Millisecond, func() { cancel(stop) })
	}})
	if !errors.Is(err, stop) {
		t.Errorf("while fetching: %v", err)
	}

	unlock, err := (&cache{dir}).lock(t.Context(), "fetch")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel = context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(stop) })
	if _, err := Load(ctx, Options{CacheDir: dir}); !errors.Is(err, stop) {
		t.Errorf("while waiting: %v", err)
	}
}

// BenchmarkLoad is a warm start: everything is mapped, hashed and indexed.
func BenchmarkLoad(b *testing.B) {
	for name, o := range map[string]Options{"base": {}, "all": {Extensions: Extensions()}} {
		b.Run(name, func(b *testing.B) {
			loadReal(b, o)
			b.ReportAllocs()
			for b.Loop() {
				a, err := Load(b.Context(), o)
				if err != nil {
					b.Fatal(err)
				}
				if err := a.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
