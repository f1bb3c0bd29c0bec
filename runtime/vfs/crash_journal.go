package vfs

import (
	"bytes"
	"io/fs"
	"slices"
)

// fileJournal is what happened to a file since it was last on the disk.
type fileJournal struct {
	changes []fileChange
	bytes   int64
}

// fileChange is a write, truncation or allocation.
type fileChange struct {
	op   Op
	off  int64  // of a write
	size int64  // of what is written; the new size of the file otherwise
	data []byte // nil for a write of zeros
}

// entryChange is one change of names: a new name (to), a lost one (from), or
// both at once. It stands in the journal of each directory it names.
type entryChange struct {
	seq      uint64 // the order of all changes
	ino      uint64
	from, to entryName
}

type entryName struct {
	dir  uint64 // 0 for none
	name string
}

// changeOverhead is what a change without data counts for write-back.
const changeOverhead = 64

// renamed records that n lost a name, got one or both. REQUIRES: live.mu.
func (j *journal) renamed(n *inode, from, to entryName) {
	j.mu.Lock()
	defer j.mu.Unlock()
	ino := n.ino
	if j.disk.inodes[ino] == nil { // its first name
		k := newNode(ino, n.kind, n.perm)
		k.mtime, k.target = n.mtime, n.target
		if n.kind == fs.ModeSymlink {
			k.size = n.size
		}
		j.disk.inodes[ino] = k
	}
	j.seq++
	c := &entryChange{j.seq, ino, from, to}
	if from.dir != 0 {
		j.dirs[from.dir] = append(j.dirs[from.dir], c)
	}
	if to.dir != 0 {
		if to.dir != from.dir {
			j.dirs[to.dir] = append(j.dirs[to.dir], c)
		}
		j.adds[ino]++
		j.home[ino] = to.dir
	}
	// A directory that nobody syncs is written back as contents are.
	const most = 4096
	for _, dir := range []uint64{from.dir, to.dir} {
		if list := j.dirs[dir]; len(list) > most {
			j.flushDir(dir, list[most/2])
		}
	}
}

// wrote records a write of p. REQUIRES: the inode's mu.
func (j *journal) wrote(n *inode, off int64, p []byte) {
	c := fileChange{op: OpWrite, off: off, size: int64(len(p))}
	if !allZero(p) {
		c.data = bytes.Clone(p)
	}
	j.changed(n, c)
}

// resized records a truncation or allocation that set the size. REQUIRES: the
// inode's mu.
func (j *journal) resized(n *inode, op Op) {
	j.changed(n, fileChange{op: op, size: n.size})
}

func (j *journal) changed(n *inode, c fileChange) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.disk.inodes[n.ino] == nil {
		return
	}
	f := j.files[n.ino]
	if f == nil {
		f = &fileJournal{}
		j.files[n.ino] = f
	}
	f.changes = append(f.changes, c)
	f.bytes += int64(len(c.data)) + changeOverhead
	j.bytes += int64(len(c.data)) + changeOverhead
	for j.bytes > j.writeBack {
		j.flushFile(j.oldest())
	}
}

// oldest is the file that has waited longest for a sync, as its number tells.
func (j *journal) oldest() uint64 {
	var first uint64
	for ino := range j.files {
		if first == 0 || ino < first {
			first = ino
		}
	}
	return first
}

// replaced records contents that are durable at once (PutFile). REQUIRES: the
// inode's mu.
func (j *journal) replaced(n *inode) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.store(n)
}

// store puts the live contents of a file on the disk. REQUIRES: j.mu, the
// inode's mu for reading.
func (j *journal) store(n *inode) {
	k := j.disk.inodes[n.ino]
	if k == nil || n.data == nil {
		return
	}
	old := k.data
	k.data = n.data.retain()
	old.release(j.disk.arena)
	k.size, k.mtime = n.size, n.mtime
	j.forgetFile(n.ino)
}

// flushFile writes all changes of a file to the disk. REQUIRES: j.mu.
func (j *journal) flushFile(ino uint64) {
	for _, c := range j.files[ino].changes {
		j.disk.apply(j.disk.inodes[ino], c, c.off, c.size)
	}
	j.forgetFile(ino)
}

func (j *journal) forgetFile(ino uint64) {
	if f := j.files[ino]; f != nil {
		j.bytes -= f.bytes
		delete(j.files, ino)
	}
}

// apply repeats the part [off, off+n) of a change on a disk, which has no
// limit.
func (disk *Memory) apply(k *inode, c fileChange, off, n int64) {
	var err error
	switch c.op {
	case OpTruncate:
		err = disk.truncate(k, c.size)
	case OpAllocate:
		if c.size > k.size {
			err = disk.truncate(k, c.size)
		}
	case OpWrite:
		for done := int64(0); done < n && err == nil; {
			var p []byte
			if c.data != nil {
				p = c.data[off-c.off+done : off-c.off+n]
			} else {
				p = zeroBlock[:min(n-done, BlockSize)]
			}
			_, err = disk.writeAt(k, p, off+done)
			done += int64(len(p))
		}
	}
	if err != nil {
		panic("vfs: crash disk: " + err.Error()) // out of memory
	}
}

// flushNames makes all changes durable that name ino, with those before them.
// REQUIRES: j.mu.
func (j *journal) flushNames(ino uint64) {
	if j.adds[ino] == 0 {
		return
	}
	for dir := range j.dirs {
		list := j.dirs[dir]
		for i := len(list) - 1; i >= 0; i-- {
			if list[i].ino == ino {
				j.flushDir(dir, list[i])
				break
			}
		}
	}
}

// flushDir makes the changes of a directory durable, up to and with last, or
// all when that is nil. A rename from or to another directory takes along what
// came before it there. REQUIRES: j.mu.
func (j *journal) flushDir(dir uint64, last *entryChange) {
	for len(j.dirs[dir]) > 0 {
		c := j.dirs[dir][0]
		for _, other := range []uint64{c.from.dir, c.to.dir} {
			if i := slices.Index(j.dirs[other], c); i > 0 {
				j.flushDir(other, j.dirs[other][i-1])
			}
		}
		j.drop(c)
		j.rename(c)
		if c == last {
			return
		}
	}
}

// drop takes a change, the first one of its directories, out of the journal.
func (j *journal) drop(c *entryChange) {
	for _, dir := range []uint64{c.from.dir, c.to.dir} {
		if list := j.dirs[dir]; len(list) > 0 && list[0] == c {
			if len(list) == 1 {
				delete(j.dirs, dir)
			} else {
				j.dirs[dir] = list[1:]
			}
		}
	}
	if c.to.dir == 0 {
		return
	}
	if j.adds[c.ino]--; j.adds[c.ino] == 0 {
		delete(j.adds, c.ino)
	}
}

// rename puts a change of names on the disk.
func (j *journal) rename(c *entryChange) {
	before := j.disk.rename(c)
	for _, ino := range []uint64{before, c.ino} {
		j.collect(ino)
	}
}

// rename repeats a change of names on a disk and returns the inode whose name
// it took, 0 for none.
func (disk *Memory) rename(c *entryChange) (replaced uint64) {
	if dir := disk.inodes[c.from.dir]; dir != nil {
		delete(dir.ownDir(), c.from.name)
		disk.inodes[c.ino].nlink--
	}
	if dir := disk.inodes[c.to.dir]; dir != nil {
		entries := dir.ownDir()
		replaced = entries[c.to.name]
		if replaced != 0 {
			disk.inodes[replaced].nlink--
		}
		entries[c.to.name] = c.ino
		n := disk.inodes[c.ino]
		n.nlink++
		n.parent = dir.ino
	}
	return replaced
}

// reaped is told that an inode left the live tree. REQUIRES: live.mu.
func (j *journal) reaped(ino uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.home, ino)
	j.collect(ino)
}

// collect frees an inode of the disk that nothing can bring back. REQUIRES:
// j.mu.
func (j *journal) collect(ino uint64) {
	k := j.disk.inodes[ino]
	if k == nil || ino == rootIno || k.nlink > 0 || j.adds[ino] > 0 || j.live.inodes[ino] != nil {
		return
	}
	if k.dir != nil {
		// The removal of a directory comes after that of all it held.
		j.flushDir(ino, nil)
		k.dir.refs.Add(-1)
	}
	if k.data != nil {
		k.data.release(j.disk.arena)
	}
	delete(j.disk.inodes, ino)
	j.forgetFile(ino)
}
