//go:build linux || darwin

package vfs

import (
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hostInfo is what os.Root's Stat and Lstat tell.
func hostInfo(info fs.FileInfo) Info {
	st := info.Sys().(*syscall.Stat_t)
	return Info{
		Ino:   uint64(st.Ino),
		Mode:  info.Mode() & (fs.ModeType | fs.ModePerm),
		Nlink: uint32(st.Nlink),
		Size:  info.Size(),
		Mtime: info.ModTime(),
	}
}

// fileInfo does not use os.File.Stat because that allocates: the guest asks
// for the size of a relation all the time (mdnblocks).
func fileInfo(f *os.File) (Info, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(int(f.Fd()), &st) }); err != nil {
		return Info{}, err
	}
	return Info{
		Ino:   uint64(st.Ino),
		Mode:  fs.FileMode(st.Mode)&fs.ModePerm | typeBits(uint32(st.Mode)),
		Nlink: uint32(st.Nlink),
		Size:  st.Size,
		Mtime: time.Unix(st.Mtim.Unix()),
	}, nil
}

func typeBits(mode uint32) fs.FileMode {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return 0
	case unix.S_IFDIR:
		return fs.ModeDir
	case unix.S_IFLNK:
		return fs.ModeSymlink
	case unix.S_IFIFO:
		return fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return fs.ModeSocket
	case unix.S_IFCHR:
		return fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		return fs.ModeDevice
	}
	return fs.ModeIrregular
}

func entries(f *os.File) ([]Entry, error) {
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	list := make([]Entry, 0, len(names))
	for _, name := range names {
		var st unix.Stat_t
		err := retry(func() error {
			return unix.Fstatat(int(f.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
		})
		if err == unix.ENOENT { // removed since
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, Entry{Name: name, Ino: uint64(st.Ino), Type: typeBits(uint32(st.Mode))})
	}
	return list, nil
}

func (d *Dir) unlink(name string) error {
	dir, base, err := d.parent(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	err = retry(func() error { return unix.Unlinkat(int(dir.Fd()), base, 0) })
	if err == unix.EPERM { // POSIX, and darwin, for a directory
		var st unix.Stat_t
		if unix.Fstatat(int(dir.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW) == nil &&
			st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return unix.EISDIR
		}
	}
	return err
}

func (d *Dir) rmdir(name string) error {
	dir, base, err := d.parent(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return retry(func() error { return unix.Unlinkat(int(dir.Fd()), base, unix.AT_REMOVEDIR) })
}

// rename is not os.Root's because that refuses every directory as a target.
func (d *Dir) rename(from, to string) error {
	src, old, err := d.parent(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, name, err := d.parent(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	return retry(func() error { return unix.Renameat(int(src.Fd()), old, int(dst.Fd()), name) })
}

func syncDir(f *os.File) error { return f.Sync() }

func statfs(f *os.File) (Statfs, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(int(f.Fd()), &st) }); err != nil {
		return Statfs{}, err
	}
	unit := uint64(st.Bsize)
	return Statfs{
		Total:     st.Blocks * unit,
		Free:      st.Bfree * unit,
		Available: st.Bavail * unit,
		Files:     st.Files,
		FilesFree: st.Ffree,
	}, nil
}

// retry repeats a call that a signal interrupted: the Go runtime's preemption
// signals reach any system call on some file systems (FUSE, NFS).
func retry(do func() error) error {
	for {
		if err := do(); err != unix.EINTR {
			return err
		}
	}
}
