package wasm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// CompileCache returns the folder for machine code, to be given to
// wazero.NewCompilationCacheWithDir; "" when no folder is usable. It is named
// by the version of wazero and the artifact, so that a newer howdah leaves the
// code of an older one alone. What the binary carries for this processor is
// already in it.
func (a *Artifact) CompileCache() string { return a.code }

// LockCompile takes a lock that all processes which share CompileCache
// respect: the second one waits, until ctx ends, and then finds the code that
// the first one compiled. Without a shared folder there is nothing to wait
// for, and it returns at once.
func (a *Artifact) LockCompile(ctx context.Context) (unlock func(), err error) {
	if a.cache == nil {
		return func() {}, nil
	}
	unlock, err = a.cache.lock(ctx, "compile")
	if errors.Is(err, errUnusable) {
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("wasm: %w", err)
	}
	return unlock, nil
}

// ResetCompileCache removes all machine code from CompileCache: the answer to
// an error of wazero that says the code there is damaged. The next
// compilation fills it again.
func (a *Artifact) ResetCompileCache() error {
	if a.code == "" {
		return nil
	}
	folder := filepath.Join(a.code, thisTarget().folder())
	names, err := codeEntries(folder)
	if err != nil {
		return fmt.Errorf("wasm: %w", err)
	}
	for _, name := range names {
		if err := os.Remove(filepath.Join(folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("wasm: %w", err)
		}
	}
	return nil
}

// openCode sets a.code and puts the embedded machine code there.
func (a *Artifact) openCode(ctx context.Context, embedded fs.FS) error {
	here := thisTarget()
	index, err := readCodeIndex(embedded)
	if err != nil {
		return err
	}
	if index != nil && !index.equal(here) {
		a.notice("the machine code in this binary is for %v, this is %v: it is compiled once more", index.target, here)
		index = nil
	}
	if a.cache == nil {
		return a.temporaryCode(embedded, index, "", nil)
	}
	shared := filepath.Join(a.cache.dir, "code", "wazero-"+here.Wazero+"-"+a.Hash()[:12])
	folder := filepath.Join(shared, here.folder())
	err = privateCode(filepath.Dir(shared), shared, folder)
	if errors.Is(err, errUnusable) {
		a.noteUnkept(err)
		names, err := codeEntries(folder)
		if err != nil {
			return err
		}
		return a.temporaryCode(embedded, index, folder, names)
	}
	if err != nil {
		return err
	}
	a.code = shared
	return a.installCode(ctx, embedded, index)
}

// privateCode makes and checks folders for machine code, and the entries of
// the last. The error is errUnusable when wazero could not add to it.
func privateCode(dirs ...string) error {
	for _, dir := range dirs {
		if err := privateDir(dir); err != nil {
			return err
		}
	}
	last := dirs[len(dirs)-1]
	entries, err := os.ReadDir(last)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	for _, e := range entries {
		st, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process has just renamed or removed it
		}
		if err != nil {
			return err
		}
		if err := checkPrivate(filepath.Join(last, e.Name()), st); err != nil {
			return insecureError{err}
		}
	}
	return probe(last)
}

// installCode unpacks what is missing of the embedded machine code.
func (a *Artifact) installCode(ctx context.Context, embedded fs.FS, index *codeIndex) error {
	if index == nil || codeComplete(a.code, index) {
		return nil
	}
	unlock, err := a.LockCompile(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if codeComplete(a.code, index) {
		return nil
	}
	return unpackCode(embedded, index, a.code)
}

// temporaryCode offers the machine code that is at hand, embedded or the named
// entries of the folder readOnly, in a folder that wazero can write to. wazero
// takes an entry that it can't store for an error, so a read-only folder would
// not do.
func (a *Artifact) temporaryCode(embedded fs.FS, index *codeIndex, readOnly string, names []string) error {
	if index == nil && len(names) == 0 {
		return nil
	}
	dir, err := a.temporaryDir()
	if err != nil {
		a.notice("no folder for machine code can be made (%v): it is compiled at each start", err)
		return nil
	}
	folder := filepath.Join(dir, thisTarget().folder())
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Symlink(filepath.Join(readOnly, name), filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	a.code = dir
	if index == nil || codeComplete(dir, index) {
		return nil
	}
	return unpackCode(embedded, index, dir)
}

// codeComplete says whether every entry of index is there. Its size is
// compared, the rest is wazero's checksum: hashing 40 MB would double the time
// that loading them takes.
func codeComplete(dir string, index *codeIndex) bool {
	for _, f := range index.Files {
		st, err := os.Stat(filepath.Join(dir, index.folder(), f.Path))
		if err != nil || st.Size() != f.Size {
			return false
		}
	}
	return true
}

func unpackCode(embedded fs.FS, index *codeIndex, dir string) error {
	folder := filepath.Join(dir, index.folder())
	if err := removeTemporary(folder); err != nil {
		return err
	}
	// The largest first, each on the next processor that is free: two make up
	// most of it.
	files := slices.SortedFunc(slices.Values(index.Files), func(a, b pin) int { return cmp.Compare(b.Size, a.Size) })
	errs := make([]error, len(files))
	var next atomic.Int32
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(files); i = int(next.Add(1)) - 1 {
				data, err := decompress(embedded, "code/"+files[i].Path, &files[i])
				if err == nil {
					err = writeFile(folder, files[i].Path, data, 0o600)
				}
				errs[i] = err
			}
		})
	}
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return syncDir(folder)
}

// codeEntries are the finished entries of wazero's folder, whose names are 64
// hex digits; none when there is no such folder.
func codeEntries(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if len(e.Name()) == 64 && strings.Trim(e.Name(), "0123456789abcdef") == "" {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
