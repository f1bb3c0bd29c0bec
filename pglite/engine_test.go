package pglite

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/wasm"
)

// TestRewrittenHash compiles the backend for a machine that keeps nothing, as far
// as its sum is compared.
func TestRewrittenHash(t *testing.T) {
	a, err := wasm.Load(t.Context(), wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	src := backendSource(a.Backend())
	if err := src.Check(); err != nil {
		t.Error(err)
	}
	src.Table = src.Table[1:]
	if err := src.Check(); err == nil {
		t.Error("other table functions make the same module")
	}
}

// TestCompileDamaged damages the machine code of initdb in a cache of its own:
// it is compiled again, with a warning, and the next one finds it whole.
func TestCompileDamaged(t *testing.T) {
	ctx := t.Context()
	shared, err := wasm.Load(ctx, wasm.Options{}) // fills the user's cache
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	home, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	a, err := wasm.Load(ctx, wasm.Options{FS: os.DirFS(filepath.Join(home, "howdah")), CacheDir: t.TempDir()})
	if err != nil {
		t.Skip("the artifact is not in the user's cache: ", err)
	}
	defer a.Close()

	var log bytes.Buffer
	compile := func() {
		t.Helper()
		log.Reset()
		m, err := newMachine(ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close(context.Background())
		e := &engine{artifact: a, machine: m}
		p, err := e.compile(ctx, initdbSource(a.Initdb()), &Options{Logger: zerolog.New(&log)})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	compile()
	if log.Len() > 0 {
		t.Error("the first compilation says ", log.String())
	}
	var largest string
	var size int64
	err = filepath.Walk(a.CompileCache(), func(name string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() && info.Size() > size {
			largest, size = name, info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(largest)
	if err != nil {
		t.Fatal(err)
	}
	code[len(code)/2] ^= 1
	if err := os.WriteFile(largest, code, 0o600); err != nil {
		t.Fatal(err)
	}
	compile()
	if !bytes.Contains(log.Bytes(), []byte("damaged")) {
		t.Errorf("damaged machine code goes unnoticed: %q", log.String())
	}
	compile()
	if log.Len() > 0 {
		t.Error("what was compiled again is damaged: ", log.String())
	}
}
