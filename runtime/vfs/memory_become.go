package vfs

import "syscall"

// Become makes the tree that of from at this moment, at one instant for all who
// use m; from stays as it is. One of the two must be a clone of the other, or both
// of a third (EXDEV). Files that are open stay readable and writable until their
// last File is closed, as after an unlink. It takes time by the number of files,
// not by their size.
//
// What m was comes back, less the files that are open, for the caller to close,
// which does take time by size.
func (m *Memory) Become(from *Memory) (was *Memory, err error) {
	switch {
	case m.arena != from.arena:
		return nil, syscall.EXDEV
	case m.journal != nil || from.journal != nil: // a Crash would have to know what was synced
		return nil, syscall.EINVAL
	}
	was = from.Clone()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || was.closed {
		if !was.closed {
			_ = was.Close()
		}
		return nil, syscall.EBADF
	}
	m.inodes, was.inodes = was.inodes, m.inodes
	m.root, was.root = was.root, m.root
	m.lastIno, was.lastIno = max(m.lastIno, was.lastIno), m.lastIno
	used := was.used.Load()
	for ino, n := range was.inodes {
		if n.opens > 0 {
			delete(was.inodes, ino)
			used += m.orphan(n)
		}
	}
	was.used.Store(m.used.Swap(used) + was.used.Load() - used)
	return was, nil
}

// orphan keeps an open inode of a tree that is gone, under a number that nobody
// else has, and tells what it counts for a limit, in bytes. REQUIRES: m.mu.
func (m *Memory) orphan(n *inode) int64 {
	m.lastIno++
	n.ino, n.nlink = m.lastIno, 0
	m.inodes[n.ino] = n
	if n.dir != nil { // its entries are numbers of the tree that is gone
		n.dir.refs.Add(-1)
		n.dir = &directory{entries: map[string]uint64{}}
		n.dir.refs.Store(1)
	}
	if n.data == nil {
		return 0
	}
	return n.data.charged() * BlockSize
}

// Held is how many bytes of memory the contents of files take, and how many of
// them no clone shares: so much becomes free when m is closed.
func (m *Memory) Held() (all, own int64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, n := range m.inodes {
		if n.data == nil {
			continue
		}
		n.mu.RLock()
		alone := n.data.refs.Load() == 1
		for _, id := range n.data.blocks {
			if id <= borrowed {
				continue
			}
			all += BlockSize
			if alone && !m.arena.shared(id) {
				own += BlockSize
			}
		}
		n.mu.RUnlock()
	}
	return all, own
}
