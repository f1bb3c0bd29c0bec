package pglite

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/howdahdb/howdah/runtime/snapshot"
)

// SaveDir writes a snapshot of a data directory that no server runs on.
func SaveDir(dir string, w io.Writer) (err error) {
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("pglite: data directory: %w", err)
	}
	d, err := openDataDir(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if d.empty {
		return fmt.Errorf("%w: %s is empty", ErrNotCluster, d.path)
	}
	if err := snapshot.Write(w, Program, d.fs, "/", Transient); err != nil {
		return fmt.Errorf("pglite: save %s: %w", d.path, err)
	}
	return nil
}

// LoadDir makes a data directory of a snapshot. It must not exist or be empty;
// after an error it holds nothing that anyone takes for a cluster. The errors of
// package snapshot say what is wrong with r.
func LoadDir(r io.Reader, dir string) (info snapshot.Info, err error) {
	d, err := openDataDir(dir)
	if err != nil {
		return info, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if !d.empty {
		return info, fmt.Errorf("%w: %s has a cluster already", ErrNotCluster, d.path)
	}
	err = d.make(func() (err error) {
		info, err = snapshot.Read(r, Program, d.fs, "/")
		return err
	})
	if err != nil {
		err = errors.Join(err, d.clear(), d.fs.Unlink("/"+initMarker))
		return info, err
	}
	return info, nil
}
