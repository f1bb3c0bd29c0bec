package vfs

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Virtual is a file system of one directory whose files have no contents until
// they are opened, as those of /proc have: each open file keeps what was made
// for it. Their size is told as 0. Nothing can be changed (EROFS).
//
// Contents are made on the goroutine that opens the file, which may hold
// locks: a function that makes them waits for nothing.
type Virtual struct {
	files map[string]func() []byte
	names []string // sorted; the inode number is the place + 2
	made  time.Time
}

// NewVirtual makes one of these files, by names without a slash. A file without
// a function is as a pipe is to which nothing is written: reading it is EAGAIN.
func NewVirtual(files map[string]func() []byte) *Virtual {
	return &Virtual{files: files, names: slices.Sorted(maps.Keys(files)), made: time.Now()}
}

// Open implements [FS].
func (v *Virtual) Open(name string, flag int, _ fs.FileMode) (File, error) {
	info, err := v.Stat(name)
	switch {
	case err != nil && flag&Create != 0:
		return nil, syscall.EROFS
	case err != nil:
		return nil, err
	case flag&(Create|Exclusive) == Create|Exclusive:
		return nil, syscall.EEXIST
	case flag&(WriteOnly|ReadWrite|Truncate) == 0:
	case info.Mode.IsDir():
		return nil, syscall.EISDIR
	default:
		return nil, syscall.EROFS
	}
	f := &virtualFile{v: v, info: info}
	if !info.Mode.IsDir() {
		if contents := v.files[v.names[info.Ino-2]]; contents != nil {
			f.data = contents()
		} else {
			f.silent = true
		}
	}
	return f, nil
}

// Stat implements [FS].
func (v *Virtual) Stat(name string) (Info, error) {
	name, err := clean(name)
	if err != nil {
		return Info{}, err
	}
	if name == "/" {
		return Info{Ino: 1, Mode: fs.ModeDir | 0o555, Nlink: 2, Mtime: v.made}, nil
	}
	first, rest, deeper := strings.Cut(name[1:], "/")
	k, ok := slices.BinarySearch(v.names, first)
	switch {
	case !ok:
		return Info{}, syscall.ENOENT
	case deeper && rest != "":
		return Info{}, syscall.ENOTDIR
	}
	return Info{Ino: uint64(k) + 2, Mode: 0o444, Nlink: 1, Mtime: v.made}, nil
}

// Lstat implements [FS].
func (v *Virtual) Lstat(name string) (Info, error) { return v.Stat(name) }

// Readlink implements [FS]: there are no links.
func (v *Virtual) Readlink(name string) (string, error) {
	if _, err := v.Stat(name); err != nil {
		return "", err
	}
	return "", syscall.EINVAL
}

// What changes something is refused.

func (v *Virtual) Mkdir(string, fs.FileMode) error { return syscall.EROFS }
func (v *Virtual) Unlink(string) error             { return syscall.EROFS }
func (v *Virtual) Rmdir(string) error              { return syscall.EROFS }
func (v *Virtual) Rename(string, string) error     { return syscall.EROFS }
func (v *Virtual) Link(string, string) error       { return syscall.EROFS }
func (v *Virtual) Symlink(string, string) error    { return syscall.EROFS }
func (v *Virtual) Chmod(string, fs.FileMode) error { return syscall.EROFS }

// SyncDir implements [FS].
func (v *Virtual) SyncDir(string) error { return nil }

// Statfs reports that there is no room.
func (v *Virtual) Statfs() (Statfs, error) {
	return Statfs{Files: uint64(len(v.names)) + 1}, nil
}

// virtualFile is an open file, or the directory.
type virtualFile struct {
	v    *Virtual
	info Info
	data []byte

	silent bool
}

func (f *virtualFile) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case f.info.Mode.IsDir():
		return 0, syscall.EISDIR
	case f.silent:
		return 0, syscall.EAGAIN
	case off < 0:
		return 0, syscall.EINVAL
	case off >= int64(len(f.data)):
		return 0, nil
	}
	return copy(p, f.data[off:]), nil
}

func (f *virtualFile) WriteAt([]byte, int64) (int, error) { return 0, syscall.EBADF }
func (f *virtualFile) Truncate(int64) error               { return syscall.EINVAL }
func (f *virtualFile) Allocate(int64, int64) error        { return syscall.EBADF }
func (f *virtualFile) Chmod(fs.FileMode) error            { return syscall.EROFS }
func (f *virtualFile) Sync() error                        { return nil }
func (f *virtualFile) Datasync() error                    { return nil }
func (f *virtualFile) Close() error                       { return nil }
func (f *virtualFile) Stat() (Info, error)                { return f.info, nil }

func (f *virtualFile) ReadDir() ([]Entry, error) {
	if !f.info.Mode.IsDir() {
		return nil, syscall.ENOTDIR
	}
	list := make([]Entry, len(f.v.names))
	for k, name := range f.v.names {
		list[k] = Entry{Name: name, Ino: uint64(k) + 2}
	}
	return list, nil
}
