package vfs

import (
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// dirFile is an open file of a Dir. os.File's own methods are safe against a
// Close at the same time; mu makes those safe that take the descriptor out of
// it.
type dirFile struct {
	f    *os.File
	dir  bool
	flag int // access mode of Open

	mu     sync.RWMutex
	closed bool
}

func newDirFile(f *os.File, flag int) (*dirFile, error) {
	info, err := fileInfo(f)
	if err != nil {
		return nil, err
	}
	if t := info.Mode.Type(); t != 0 && t != fs.ModeDir {
		return nil, syscall.EPERM
	}
	return &dirFile{f: f, dir: info.Mode.IsDir(), flag: flag & (ReadOnly | WriteOnly | ReadWrite)}, nil
}

func (f *dirFile) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, syscall.EINVAL
	}
	if len(p) == 0 {
		return 0, f.allowed(WriteOnly)
	}
	n, err := f.f.ReadAt(p, off)
	if err == nil || err == io.EOF {
		return n, nil
	}
	return n, hostError(err)
}

func (f *dirFile) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, syscall.EINVAL
	}
	if len(p) == 0 {
		return 0, f.allowed(ReadOnly)
	}
	n, err := f.f.WriteAt(p, off)
	if err == nil {
		return n, nil
	}
	return n, hostError(err)
}

// allowed is what an access without bytes returns, which package os does not
// ask the host about.
func (f *dirFile) allowed(not int) error {
	return f.open(func() error {
		if f.flag == not {
			return syscall.EBADF
		}
		return nil
	})
}

func (f *dirFile) Truncate(size int64) error { return hostError(f.f.Truncate(size)) }

func (f *dirFile) Chmod(perm fs.FileMode) error { return hostError(f.f.Chmod(perm.Perm())) }

func (f *dirFile) Sync() error {
	if f.dir {
		return hostError(syncDir(f.f))
	}
	return hostError(f.f.Sync())
}

func (f *dirFile) Datasync() error {
	if f.dir {
		return f.Sync()
	}
	return f.open(func() error { return datasync(f.f) })
}

func (f *dirFile) Allocate(off, n int64) error {
	if off < 0 || n <= 0 {
		return syscall.EINVAL
	}
	if f.flag == ReadOnly {
		return syscall.EBADF
	}
	return f.open(func() error { return allocate(f.f, off, n) })
}

func (f *dirFile) Stat() (Info, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return Info{}, syscall.EBADF
	}
	return fileInfo(f.f)
}

func (f *dirFile) ReadDir() ([]Entry, error) {
	if !f.dir {
		return nil, syscall.ENOTDIR
	}
	f.mu.Lock() // the position in the directory
	defer f.mu.Unlock()
	if f.closed {
		return nil, syscall.EBADF
	}
	if _, err := f.f.Seek(0, io.SeekStart); err != nil {
		return nil, hostError(err)
	}
	list, err := entries(f.f)
	if err != nil {
		return nil, hostError(err)
	}
	sortEntries(list)
	return list, nil
}

func (f *dirFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return syscall.EBADF
	}
	f.closed = true
	return hostError(f.f.Close())
}

// open runs do while the file can't be closed.
func (f *dirFile) open(do func() error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return syscall.EBADF
	}
	return hostError(do())
}

// writeZeros is posix_fallocate without the host's help: it writes zeros from
// the end of the file on. Holes before the end stay holes.
func writeZeros(f *os.File, off, n int64) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	zeros := make([]byte, min(n, 1<<20))
	for at := max(end, off); at < off+n; {
		k, err := f.WriteAt(zeros[:min(int64(len(zeros)), off+n-at)], at)
		if err != nil {
			return err
		}
		at += int64(k)
	}
	return nil
}
