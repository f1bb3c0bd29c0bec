package wasm

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// moduleCode stands for an entry of wazero's cache, whose content is wazero's
// own affair.
var moduleCode = bytes.Repeat([]byte("machine code "), 1000)

const (
	moduleName = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	smallName  = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100" // most entries are
)

// filledEmbedded is a folder like wasm/embedded, made for as.
func filledEmbedded(t *testing.T, as target, extensions ...string) string {
	t.Helper()
	compileCache, dir := t.TempDir(), filepath.Join(t.TempDir(), "embedded")
	folder := filepath.Join(compileCache, as.folder())
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{moduleName, moduleName + ".123.tmp"} {
		if err := os.WriteFile(filepath.Join(folder, name), moduleCode, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, smallName), moduleCode[:35], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeEmbedded(dir, loadReal(t, Options{Extensions: extensions}), compileCache, as, zstd.SpeedFastest); err != nil {
		t.Fatal(err)
	}
	return dir
}

// installed says what there is of the embedded code in the folder of a.
func installed(t *testing.T, a *Artifact) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(a.CompileCache(), thisTarget().folder(), moduleName))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}

func loadEmbedded(t *testing.T, o Options, embedded string) *Artifact {
	t.Helper()
	a, err := load(t.Context(), o, os.DirFS(embedded))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	if !a.Embedded() {
		t.Error("not embedded")
	}
	return a
}

// TestEmbedded starts twice, a machine without npm: unpacked, then at hand.
func TestEmbedded(t *testing.T) {
	embedded := filledEmbedded(t, thisTarget(), "pgvector")
	offline(t)
	o := Options{CacheDir: t.TempDir(), Extensions: []string{"pgvector"}}
	first := loadEmbedded(t, o, embedded)
	if installed(t, first) != string(moduleCode) || len(first.Notices()) > 0 {
		t.Errorf("code has %d bytes, notices %q", len(installed(t, first)), first.Notices())
	}
	second := loadReal(t, o)
	if second.CompileCache() != first.CompileCache() || installed(t, second) == "" || second.Embedded() {
		t.Errorf("code is in %q, then in %q", first.CompileCache(), second.CompileCache())
	}

	// A release without a package still gets it with npm.
	a, err := load(t.Context(), Options{CacheDir: o.CacheDir, Extensions: []string{"pgtap"}}, os.DirFS(embedded))
	mustFail(t, a, err, "pgtap 0.0.15", "npm was not found")

	// Damage is repaired from the inside, code that was reset comes back.
	path := filepath.Join(o.CacheDir, "pglite-0.5.16", "tree")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := second.ResetCompileCache(); err != nil || installed(t, second) != "" {
		t.Errorf("after the reset there is code, %v", err)
	}
	third := loadEmbedded(t, o, embedded)
	mustNotice(t, third, path)
	if installed(t, third) == "" {
		t.Error("no code after the reset")
	}
}

func TestEmbeddedForAnotherProcessor(t *testing.T) {
	here := thisTarget()
	for name, change := range map[string]func(other *target){
		"features":     func(other *target) { other.Features = append([]string{"quantum"}, other.Features...) },
		"fewer":        func(other *target) { other.Features = nil },
		"architecture": func(other *target) { other.GOARCH = "s390x" },
		"system":       func(other *target) { other.GOOS = "plan9" },
		"wazero":       func(other *target) { other.Wazero = "v0.0.1" },
	} {
		t.Run(name, func(t *testing.T) {
			other := here
			change(&other)
			if name == "fewer" && len(here.Features) == 0 {
				t.Skip("this processor has none")
			}
			a := loadEmbedded(t, Options{CacheDir: t.TempDir()}, filledEmbedded(t, other))
			mustNotice(t, a, "is for "+other.String()+", this is "+here.String())
			if installed(t, a) != "" || a.CompileCache() == "" {
				t.Errorf("foreign code was installed, or there is no folder: %q", a.CompileCache())
			}
		})
	}
}

// TestEmbeddedWithoutHome: everything from the inside, and the code in a
// folder that lives as long as the artifact.
func TestEmbeddedWithoutHome(t *testing.T) {
	embedded := filledEmbedded(t, thisTarget())
	offline(t)
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData"} {
		t.Setenv(name, "")
	}
	a := loadEmbedded(t, Options{}, embedded)
	mustNotice(t, a, "nothing is kept")
	code := a.CompileCache()
	if installed(t, a) != string(moduleCode) {
		t.Errorf("no code in %q", code)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(code); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", code, err)
	}
}

func TestEmbeddedDamaged(t *testing.T) {
	embedded := filledEmbedded(t, thisTarget())
	for _, name := range []string{"pglite-0.5.16/tree", "code/" + moduleName} {
		path := filepath.Join(embedded, name+".zst")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data[:len(data)/2], 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := load(t.Context(), Options{CacheDir: t.TempDir()}, os.DirFS(embedded))
		mustFail(t, a, err, name+" inside the binary")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEmbedRefuses(t *testing.T) {
	a := loadReal(t, Options{})
	err := Embed(filepath.Join(t.TempDir(), "new"), a, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "no machine code in") {
		t.Errorf("without code: %v", err)
	}
	used := t.TempDir()
	if err := os.WriteFile(filepath.Join(used, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Embed(used, a, t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("into a used folder: %v", err)
	}
}
