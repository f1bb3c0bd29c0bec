package vfs

import (
	"io/fs"
	"sync"
	"syscall"

	"github.com/howdahdb/howdah/runtime/linear"
)

// Shared is what /dev/shm is to processes: a [Memory] whose files can be
// mapped by several guests at once. A file's pages are a [linear.Segment] of
// the size that the file has when it is mapped first; they are not what ReadAt
// and WriteAt see. POSIX shared memory needs no more (shm_open, ftruncate,
// mmap; src/backend/storage/ipc/dsm_impl.c).
//
// A segment is kept as long as its file has a name or is open; whoever maps it
// keeps the file open.
type Shared struct {
	*Memory

	mu    sync.Mutex
	pages map[uint64]*sharedPages // by inode
}

// sharedPages are one file's.
type sharedPages struct {
	open     int
	unlinked bool
	seg      *linear.Segment // nil until it is asked for
}

// NewShared returns an empty one. It is of use where [linear.CanShare] is true.
func NewShared() *Shared {
	return &Shared{Memory: NewMemory(MemoryOptions{}), pages: map[uint64]*sharedPages{}}
}

// Segmented is a [File] with pages that can be mapped.
type Segmented interface {
	// Segment is the file's pages, of a size that is a multiple of
	// [linear.PageSize]. It belongs to the file. ENOTSUP when the file system
	// has none to give.
	Segment() (*linear.Segment, error)
}

// sharedFile is an open file of a Shared.
type sharedFile struct {
	File
	s   *Shared
	ino uint64
}

// Open implements [FS].
func (s *Shared) Open(name string, flag int, perm fs.FileMode) (File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.Memory.Open(name, flag, perm)
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
	return &sharedFile{f, s, info.Ino}, nil
}

// Unlink implements [FS].
func (s *Shared) Unlink(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := s.Lstat(name)
	if err != nil {
		return err
	}
	if err := s.Memory.Unlink(name); err != nil {
		return err
	}
	if p := s.pages[info.Ino]; p != nil {
		p.unlinked = true
		s.drop(info.Ino, p)
	}
	return nil
}

// Clear removes every file of the root directory.
func (s *Shared) Clear() error {
	root, err := s.Memory.Open("/", ReadOnly, 0)
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

// Segment implements [Segmented].
func (f *sharedFile) Segment() (*linear.Segment, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	p := f.s.pages[f.ino]
	if p.seg != nil {
		return p.seg, nil
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size == 0 {
		return nil, syscall.EINVAL
	}
	p.seg, err = linear.NewSegment((uint64(info.Size) + linear.PageSize - 1) &^ (linear.PageSize - 1))
	return p.seg, err
}

// Close implements [File].
func (f *sharedFile) Close() error {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	err := f.File.Close()
	if err == nil {
		p := f.s.pages[f.ino]
		p.open--
		f.s.drop(f.ino, p)
	}
	return err
}
