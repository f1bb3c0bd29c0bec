package pglite

import (
	"io/fs"
	"strconv"
	"syscall"

	"github.com/howdahdb/howdah/runtime/vfs"
)

const errExist = syscall.EEXIST

func itoa(n int) string { return strconv.Itoa(n) }

// readFile reads a whole file.
func readFile(fsys vfs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name, vfs.ReadOnly, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	b := make([]byte, info.Size)
	n, err := f.ReadAt(b, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return b[:n], nil
}

// writeFile makes a file with these contents, or replaces them.
func writeFile(fsys vfs.FS, name string, b []byte) error {
	f, err := fsys.Open(name, vfs.WriteOnly|vfs.Create|vfs.Truncate, 0o600)
	if err != nil {
		return &fs.PathError{Op: "create", Path: name, Err: err}
	}
	_, err = f.WriteAt(b, 0)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return &fs.PathError{Op: "write", Path: name, Err: err}
	}
	return nil
}
