package runtime

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// To find machine code in its cache wazero wants the module that it was made
// from, which it decodes, validates function by function, hashes and keeps; with
// the rewriting before, that is four fifths of the time in which pglite.wasm is
// loaded. So the cache has the code under the name of another module: a hollow one
// (wasmfile.Hollow), without a body to validate or to keep, and otherwise the
// same. A cache entry has all that wazero needs of the bodies.
//
// A hollow module is never compiled where its code could run: it is asked for
// with a context that has ended, so that wazero either finds the code or gives
// up. It has the sum of the real one inside, so the name of its entry, which is a
// hash of its bytes, belongs to that code and no other.

// ErrDamagedCode says that the cache has machine code that can't be read. Whoever
// owns the cache removes it and compiles again.
var ErrDamagedCode = errors.New("the machine code in the cache is damaged")

// errNoCode says that the cache does not have the code of a hollow module.
var errNoCode = errors.New("no machine code in the cache")

// damaged adds ErrDamagedCode to wazero's errors about a cache entry that can't
// be read (engine_cache.go of its package wazevo), which have only their text in
// common.
func damaged(err error) error {
	if err != nil && strings.Contains(err.Error(), "compilationcache:") {
		return fmt.Errorf("%w: %w", ErrDamagedCode, err)
	}
	return err
}

// keeps tells whether the machine can have the program without its code.
func (m *Machine) keeps(src *Source) bool {
	return src.Rewritten != "" && m.o.CompileCache != "" && m.o.Keep != nil && m.o.Kept != nil
}

func hollowKey(src *Source) string { return "hollow " + src.Name + " " + src.Rewritten }

// keptHollow is the hollow module that was kept of the program, nil for none.
func (m *Machine) keptHollow(src *Source) ([]byte, error) {
	if !m.keeps(src) {
		return nil, nil
	}
	b, err := m.o.Kept(hollowKey(src))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("runtime: %s: %w", src.Name, err)
	}
	n := len(b) - sha256.Size
	if n < 0 {
		return nil, fmt.Errorf("runtime: %s: %w: %d bytes are too few", src.Name, ErrDamagedCode, len(b))
	}
	if sum := sha256.Sum256(b[:n]); !bytes.Equal(sum[:], b[n:]) {
		return nil, fmt.Errorf("runtime: %s: %w: its checksum differs", src.Name, ErrDamagedCode)
	}
	return b[:n], nil
}

// load takes the machine code of a hollow module from the cache. The error is
// errNoCode when it is not there.
func (p *Program) load(hollow []byte) error {
	ended, end := context.WithCancel(context.Background())
	end()
	pages, err := addedCode(func() error { return p.compile(ended, hollow) })
	p.pages = pages
	if errors.Is(err, context.Canceled) {
		return errNoCode
	}
	return err
}

// keepHollow compiles the rewritten module b, puts its code into the cache under
// the name of a hollow one, and keeps that.
func (m *Machine) keepHollow(ctx context.Context, src *Source, b []byte) (hollow []byte, err error) {
	failed := func(err error) error { return fmt.Errorf("runtime: compile %s: %w", src.Name, err) }
	sum, err := hex.DecodeString(src.Rewritten)
	if err != nil {
		return nil, failed(err)
	}
	if hollow, err = wasmfile.Hollow(b, sum); err != nil {
		return nil, failed(err)
	}
	if err := m.sweep(); err != nil {
		return nil, failed(err)
	}
	work, err := os.MkdirTemp(m.o.CompileCache, unfinished)
	if err != nil {
		return nil, failed(err)
	}
	defer os.RemoveAll(work)
	code, err := m.compileInto(ctx, filepath.Join(work, "code"), b)
	if err != nil {
		return nil, failed(err)
	}
	name, err := m.compileInto(ctx, filepath.Join(work, "name"), hollow)
	if err != nil {
		return nil, failed(err)
	}
	err = os.Rename(filepath.Join(work, "code", code), filepath.Join(m.o.CompileCache, name))
	if err == nil {
		err = m.o.Keep(hollowKey(src), sealed(hollow))
	}
	if err != nil {
		return nil, failed(err)
	}
	return hollow, nil
}

// sealed is b with its checksum behind.
func sealed(b []byte) []byte {
	sum := sha256.Sum256(b)
	return append(b[:len(b):len(b)], sum[:]...)
}

// unfinished begins the names of folders in which something is compiled.
const unfinished = ".tmp-code-"

// sweep removes what a killed process has left.
func (m *Machine) sweep() error {
	left, err := filepath.Glob(filepath.Join(m.o.CompileCache, unfinished+"*"))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// compileInto compiles a module and gives the name of the only entry that the
// cache in dir has then, relative to dir.
func (m *Machine) compileInto(ctx context.Context, dir string, b []byte) (name string, err error) {
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return "", err
	}
	wz := wazero.NewRuntimeWithConfig(ctx, config().WithCompilationCache(cache))
	_, err = wz.CompileModule(experimental.WithCompilationWorkers(ctx, m.workers), b)
	if err = errors.Join(err, wz.Close(ctx), cache.Close(ctx)); err != nil {
		return "", err
	}
	made, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err == nil && len(made) != 1 {
		err = fmt.Errorf("wazero has made %d cache entries of one module", len(made))
	}
	if err != nil {
		return "", err
	}
	return filepath.Rel(dir, made[0])
}
