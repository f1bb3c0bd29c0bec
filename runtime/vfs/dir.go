package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// Dir is a directory of the host as a file system. Names can't leave it: they
// are resolved by [os.Root], and a symbolic link that leads out (or is
// absolute) is EPERM. New symbolic links are refused with EPERM, those that are
// there are followed. Only regular files and directories can be opened.
//
// Permissions are the host's, for the user that the process runs as.
type Dir struct {
	root *os.Root
	top  *os.File // the directory itself, for Statfs
}

// OpenDir opens an existing directory. Only what is opened through the Dir is
// seen by it; that no other process works in the directory is the caller's
// care.
func OpenDir(name string) (*Dir, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	top, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, err
	}
	return &Dir{root, top}, nil
}

// Close closes the directory; open files stay open.
func (d *Dir) Close() error {
	return hostError(errors.Join(d.top.Close(), d.root.Close()))
}

// hostError puts an errno into errors of package os that have none.
func hostError(err error) error {
	var errno syscall.Errno
	switch {
	case err == nil:
		return nil
	case errors.As(err, &errno):
		return err
	case errors.Is(err, fs.ErrClosed):
		return syscall.EBADF
	case errors.Is(err, fs.ErrInvalid):
		return syscall.EINVAL
	}
	// All that is left is os.Root's refusal to leave the root, an error that
	// package os does not export.
	return syscall.EPERM
}

// local gives a name as os.Root wants it.
func local(name string) (string, error) {
	name, err := clean(name)
	switch {
	case err != nil:
		return "", err
	case name == "/":
		return ".", nil
	}
	return name[1:], nil
}

// Open implements [FS].
func (d *Dir) Open(name string, flag int, perm fs.FileMode) (File, error) {
	name, err := local(name)
	if err != nil {
		return nil, err
	}
	if name == "." && flag != ReadOnly {
		if flag&(Create|Exclusive) == Create|Exclusive {
			return nil, syscall.EEXIST
		}
		return nil, syscall.EISDIR
	}
	f, err := d.root.OpenFile(name, flag, perm.Perm())
	if err != nil {
		return nil, hostError(err)
	}
	file, err := newDirFile(f, flag)
	if err != nil {
		f.Close()
		return nil, hostError(err)
	}
	return file, nil
}

// Stat implements [FS].
func (d *Dir) Stat(name string) (Info, error) { return d.stat(name, d.root.Stat) }

// Lstat implements [FS].
func (d *Dir) Lstat(name string) (Info, error) { return d.stat(name, d.root.Lstat) }

func (d *Dir) stat(name string, stat func(string) (os.FileInfo, error)) (Info, error) {
	name, err := local(name)
	if err != nil {
		return Info{}, err
	}
	info, err := stat(name)
	if err != nil {
		return Info{}, hostError(err)
	}
	return hostInfo(info), nil
}

// Mkdir implements [FS].
func (d *Dir) Mkdir(name string, perm fs.FileMode) error {
	name, err := local(name)
	switch {
	case err != nil:
		return err
	case name == ".":
		return syscall.EEXIST
	}
	return hostError(d.root.Mkdir(name, perm.Perm()))
}

// Unlink implements [FS].
func (d *Dir) Unlink(name string) error {
	name, err := local(name)
	switch {
	case err != nil:
		return err
	case name == ".":
		return syscall.EISDIR
	}
	return hostError(d.unlink(name))
}

// Rmdir implements [FS].
func (d *Dir) Rmdir(name string) error {
	name, err := local(name)
	switch {
	case err != nil:
		return err
	case name == ".":
		return syscall.EBUSY
	}
	err = hostError(d.rmdir(name))
	if Errno(err) == syscall.EEXIST { // as in Rename
		return syscall.ENOTEMPTY
	}
	return err
}

// Rename implements [FS].
func (d *Dir) Rename(from, to string) error {
	from, to, err := localPair(from, to)
	if err != nil {
		return err
	}
	err = hostError(d.rename(from, to))
	switch errno := Errno(err); {
	case errno == syscall.EEXIST: // POSIX lets a host choose
		return syscall.ENOTEMPTY
	case errno == syscall.EINVAL && (from == "." || to == "."): // darwin
		return syscall.EBUSY
	}
	return err
}

// Link implements [FS].
func (d *Dir) Link(from, to string) error {
	from, to, err := localPair(from, to)
	switch {
	case err != nil:
		return err
	case to == ".":
		if _, err := d.root.Lstat(from); err != nil {
			return hostError(err)
		}
		return syscall.EEXIST
	}
	return hostError(d.root.Link(from, to))
}

func localPair(from, to string) (string, string, error) {
	from, err := local(from)
	if err != nil {
		return "", "", err
	}
	to, err = local(to)
	return from, to, err
}

// Symlink is EPERM.
func (d *Dir) Symlink(target, name string) error { return syscall.EPERM }

// Readlink implements [FS].
func (d *Dir) Readlink(name string) (string, error) {
	name, err := local(name)
	if err != nil {
		return "", err
	}
	target, err := d.root.Readlink(name)
	return target, hostError(err)
}

// Chmod implements [FS].
func (d *Dir) Chmod(name string, perm fs.FileMode) error {
	name, err := local(name)
	if err != nil {
		return err
	}
	return hostError(d.root.Chmod(name, perm.Perm()))
}

// SyncDir implements [FS].
func (d *Dir) SyncDir(name string) error {
	f, err := d.Open(name, ReadOnly, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if !f.(*dirFile).dir {
		return syscall.ENOTDIR
	}
	return f.Sync()
}

// Statfs implements [FS].
func (d *Dir) Statfs() (Statfs, error) {
	s, err := statfs(d.top)
	return s, hostError(err)
}

// parent opens the directory that a local name is in, and returns the last
// part of the name.
func (d *Dir) parent(name string) (*os.File, string, error) {
	dir, base := path.Split(name)
	if dir == "" {
		dir = "."
	}
	f, err := d.root.Open(dir)
	return f, base, err
}
