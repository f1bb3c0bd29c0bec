// Package vfs is the boundary between a guest program and the bytes it keeps.
//
// A file system ([FS]) is a tree of directories, regular files and symbolic
// links; an open file ([File]) is addressed by offset and has no position of
// its own (descriptors and their offsets belong to the program, see package
// runtime). [Memory] keeps files as reference-counted blocks outside the Go
// heap, [Dir] keeps them in a directory of the host, [Shared] has files that
// several programs can map, and [Namespace] joins file systems into one tree by
// mount points. For tests, [Fault] breaks calls on
// purpose and [Crash] forgets what was not synced. Package vfstest is the suite
// that all of them pass.
//
// Names are slash-separated and rooted at the file system ("/base/5/1259");
// they are cleaned by the callee, and ".." never leads out of the root.
// Errors are syscall.Errno values as Linux and POSIX name them (ENOENT,
// EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, EINVAL, ENOSPC, EIO, EPERM, EXDEV, …),
// possibly wrapped: find them with [Errno].
//
// Every change of a tree that is reached through a [Namespace] passes its one
// [Observer] before it happens.
package vfs

import (
	"errors"
	"io/fs"
	"syscall"
	"time"
)

// Flags of [FS.Open]. The values are the host's own.
const (
	ReadOnly  = syscall.O_RDONLY
	WriteOnly = syscall.O_WRONLY
	ReadWrite = syscall.O_RDWR
	Create    = syscall.O_CREAT
	Exclusive = syscall.O_EXCL
	Truncate  = syscall.O_TRUNC
)

// FS is one tree of files. All methods may be called from any goroutine.
type FS interface {
	// Open opens a regular file or a directory. Create makes a regular file
	// with the permission bits of perm. Opening a directory for writing is
	// EISDIR.
	Open(name string, flag int, perm fs.FileMode) (File, error)
	// Stat follows symbolic links, Lstat does not.
	Stat(name string) (Info, error)
	Lstat(name string) (Info, error)
	Mkdir(name string, perm fs.FileMode) error
	// Unlink removes a file or link (EISDIR for a directory); an open file
	// stays readable and writable until its last File is closed.
	Unlink(name string) error
	Rmdir(name string) error
	// Rename replaces an existing target as POSIX rename(2) does.
	Rename(from, to string) error
	Link(from, to string) error
	Symlink(target, name string) error
	Readlink(name string) (string, error)
	Chmod(name string, perm fs.FileMode) error
	// SyncDir makes the entries of a directory durable (fsync of a
	// directory).
	SyncDir(name string) error
	// Statfs reports the size of the file system; a file system without a
	// limit reports the host's.
	Statfs() (Statfs, error)
}

// File is an open regular file or directory. Reads and writes at different
// offsets may run at the same time.
type File interface {
	// ReadAt returns the number of bytes read, which is short only at the
	// end of the file; the end of the file is no error (unlike io.ReaderAt).
	ReadAt(p []byte, off int64) (int, error)
	// WriteAt writes p, extending the file and filling a gap with zeros. A
	// short count comes with an error (ENOSPC, EFBIG, EIO).
	WriteAt(p []byte, off int64) (int, error)
	Truncate(size int64) error
	// Allocate makes [off, off+n) part of the file without changing what is
	// there (posix_fallocate).
	Allocate(off, n int64) error
	// Sync makes contents and size durable; on a directory, its entries.
	Sync() error
	// Datasync is Sync without the metadata that reading the file back does
	// not need, such as its times (fdatasync(2)). A WAL segment is written in
	// place: this saves the host's journal commit on every COMMIT.
	Datasync() error
	Stat() (Info, error)
	Chmod(perm fs.FileMode) error
	// ReadDir lists a directory, sorted by name, without "." and "..".
	// ENOTDIR for a file.
	ReadDir() ([]Entry, error)
	Close() error
}

// Info is what stat(2) tells of a file. Mode carries type and permissions as
// fs.FileMode does.
type Info struct {
	Ino   uint64
	Mode  fs.FileMode
	Nlink uint32
	Size  int64
	Mtime time.Time
}

// Entry is one name in a directory.
type Entry struct {
	Name string
	Ino  uint64
	Type fs.FileMode // type bits only
}

// Statfs is the capacity of a file system, in bytes and files.
type Statfs struct {
	Total, Free, Available uint64
	Files, FilesFree       uint64
}

// Errno returns the errno in err's chain, EIO when there is none, and 0 for
// nil.
func Errno(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	var e syscall.Errno
	if errors.As(err, &e) {
		return e
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, fs.ErrExist):
		return syscall.EEXIST
	case errors.Is(err, fs.ErrPermission):
		return syscall.EPERM
	}
	return syscall.EIO
}
