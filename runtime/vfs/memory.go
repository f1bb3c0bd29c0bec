package vfs

import (
	"io/fs"
	"maps"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// MemoryOptions configure a [Memory].
type MemoryOptions struct {
	// Limit is the number of bytes that files may take, in whole blocks, as
	// if nothing were shared; more is ENOSPC. Directories, names and borrowed
	// contents are not counted. 0 is no limit but the machine's.
	Limit int64
}

// Memory is a file system in memory, made to be cloned: the contents of files
// are reference-counted blocks of [BlockSize] bytes outside the Go heap, shared
// between clones until one of them writes. A block of zeros takes no memory.
//
// Permission bits are kept and not enforced. Symbolic links are resolved
// inside the tree, an absolute target from its root.
//
// Lock order: mu, then one inode's mu, then arena.mu. Whoever reads or writes
// contents holds mu for reading, so that Clone, which holds it for writing,
// sees one moment of the whole tree.
type Memory struct {
	arena *arena
	limit int64
	used  atomic.Int64 // bytes charged to limit

	mu      sync.RWMutex
	closed  bool
	root    *inode
	inodes  map[uint64]*inode // all that have a name or are open
	lastIno uint64            // numbers are never used twice

	journal *journal // of a Crash, else nil; set before the tree is used
}

// inode is a file, directory or symbolic link of one Memory. Numbers are kept
// by clones.
type inode struct {
	ino  uint64
	kind fs.FileMode // type bits

	// Guarded by Memory.mu.
	nlink  uint32
	opens  int
	target string     // of a symbolic link
	dir    *directory // of a directory
	parent uint64     // of a directory; the root's is itself

	mu    sync.RWMutex // guards what follows
	perm  fs.FileMode
	size  int64
	mtime int64 // nanoseconds since 1970
	data  *content
}

// directory is the entries of a directory, shared between clones as content
// is.
type directory struct {
	refs    atomic.Int32
	entries map[string]uint64
}

const rootIno = 1

// NewMemory returns an empty file system. Close it to give its memory back:
// the garbage collector doesn't.
func NewMemory(o MemoryOptions) *Memory {
	m := &Memory{arena: newArena(), limit: o.Limit, inodes: map[uint64]*inode{}}
	m.root = m.newInode(fs.ModeDir, 0o755)
	m.root.parent, m.root.nlink = m.root.ino, 2
	return m
}

// Clone returns a file system with the same tree, inode numbers and limit.
// Both share all blocks; a change of one is not seen by the other. It takes
// time by the number of files, not by their size. Files that are open but
// unlinked are not part of it. Each clone is closed on its own, in any order.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.clone(false)
}

// clone with orphans takes inodes without a name along too. REQUIRES: m.mu.
func (m *Memory) clone(orphans bool) *Memory {
	c := &Memory{
		arena:   m.arena,
		limit:   m.limit,
		closed:  m.closed,
		inodes:  make(map[uint64]*inode, len(m.inodes)),
		lastIno: m.lastIno,
	}
	if m.closed {
		return c
	}
	m.arena.users.Add(1)
	used := m.used.Load()
	all := make([]inode, len(m.inodes)) // one allocation, not one per file
	for ino, n := range m.inodes {
		if n.nlink == 0 && !orphans {
			if n.data != nil {
				used -= n.data.charged() * BlockSize
			}
			continue
		}
		k := &all[0]
		all = all[1:]
		k.ino, k.kind, k.nlink, k.target, k.parent = n.ino, n.kind, n.nlink, n.target, n.parent
		k.perm, k.size, k.mtime = n.perm, n.size, n.mtime
		if n.dir != nil {
			n.dir.refs.Add(1)
			k.dir = n.dir
		}
		if n.data != nil {
			k.data = n.data.retain()
		}
		c.inodes[ino] = k
	}
	c.used.Store(used)
	c.root = c.inodes[rootIno]
	return c
}

// Close gives the memory back. Every later call, on open files too, is EBADF.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return syscall.EBADF
	}
	m.closed = true
	if !m.arena.leave() {
		for _, n := range m.inodes {
			if n.data != nil {
				n.data.release(m.arena)
			}
			if n.dir != nil {
				n.dir.refs.Add(-1)
			}
		}
	}
	m.inodes, m.root = nil, nil
	return nil
}

// PutFile makes a regular file, or replaces one, whose contents are data. The
// file system and its clones read data as long as they live and copy a block
// of it when that is first written: the caller must not change it.
func (m *Memory) PutFile(name string, perm fs.FileMode, data []byte) error {
	f, err := m.Open(name, WriteOnly|Create, perm)
	if err != nil {
		return err
	}
	defer f.Close()
	file := f.(*memoryFile)
	return file.change(func(n *inode) error {
		blocks := make([]blockID, (len(data)+BlockSize-1)/BlockSize)
		for i := range blocks {
			blocks[i] = borrowed
		}
		m.replace(n, newContent(blocks, data), int64(len(data)))
		n.perm = perm.Perm()
		if m.journal != nil {
			m.journal.replaced(n)
		}
		return nil
	})
}

// Statfs reports the limit and what is left of it.
func (m *Memory) Statfs() (Statfs, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return Statfs{}, syscall.EBADF
	}
	used := uint64(m.used.Load())
	total, free := uint64(m.limit), uint64(m.limit)-used
	if m.limit == 0 {
		total, free = hostMemory(used)
	}
	const files = 1 << 32 // nothing bounds them
	return Statfs{
		Total: total, Free: free, Available: free,
		Files: files, FilesFree: files - uint64(len(m.inodes)),
	}, nil
}

// newInode makes a node without a name. REQUIRES: m.mu.
func (m *Memory) newInode(kind, perm fs.FileMode) *inode {
	m.lastIno++
	n := newNode(m.lastIno, kind, perm)
	m.inodes[n.ino] = n
	return n
}

func newNode(ino uint64, kind, perm fs.FileMode) *inode {
	n := &inode{ino: ino, kind: kind, perm: perm.Perm(), mtime: time.Now().UnixNano()}
	switch kind {
	case fs.ModeDir:
		n.dir = &directory{entries: map[string]uint64{}}
		n.dir.refs.Store(1)
	case 0:
		n.data = newContent(nil, nil)
	}
	return n
}

// reap frees an inode that has neither a name nor an open file. REQUIRES:
// m.mu.
func (m *Memory) reap(n *inode) {
	if n.nlink > 0 || n.opens > 0 {
		return
	}
	if n.data != nil {
		m.uncharge(n.data.charged())
		n.data.release(m.arena)
	}
	if n.dir != nil {
		n.dir.refs.Add(-1)
	}
	delete(m.inodes, n.ino)
	if m.journal != nil {
		m.journal.reaped(n.ino)
	}
}

// ownDir makes n's entries its own before a change. REQUIRES: m.mu.
func (n *inode) ownDir() map[string]uint64 {
	if d := n.dir; d.refs.Load() > 1 {
		mine := &directory{entries: maps.Clone(d.entries)}
		mine.refs.Store(1)
		n.dir = mine
		d.refs.Add(-1)
	}
	return n.dir.entries
}

// touch sets the time of change. REQUIRES: n.mu.
func (n *inode) touch() { n.mtime = time.Now().UnixNano() }

// info REQUIRES: m.mu for reading.
func (n *inode) info() Info {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return Info{
		Ino:   n.ino,
		Mode:  n.kind | n.perm,
		Nlink: n.nlink,
		Size:  n.size,
		Mtime: time.Unix(0, n.mtime),
	}
}
