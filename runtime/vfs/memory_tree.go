package vfs

import (
	"io/fs"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links one name may lead through.
const maxLinks = 16

// place is where a name leads: an entry of a directory, which may not exist.
type place struct {
	dir  *inode
	name string // "" when the name is the root, or a link to "." or ".."
	node *inode // nil when there is no such entry
}

// lookup resolves a name. That the last part does not exist is no error; that
// a directory before it doesn't is ENOENT. REQUIRES: m.mu for reading.
func (m *Memory) lookup(name string, follow bool) (place, error) {
	if m.closed {
		return place{}, syscall.EBADF
	}
	rest, err := clean(name)
	if err != nil {
		return place{}, err
	}
	at := place{dir: m.root, node: m.root}
	for links := 0; ; {
		rest = strings.TrimLeft(rest, "/")
		if rest == "" {
			return at, nil
		}
		switch {
		case at.node == nil:
			return place{}, syscall.ENOENT
		case at.node.dir == nil:
			return place{}, syscall.ENOTDIR
		}
		dir := at.node
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		switch part { // only targets of links have these two
		case ".":
			at = place{dir: dir, node: dir}
			continue
		case "..":
			up := m.inodes[dir.parent]
			at = place{dir: up, node: up}
			continue
		}
		at = place{dir: dir, name: part, node: m.inodes[dir.dir.entries[part]]}
		if at.node == nil || at.node.kind != fs.ModeSymlink {
			continue
		}
		if !follow && strings.Trim(rest, "/") == "" {
			return at, nil
		}
		if links++; links > maxLinks {
			return place{}, syscall.ELOOP
		}
		rest = at.node.target + "/" + rest
		at = place{dir: dir, node: dir}
		if rest[0] == '/' {
			at = place{dir: m.root, node: m.root}
		}
	}
}

// find is lookup of something that exists.
func (m *Memory) find(name string, follow bool) (place, error) {
	at, err := m.lookup(name, follow)
	if err == nil && at.node == nil {
		err = syscall.ENOENT
	}
	return at, err
}

// vacant is lookup of a name to be made.
func (m *Memory) vacant(name string) (place, error) {
	at, err := m.lookup(name, false)
	if err == nil && at.node != nil {
		err = syscall.EEXIST
	}
	return at, err
}

// Open implements [FS].
func (m *Memory) Open(name string, flag int, perm fs.FileMode) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	exclusive := flag&(Create|Exclusive) == Create|Exclusive
	at, err := m.lookup(name, !exclusive)
	if err != nil {
		return nil, err
	}
	access := flag & (ReadOnly | WriteOnly | ReadWrite)
	switch n := at.node; {
	case n == nil && flag&Create == 0:
		return nil, syscall.ENOENT
	case n == nil:
		at.node = m.newInode(0, perm)
		m.add(at.dir, at.name, at.node)
	case exclusive:
		return nil, syscall.EEXIST
	case n.dir != nil && (access != ReadOnly || flag&(Create|Truncate) != 0):
		return nil, syscall.EISDIR
	case flag&Truncate != 0:
		n.mu.Lock()
		err := m.truncate(n, 0)
		n.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
	at.node.opens++
	return &memoryFile{
		m:        m,
		n:        at.node,
		readable: access != WriteOnly,
		writable: access != ReadOnly,
	}, nil
}

// Stat implements [FS].
func (m *Memory) Stat(name string) (Info, error) { return m.stat(name, true) }

// Lstat implements [FS].
func (m *Memory) Lstat(name string) (Info, error) { return m.stat(name, false) }

func (m *Memory) stat(name string, follow bool) (Info, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	at, err := m.find(name, follow)
	if err != nil {
		return Info{}, err
	}
	return at.node.info(), nil
}

// Mkdir implements [FS].
func (m *Memory) Mkdir(name string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, err := m.vacant(name)
	if err != nil {
		return err
	}
	n := m.newInode(fs.ModeDir, perm)
	n.nlink = 1 // its own "."
	m.add(at.dir, at.name, n)
	return nil
}

// Symlink implements [FS].
func (m *Memory) Symlink(target, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if target == "" {
		return syscall.ENOENT
	}
	at, err := m.vacant(name)
	if err != nil {
		return err
	}
	n := m.newInode(fs.ModeSymlink, 0o777)
	n.target, n.size = target, int64(len(target))
	m.add(at.dir, at.name, n)
	return nil
}

// Link implements [FS].
func (m *Memory) Link(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	src, err := m.find(from, false)
	if err != nil {
		return err
	}
	dst, err := m.vacant(to)
	if err != nil {
		return err
	}
	if src.node.dir != nil {
		return syscall.EPERM
	}
	m.add(dst.dir, dst.name, src.node)
	return nil
}

// Readlink implements [FS].
func (m *Memory) Readlink(name string) (string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	at, err := m.find(name, false)
	if err != nil {
		return "", err
	}
	if at.node.kind != fs.ModeSymlink {
		return "", syscall.EINVAL
	}
	return at.node.target, nil
}

// Chmod implements [FS].
func (m *Memory) Chmod(name string, perm fs.FileMode) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	at, err := m.find(name, true)
	if err != nil {
		return err
	}
	at.node.mu.Lock()
	at.node.perm = perm.Perm()
	at.node.mu.Unlock()
	return nil
}

// SyncDir implements [FS].
func (m *Memory) SyncDir(name string) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	at, err := m.find(name, true)
	switch {
	case err != nil:
		return err
	case at.node.dir == nil:
		return syscall.ENOTDIR
	case m.journal != nil:
		m.journal.sync(at.node)
	}
	return nil
}

// Unlink implements [FS].
func (m *Memory) Unlink(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, err := m.find(name, false)
	if err != nil {
		return err
	}
	if at.node.dir != nil {
		return syscall.EISDIR
	}
	m.remove(at)
	return nil
}

// Rmdir implements [FS].
func (m *Memory) Rmdir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, err := m.find(name, false)
	switch {
	case err != nil:
		return err
	case at.node.dir == nil:
		return syscall.ENOTDIR
	case at.name == "":
		return syscall.EBUSY
	case len(at.node.dir.entries) > 0:
		return syscall.ENOTEMPTY
	}
	m.remove(at)
	return nil
}

// Rename implements [FS].
func (m *Memory) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	src, err := m.lookup(from, false)
	if err != nil {
		return err
	}
	dst, err := m.lookup(to, false)
	// Of several reasons to refuse, Linux gives the first of this order.
	switch {
	case err != nil:
		return err
	case src.name == "" || dst.name == "":
		return syscall.EBUSY
	case src.node == nil:
		return syscall.ENOENT
	case m.above(src.node, dst.dir):
		return syscall.EINVAL
	case dst.node != nil && m.above(dst.node, src.dir):
		return syscall.ENOTEMPTY
	}
	if old := dst.node; old != nil {
		switch {
		case old == src.node:
			return nil
		case src.node.dir != nil && old.dir == nil:
			return syscall.ENOTDIR
		case src.node.dir == nil && old.dir != nil:
			return syscall.EISDIR
		case old.dir != nil && len(old.dir.entries) > 0:
			return syscall.ENOTEMPTY
		}
		m.leave(dst)
	}
	if m.journal != nil {
		m.journal.renamed(src.node, src.entry(), dst.entry())
	}
	src.node.opens++ // so that leaving does not free it
	m.leave(src)
	if src.node.dir != nil {
		src.node.nlink++ // leave took its "." too
	}
	m.enter(dst.dir, dst.name, src.node)
	src.node.opens--
	return nil
}

// above reports whether n is dir or a directory above it. REQUIRES: m.mu.
func (m *Memory) above(n, dir *inode) bool {
	for ; dir != n; dir = m.inodes[dir.parent] {
		if dir == m.root {
			return false
		}
	}
	return true
}

func (at place) entry() entryName { return entryName{at.dir.ino, at.name} }

// add makes a name for n, which may be new. REQUIRES: m.mu, the name is free.
func (m *Memory) add(dir *inode, name string, n *inode) {
	if m.journal != nil {
		m.journal.renamed(n, entryName{}, entryName{dir.ino, name})
	}
	m.enter(dir, name, n)
}

// remove takes a name away for good. REQUIRES: m.mu.
func (m *Memory) remove(at place) {
	if m.journal != nil {
		m.journal.renamed(at.node, at.entry(), entryName{})
	}
	m.leave(at)
}

// enter gives n a name in dir. REQUIRES: m.mu, the name is free.
func (m *Memory) enter(dir *inode, name string, n *inode) {
	dir.ownDir()[name] = n.ino
	dir.touchDir()
	n.nlink++
	if n.dir != nil {
		n.parent = dir.ino
		dir.nlink++
	}
}

// leave takes a name away, and with the last one the node unless it is open.
// REQUIRES: m.mu.
func (m *Memory) leave(at place) {
	delete(at.dir.ownDir(), at.name)
	at.dir.touchDir()
	at.node.nlink--
	if at.node.dir != nil {
		at.node.nlink--
		at.dir.nlink--
	}
	m.reap(at.node)
}

// touchDir is touch under Memory.mu alone: entries change under no other lock.
func (n *inode) touchDir() {
	n.mu.Lock()
	n.touch()
	n.mu.Unlock()
}
