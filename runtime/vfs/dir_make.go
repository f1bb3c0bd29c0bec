package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// MakeDir makes a directory of the host, with mode 0700, whose name outlives a power
// cut. One that is there may have been made a moment ago, so that it gets the same.
func MakeDir(name string) error {
	err := os.Mkdir(name, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	parent, openErr := OpenDir(filepath.Dir(name))
	if openErr != nil {
		if err != nil { // not ours to read, and not made by us
			return nil
		}
		return openErr
	}
	return errors.Join(parent.SyncDir("/"), parent.Close())
}

// MakeDirs is MakeDir with the directories above that are missing.
func MakeDirs(name string) error {
	err := MakeDir(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := MakeDirs(filepath.Dir(name)); err != nil {
		return err
	}
	return MakeDir(name)
}
