package wasm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// cache is the user's cache folder. Its files are mapped, see mapFile.
type cache struct {
	dir string
}

// errUnusable says that there is no cache folder or that it can't be written.
// The caller does without; the text becomes a notice.
var errUnusable = errors.New("the cache can't be written")

// errMissing says that a package is not in the cache, as opposed to damaged.
var errMissing = errors.New("not in the cache")

// insecureError refuses a folder; the caller must not do without silently.
type insecureError struct{ error }

// openCache returns the cache in dir ("" = the user's cache folder), made if
// need be. The error is errUnusable or an insecureError.
func openCache(dir string) (*cache, error) {
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUnusable, err)
		}
		dir = filepath.Join(user, "howdah")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnusable, err)
	}
	if err := privateDir(dir); err != nil {
		return nil, err
	}
	return &cache{dir: dir}, nil
}

// privateDir makes dir with mode 0700 if it does not exist, and checks it.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	st, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	if err := checkPrivate(dir, st); err != nil {
		return insecureError{err}
	}
	return nil
}

// read maps one file of a package. The error names it, or is errMissing or an
// insecureError.
func (c *cache) read(p *npmPackage, name string) (data []byte, unmap func(), err error) {
	dir := filepath.Join(c.dir, p.folder())
	st, err := os.Stat(dir)
	if err == nil {
		if err := checkPrivate(dir, st); err != nil {
			return nil, nil, insecureError{err}
		}
	}
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w %s", errMissing, c.dir)
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if st, err = f.Stat(); err != nil {
		return nil, nil, err
	}
	if err := checkPrivate(f.Name(), st); err != nil {
		return nil, nil, insecureError{err}
	}
	return mapFile(f)
}

// write puts the files of a package into the cache.
// REQUIRES: the lock "fetch" is held.
func (c *cache) write(p *npmPackage, files map[string][]byte) error {
	dir := filepath.Join(c.dir, p.folder())
	if err := privateDir(dir); err != nil {
		return err
	}
	if err := removeTemporary(dir); err != nil {
		return err
	}
	return writeFiles(dir, files, 0o600)
}

// lock takes the named lock of the cache, waiting for whoever has it. The
// system gives it back when its holder dies. The error is errUnusable when
// the cache can't be written.
func (c *cache) lock(ctx context.Context, name string) (unlock func(), err error) {
	l := flock.New(filepath.Join(c.dir, name+".lock"), flock.SetPermissions(0o600))
	ok, err := l.TryLockContext(ctx, 50*time.Millisecond)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errUnusable, err)
	case !ok:
		return nil, fmt.Errorf("%w: %s can't be locked", errUnusable, l.Path())
	}
	if err := probe(c.dir); err != nil {
		_ = l.Unlock()
		return nil, err
	}
	return func() { _ = l.Unlock() }, nil
}

// probe finds out whether a file can be made in dir. Permission bits do not
// tell: the file system may be mounted read-only. The error is errUnusable.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, temporary+"probe-*")
	if err == nil {
		err = f.Close()
		// Another process may have swept it away: removeTemporary.
		if gone := os.Remove(f.Name()); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	return nil
}

// temporary is the beginning of the names of files that are being written.
const temporary = ".tmp-"

// removeTemporary removes what a killed process left behind.
func removeTemporary(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), temporary) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// writeFiles writes files into dir, each of them whole or not at all, also
// after a power cut.
func writeFiles(dir string, files map[string][]byte, mode fs.FileMode) error {
	for name, data := range files {
		if err := writeFile(dir, name, data, mode); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

func writeFile(dir, name string, data []byte, mode fs.FileMode) error {
	return writeContent(dir, name, mode, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// writeContent is writeFile for what content writes.
func writeContent(dir, name string, mode fs.FileMode, content func(io.Writer) error) error {
	f, err := os.CreateTemp(dir, temporary+name+"-*")
	if err != nil {
		return err
	}
	err = f.Chmod(mode)
	if err == nil {
		err = content(f)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// path is where the cache keeps a file of a package.
func (c *cache) path(p *npmPackage, name string) string {
	return filepath.Join(c.dir, p.folder(), name)
}
