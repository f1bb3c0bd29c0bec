package wasm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Keep keeps what was made from the artifact at some cost, for [Artifact.Kept]
// of this process and later ones, beside the machine code: a release build
// carries both. The key says what data is, its format included. Of several that
// keep the same the last one wins; without a folder for machine code nothing is
// kept.
func (a *Artifact) Keep(key string, data []byte) error {
	return a.KeepFrom(key, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// KeepFrom is Keep for what content writes.
func (a *Artifact) KeepFrom(key string, content func(io.Writer) error) error {
	folder, name := a.keptAt(key)
	if folder == "" {
		return nil
	}
	err := os.MkdirAll(folder, 0o700)
	if err == nil {
		err = writeContent(folder, name, 0o600, content)
	}
	if err == nil {
		err = syncDir(folder)
	}
	if err != nil {
		return fmt.Errorf("wasm: keep %s: %w", key, err)
	}
	return nil
}

// Kept opens what was kept under the key. The error is fs.ErrNotExist when
// nothing was. Whether it is whole is for the caller to find out.
func (a *Artifact) Kept(key string) (*os.File, error) {
	folder, name := a.keptAt(key)
	if folder == "" {
		return nil, fs.ErrNotExist
	}
	return openPrivate(filepath.Join(folder, name))
}

// MapKept is Kept for who reads what was kept in place: the file, and its bytes,
// which are both the artifact's and gone after Close.
func (a *Artifact) MapKept(key string) (f *os.File, data []byte, err error) {
	if f, err = a.Kept(key); err != nil {
		return nil, nil, err
	}
	data, unmap, err := mapFile(f)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("wasm: %s: %w", key, err), f.Close())
	}
	a.fill.Lock()
	defer a.fill.Unlock()
	a.mapped = append(a.mapped, data)
	a.cleanup = append(a.cleanup, f.Close, func() error { unmap(); return nil })
	return f, data, nil
}

// Forget removes what is kept under the key, if anything is.
func (a *Artifact) Forget(key string) error {
	folder, name := a.keptAt(key)
	if folder == "" {
		return nil
	}
	if err := os.Remove(filepath.Join(folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("wasm: forget %s: %w", key, err)
	}
	return nil
}

// openPrivate opens a file of the cache that nobody else could have written.
func openPrivate(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("wasm: %w", err)
	}
	st, err := f.Stat()
	if err == nil {
		if bad := checkPrivate(f.Name(), st); bad != nil {
			err = insecureError{bad}
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wasm: %w", err), f.Close())
	}
	return f, nil
}

// keptAt is where something is kept: under a name of wazero's form, a hash, so
// that it is listed, packed and unpacked with the machine code.
func (a *Artifact) keptAt(key string) (folder, name string) {
	if a.code == "" {
		return "", ""
	}
	sum := sha256.Sum256([]byte("kept " + a.Hash() + " " + key))
	return filepath.Join(a.code, thisTarget().folder()), hex.EncodeToString(sum[:])
}
