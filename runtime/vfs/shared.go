package vfs

import (
	"bytes"
	"io/fs"
	"sync"
	"syscall"

	"github.com/howdahdb/howdah/runtime/linear"
)

// Shared is what /dev/shm is to processes: a [Memory] whose files can be
// mapped by several guests at once. Once a file's pages were asked for they
// are its contents, for ReadAt and WriteAt too, and its size is sealed: what
// would change it is EPERM, as of a memfd with F_SEAL_GROW and F_SEAL_SHRINK
// (memfd_create(2)), since memory that is in use can't be taken away or moved.
// POSIX shared memory needs no more (shm_open, ftruncate, mmap, shm_unlink;
// src/backend/storage/ipc/dsm_impl.c).
//
// A segment is kept as long as its file has a name or is open; whoever maps it
// keeps the file open.
//
// Lock order: mu, then those of the Memory.
type Shared struct {
	FS     // the memory
	memory *Memory

	mu    sync.Mutex
	pages map[uint64]*sharedPages // by inode
}

// sharedPages are one file's.
type sharedPages struct {
	open     int
	unlinked bool
	seg      *linear.Segment // nil until it is asked for
}

// NewShared returns an empty one. It is of use where [linear.CanShare] is
// true: elsewhere its files are those of a Memory, without pages to map.
func NewShared() *Shared {
	m := NewMemory(MemoryOptions{})
	return &Shared{FS: m, memory: m, pages: map[uint64]*sharedPages{}}
}

// Segmented is a [File] with pages that can be mapped.
type Segmented interface {
	// Segment is the file's pages, of a size that is a multiple of
	// [linear.PageSize]. It belongs to the file. ENOTSUP when the file system
	// has none to give.
	Segment() (*linear.Segment, error)
}

// Open implements [FS].
func (s *Shared) Open(name string, flag int, perm fs.FileMode) (File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if flag&Truncate != 0 && flag&(Create|Exclusive) != Create|Exclusive {
		info, err := s.Stat(name)
		if p := s.pages[info.Ino]; err == nil && p != nil && p.seg != nil {
			return nil, syscall.EPERM
		}
	}
	f, err := s.FS.Open(name, flag, perm)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode.IsRegular() {
		return f, err
	}
	p := s.pages[info.Ino]
	if p == nil {
		p = &sharedPages{}
		s.pages[info.Ino] = p
	}
	p.open++
	return &sharedFile{File: f, s: s, ino: info.Ino, p: p}, nil
}

// Unlink implements [FS].
func (s *Shared) Unlink(name string) error {
	return s.remove(name, func() error { return s.FS.Unlink(name) })
}

// Rename implements [FS].
func (s *Shared) Rename(from, to string) error {
	return s.remove(to, func() error { return s.FS.Rename(from, to) })
}

// remove does what may take a file's name away.
func (s *Shared) remove(name string, do func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, missing := s.Lstat(name)
	if err := do(); err != nil {
		return err
	}
	p := s.pages[was.Ino]
	if missing != nil || p == nil || was.Nlink > 1 {
		return nil
	}
	if is, err := s.Lstat(name); err == nil && is.Ino == was.Ino {
		return nil // renamed to itself
	}
	p.unlinked = true
	s.drop(was.Ino, p)
	return nil
}

// Clear removes every file of the root directory.
func (s *Shared) Clear() error {
	root, err := s.FS.Open("/", ReadOnly, 0)
	if err != nil {
		return err
	}
	defer root.Close()
	list, err := root.ReadDir()
	if err != nil {
		return err
	}
	for _, e := range list {
		if err := s.Unlink("/" + e.Name); err != nil {
			return err
		}
	}
	return nil
}

// Close gives the memory back, segments too: where they are mapped they stay.
func (s *Shared) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ino, p := range s.pages {
		p.unlinked, p.open = true, 0
		s.drop(ino, p)
	}
	return s.memory.Close()
}

// drop frees pages that nobody can ask for any more. REQUIRES: mu.
func (s *Shared) drop(ino uint64, p *sharedPages) {
	if !p.unlinked || p.open > 0 {
		return
	}
	delete(s.pages, ino)
	if p.seg != nil {
		_ = p.seg.Close() // of a descriptor that nothing was written through
	}
}

// sharedFile is an open file of a Shared. Until it has a segment it is what
// the Memory has; then the Memory still knows who may do what, the size and
// the times.
type sharedFile struct {
	File
	s   *Shared
	ino uint64
	p   *sharedPages
}

// Segment implements [Segmented].
func (f *sharedFile) Segment() (*linear.Segment, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !linear.CanShare:
		return nil, syscall.ENOTSUP
	case f.p.seg != nil:
		return f.p.seg, nil
	case info.Size == 0: // mmap(2) has nothing to map
		return nil, syscall.EINVAL
	}
	seg, err := linear.NewSegment((uint64(info.Size) + linear.PageSize - 1) &^ (linear.PageSize - 1))
	if err != nil {
		return nil, err
	}
	if err := f.copyTo(seg, info.Size); err != nil {
		_ = seg.Close()
		return nil, err
	}
	f.p.seg = seg
	return seg, nil
}

// copyTo copies what is not zero, so that the rest takes no memory.
func (f *sharedFile) copyTo(seg *linear.Segment, size int64) error {
	buf, zeros := make([]byte, BlockSize), make([]byte, BlockSize)
	for off := int64(0); off < size; off += BlockSize {
		n, err := f.File.ReadAt(buf, off)
		if err != nil {
			return err
		}
		if bytes.Equal(buf[:n], zeros[:n]) {
			continue
		}
		if _, err := seg.WriteAt(buf[:n], off); err != nil {
			return err
		}
	}
	return nil
}

// sealed is EPERM when there is a segment and a call would change the size.
// REQUIRES: s.mu.
func (f *sharedFile) sealed(changes func(size int64) bool) error {
	if f.p.seg == nil {
		return nil
	}
	info, err := f.Stat()
	if err == nil && changes(info.Size) {
		err = syscall.EPERM
	}
	return err
}

func (f *sharedFile) ReadAt(p []byte, off int64) (int, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	n, err := f.File.ReadAt(p, off)
	if f.p.seg == nil || n == 0 || err != nil {
		return n, err
	}
	return f.p.seg.ReadAt(p[:n], off)
}

func (f *sharedFile) WriteAt(p []byte, off int64) (int, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if err := f.sealed(func(size int64) bool { return len(p) > 0 && off > size-int64(len(p)) }); err != nil {
		return 0, err
	}
	n, err := f.File.WriteAt(p, off)
	if f.p.seg == nil || n == 0 || err != nil {
		return n, err
	}
	return f.p.seg.WriteAt(p[:n], off)
}

func (f *sharedFile) Truncate(size int64) error {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if err := f.sealed(func(now int64) bool { return size != now }); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *sharedFile) Allocate(off, length int64) error {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if err := f.sealed(func(size int64) bool { return off > size-length }); err != nil {
		return err
	}
	return f.File.Allocate(off, length)
}

// Close implements [File].
func (f *sharedFile) Close() error {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	err := f.File.Close()
	if err == nil {
		f.p.open--
		f.s.drop(f.ino, f.p)
	}
	return err
}
