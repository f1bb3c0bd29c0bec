package vfs

import (
	"cmp"
	"io/fs"
	"slices"
	"sync/atomic"
	"syscall"
)

// memoryFile is an open file of a Memory.
type memoryFile struct {
	m        *Memory
	n        *inode
	readable bool
	writable bool
	closed   atomic.Bool
}

// begin locks the tree against Clone and Close. When it fails nothing is
// locked.
func (f *memoryFile) begin() error {
	f.m.mu.RLock()
	if f.m.closed || f.closed.Load() {
		f.m.mu.RUnlock()
		return syscall.EBADF
	}
	return nil
}

// change runs do with the file locked.
func (f *memoryFile) change(do func(*inode) error) error {
	if err := f.begin(); err != nil {
		return err
	}
	defer f.m.mu.RUnlock()
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	return do(f.n)
}

func (f *memoryFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.begin(); err != nil {
		return 0, err
	}
	defer f.m.mu.RUnlock()
	switch {
	case f.n.dir != nil:
		return 0, syscall.EISDIR
	case !f.readable:
		return 0, syscall.EBADF
	case off < 0:
		return 0, syscall.EINVAL
	}
	f.n.mu.RLock()
	defer f.n.mu.RUnlock()
	return f.n.readAt(f.m.arena, p, off), nil
}

func (f *memoryFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.begin(); err != nil {
		return 0, err
	}
	defer f.m.mu.RUnlock()
	switch {
	case !f.writable:
		return 0, syscall.EBADF
	case off < 0:
		return 0, syscall.EINVAL
	}
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	return f.m.writeAt(f.n, p, off)
}

func (f *memoryFile) Truncate(size int64) error {
	return f.change(func(n *inode) error {
		if !f.writable || size < 0 {
			return syscall.EINVAL
		}
		return f.m.truncate(n, size)
	})
}

func (f *memoryFile) Allocate(off, length int64) error {
	return f.change(func(n *inode) error {
		switch {
		case off < 0 || length <= 0:
			return syscall.EINVAL
		case !f.writable:
			return syscall.EBADF
		}
		return f.m.allocate(n, off, length)
	})
}

// Sync does nothing, unless there is the disk of a Crash below: what is in
// memory is as durable as it gets.
func (f *memoryFile) Sync() error {
	if err := f.begin(); err != nil {
		return err
	}
	defer f.m.mu.RUnlock()
	if f.m.journal != nil {
		f.m.journal.sync(f.n)
	}
	return nil
}

func (f *memoryFile) Datasync() error { return f.Sync() }

func (f *memoryFile) Stat() (Info, error) {
	if err := f.begin(); err != nil {
		return Info{}, err
	}
	defer f.m.mu.RUnlock()
	return f.n.info(), nil
}

func (f *memoryFile) Chmod(perm fs.FileMode) error {
	return f.change(func(n *inode) error {
		n.perm = perm.Perm()
		return nil
	})
}

func (f *memoryFile) ReadDir() ([]Entry, error) {
	if err := f.begin(); err != nil {
		return nil, err
	}
	defer f.m.mu.RUnlock()
	if f.n.dir == nil {
		return nil, syscall.ENOTDIR
	}
	list := make([]Entry, 0, len(f.n.dir.entries))
	for name, ino := range f.n.dir.entries {
		list = append(list, Entry{Name: name, Ino: ino, Type: f.m.inodes[ino].kind})
	}
	sortEntries(list)
	return list, nil
}

func sortEntries(list []Entry) {
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
}

func (f *memoryFile) Close() error {
	if f.closed.Swap(true) {
		return syscall.EBADF
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if !f.m.closed {
		f.n.opens--
		f.m.reap(f.n)
	}
	return nil
}
