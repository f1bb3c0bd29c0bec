package runtime

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// keeper is a cache of machine code with what is kept beside it.
type keeper struct {
	t       *testing.T
	dir     string
	kept    map[string][]byte
	sources map[uint32]Source // testProgram is never twice the same
}

func newKeeper(t *testing.T) *keeper {
	return &keeper{t, t.TempDir(), map[string][]byte{}, map[uint32]Source{}}
}

// compile compiles answers(n) in a machine of its own, and runs it.
func (k *keeper) compile(n uint32) (answer uint32, err error) {
	k.t.Helper()
	return k.run(k.answers(n))
}

// again is compile for a machine that has to find everything in the cache.
func (k *keeper) again(n uint32) (answer uint32, err error) {
	k.t.Helper()
	src := k.answers(n)
	src.Wasm = nil
	return k.run(src)
}

func (k *keeper) run(src Source) (answer uint32, err error) {
	k.t.Helper()
	ctx := k.t.Context()
	m, err := NewMachine(ctx, MachineOptions{
		CompileCache: k.dir,
		Keep:         func(key string, data []byte) error { k.kept[key] = bytes.Clone(data); return nil },
		Kept: func(key string) ([]byte, error) {
			if b, ok := k.kept[key]; ok {
				return b, nil
			}
			return nil, fs.ErrNotExist
		},
	})
	if err != nil {
		k.t.Fatal(err)
	}
	defer m.Close(context.Background())
	p, err := m.Compile(ctx, src)
	if err != nil {
		return 0, err
	}
	g := startGuest(k.t, p, Process{})
	defer g.Close()
	r, err := g.Call("answer")
	return uint32(r), err
}

// answers is a program whose function answer gives n; the code is the only
// difference between two of them.
func (k *keeper) answers(n uint32) Source {
	k.t.Helper()
	if src, ok := k.sources[n]; ok {
		return src
	}
	src := Source{Name: "answers", Wasm: testProgram(nil, func(b *guestBuilder) {
		b.export("answer", "_i", code(nil).I32Const(n))
	})}
	b, err := src.rewritten()
	if err != nil {
		k.t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	src.Rewritten = hex.EncodeToString(sum[:])
	k.sources[n] = src
	return src
}

// entries are the files of the cache that have the code of testProgram.
func (k *keeper) entries() (names []string) {
	k.t.Helper()
	all, err := filepath.Glob(filepath.Join(k.dir, "*", "*"))
	if err != nil {
		k.t.Fatal(err)
	}
	for _, name := range all {
		if info, err := os.Stat(name); err != nil {
			k.t.Fatal(err)
		} else if info.Size() > 2000 {
			names = append(names, name)
		}
	}
	return names
}

func TestHollowCode(t *testing.T) {
	k := newKeeper(t)
	for _, n := range []uint32{41, 42} { // not each other's code
		if got, err := k.compile(n); got != n || err != nil {
			t.Fatalf("compiled, it answers %d, %v", got, err)
		}
	}
	for _, n := range []uint32{41, 42} {
		if got, err := k.again(n); got != n || err != nil {
			t.Errorf("loaded, it answers %d, %v, not %d", got, err, n)
		}
	}
	if got := k.entries(); len(got) != 2 {
		t.Errorf("the cache has %q", got)
	}
}

// TestHollowCodeGone: without its machine code, or with what is no machine code,
// a hollow module is not run.
func TestHollowCodeGone(t *testing.T) {
	for name, harm := range map[string]func(k *keeper, entry string) error{
		"removed": func(_ *keeper, entry string) error { return os.Remove(entry) },
		"cut":     func(_ *keeper, entry string) error { return os.Truncate(entry, 1000) },
		"no tail": func(_ *keeper, entry string) error { return cut(entry, 4) }, // wazero takes it for an old one
		"changed": func(_ *keeper, entry string) error { return flip(entry) },
		"hollow": func(k *keeper, _ string) error {
			return each(k.kept, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		},
		"too few":  func(k *keeper, _ string) error { return each(k.kept, func(b []byte) []byte { return b[:10] }) },
		"not kept": func(k *keeper, _ string) error { clear(k.kept); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			if _, err := k.compile(42); err != nil {
				t.Fatal(err)
			}
			entries := k.entries()
			if len(entries) != 1 {
				t.Fatalf("the cache has %q", entries)
			}
			if err := harm(k, entries[0]); err != nil {
				t.Fatal(err)
			}
			if got, err := k.again(42); err == nil {
				t.Errorf("it answers %d", got)
			}
			got, err := k.compile(42)
			if errors.Is(err, ErrDamagedCode) { // as the owner of the cache does
				if err := errors.Join(os.RemoveAll(entries[0]), each(k.kept, nil)); err != nil {
					t.Fatal(err)
				}
				got, err = k.compile(42)
			}
			if got != 42 || err != nil {
				t.Errorf("compiled again, it answers %d, %v", got, err)
			}
			if got, err := k.again(42); got != 42 || err != nil {
				t.Errorf("and then %d, %v", got, err)
			}
			if left, _ := filepath.Glob(filepath.Join(k.dir, ".*")); len(left) > 0 {
				t.Errorf("%q is left", left)
			}
		})
	}
}

// each replaces everything that is kept; without change it goes.
func each(kept map[string][]byte, change func([]byte) []byte) error {
	for key, b := range kept {
		if change == nil {
			delete(kept, key)
		} else {
			kept[key] = change(b)
		}
	}
	return nil
}

func cut(name string, n int64) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	return os.Truncate(name, info.Size()-n)
}

func flip(name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	b[len(b)/2] ^= 1
	return os.WriteFile(name, b, 0o600)
}

// TestHollowOtherSum: what does not have the sum that its source says is not
// compiled.
func TestHollowOtherSum(t *testing.T) {
	k := newKeeper(t)
	src := k.answers(1)
	src.Wasm = k.answers(2).Wasm
	if got, err := k.run(src); err == nil {
		t.Errorf("it answers %d", got)
	}
}

// TestHollowSwept: what a killed process has left is removed by the next that
// compiles.
func TestHollowSwept(t *testing.T) {
	k := newKeeper(t)
	left := filepath.Join(k.dir, unfinished+"1")
	if err := os.MkdirAll(filepath.Join(left, "code"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := k.compile(1); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v", left, err)
	}
}
