package vfs

import (
	"io/fs"
	"syscall"
)

// Handle is a file system by which a guest asks the host to do something: an
// empty directory in which any name can be opened for reading, and that does it,
// as with files of /proc. Such a file has no contents. Nothing can be changed
// (EROFS).
type Handle struct {
	Virtual
	pull func(name string) error
}

// NewHandle makes one. pull is told the name, which may have slashes in it, on the
// goroutine that opens the file, which may hold locks: it waits for nothing. Its
// error is that of the open; an errno tells the guest why.
func NewHandle(pull func(name string) error) *Handle {
	return &Handle{*NewVirtual(nil), pull}
}

// Open implements [FS].
func (h *Handle) Open(name string, flag int, perm fs.FileMode) (File, error) {
	name, err := clean(name)
	switch {
	case err != nil:
		return nil, err
	case name == "/":
		return h.Virtual.Open(name, flag, perm)
	case flag&(WriteOnly|ReadWrite|Create|Truncate) != 0:
		return nil, syscall.EROFS
	}
	if err := h.pull(name[1:]); err != nil {
		return nil, err
	}
	info, err := h.Stat(name)
	return &virtualFile{v: &h.Virtual, info: info}, err
}

// Stat implements [FS]: every name is there.
func (h *Handle) Stat(name string) (Info, error) {
	name, err := clean(name)
	switch {
	case err != nil:
		return Info{}, err
	case name == "/":
		return h.Virtual.Stat(name)
	}
	return Info{Ino: 2, Mode: 0o444, Nlink: 1, Mtime: h.made}, nil
}

// Lstat implements [FS].
func (h *Handle) Lstat(name string) (Info, error) { return h.Stat(name) }

// Readlink implements [FS]: there are no links.
func (h *Handle) Readlink(name string) (string, error) {
	if _, err := h.Stat(name); err != nil {
		return "", err
	}
	return "", syscall.EINVAL
}
