package wasm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrUnusable says that the cache can't be written. Who only wants to keep
// something goes on without.
var ErrUnusable = errUnusable

// Folder is a folder of the cache for what others make at some cost and want to
// find again, under the cache's rules: private, refused when it is not, and every
// file whole or not there. It is bounded: what was not used for longest goes.
// Its methods may be called from any goroutine.
type Folder struct {
	cache *cache
	name  string
	bound Bound
}

// Bound is how much a [Folder] may hold; the file that was written last stays in
// any case.
type Bound struct {
	Files int
	Bytes int64
}

// OpenFolder opens a folder of the cache in cacheDir ("" = the user's), made if
// need be. The error is ErrUnusable, or tells of a folder that others could
// have written, which the caller must not do without silently.
func OpenFolder(cacheDir, name string, b Bound) (*Folder, error) {
	c, err := openCache(cacheDir)
	if err == nil {
		err = privateDir(filepath.Join(c.dir, name))
	}
	if err != nil {
		return nil, fmt.Errorf("wasm: %w", err)
	}
	return &Folder{cache: c, name: name, bound: b}, nil
}

func (f *Folder) dir() string { return filepath.Join(f.cache.dir, f.name) }

// locks is how many keys of a folder can be locked at once; two may share one.
const locks = 16

// Lock takes the lock of a key, a hex string, waiting for whoever has it in
// this process or another until ctx ends. The system gives it back when its holder
// dies. The error is ErrUnusable when the cache can't be written.
func (f *Folder) Lock(ctx context.Context, key string) (unlock func(), err error) {
	n := 0
	for _, c := range []byte(key) {
		n += int(c)
	}
	unlock, err = f.cache.lock(ctx, fmt.Sprintf("%s-%d", f.name, n%locks))
	if err != nil {
		return nil, fmt.Errorf("wasm: %w", err)
	}
	return unlock, nil
}

// Open opens a file, which counts as its use. The error is fs.ErrNotExist when
// there is none. Whether it holds what was written is for the caller to find out.
func (f *Folder) Open(name string) (*os.File, error) {
	file, err := openPrivate(filepath.Join(f.dir(), name))
	if err != nil {
		return nil, err
	}
	_ = used(file.Name()) // fails where the cache can only be read
	return file, nil
}

// used notes the time, by the clock that all notes are by: the kernel's for
// writes is up to some milliseconds behind.
func used(name string) error {
	now := time.Now()
	return os.Chtimes(name, now, now)
}

// Write makes a file of what content writes, and removes others as the bound
// says. Of several that write the same the last one wins.
func (f *Folder) Write(ctx context.Context, name string, content func(io.Writer) error) error {
	unlock, err := f.cache.lock(ctx, f.name)
	if err != nil {
		return fmt.Errorf("wasm: %w", err)
	}
	defer unlock()
	dir := f.dir()
	err = removeTemporary(dir)
	if err == nil {
		err = writeContent(dir, name, 0o600, content)
	}
	if err == nil {
		err = used(filepath.Join(dir, name))
	}
	if err == nil {
		err = f.shrink(name)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("wasm: %w", err)
	}
	return nil
}

// shrink removes what the bound has no room for, but not the file named keep.
// A process that has it open reads on.
func (f *Folder) shrink(keep string) error {
	entries, err := os.ReadDir(f.dir())
	if err != nil {
		return err
	}
	var files []fs.FileInfo
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), temporary) || !e.Type().IsRegular() {
			continue
		}
		st, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		files = append(files, st)
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		switch keep {
		case a.Name():
			return -1
		case b.Name():
			return 1
		}
		return b.ModTime().Compare(a.ModTime())
	})
	count, size := 0, int64(0)
	for _, st := range files {
		count++
		size += st.Size()
		if st.Name() == keep || count <= f.bound.Files && size <= f.bound.Bytes {
			continue
		}
		count--
		size -= st.Size()
		if err := os.Remove(filepath.Join(f.dir(), st.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
