//go:build !linux && !darwin

package vfs

import (
	"io/fs"
	"os"
	"syscall"
)

// hostInfo has no inode number to give: every file is number 1 with one link.
func hostInfo(info fs.FileInfo) Info {
	return Info{
		Ino:   1,
		Mode:  info.Mode() & (fs.ModeType | fs.ModePerm),
		Nlink: 1,
		Size:  info.Size(),
		Mtime: info.ModTime(),
	}
}

func fileInfo(f *os.File) (Info, error) {
	info, err := f.Stat()
	if err != nil {
		return Info{}, err
	}
	return hostInfo(info), nil
}

func entries(f *os.File) ([]Entry, error) {
	found, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	list := make([]Entry, len(found))
	for i, e := range found {
		list[i] = Entry{Name: e.Name(), Ino: 1, Type: e.Type()}
	}
	return list, nil
}

func (d *Dir) unlink(name string) error { return d.remove(name, false, syscall.EISDIR) }

func (d *Dir) rmdir(name string) error { return d.remove(name, true, syscall.ENOTDIR) }

func (d *Dir) remove(name string, dir bool, other error) error {
	info, err := d.root.Lstat(name)
	if err != nil {
		return err
	}
	if info.IsDir() != dir {
		return other
	}
	return d.root.Remove(name)
}

func (d *Dir) rename(from, to string) error { return d.root.Rename(from, to) }

// syncDir does nothing: NTFS journals its directories, and Windows flushes
// none on demand.
func syncDir(*os.File) error { return nil }

func datasync(f *os.File) error { return f.Sync() }

func allocate(f *os.File, off, n int64) error { return writeZeros(f, off, n) }

// statfs knows no more than that there is space: see hostMemory.
func statfs(*os.File) (Statfs, error) {
	total, free := hostMemory(0)
	return Statfs{Total: total, Free: free, Available: free, Files: 1 << 32, FilesFree: 1 << 32}, nil
}
