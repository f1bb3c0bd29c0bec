package vfs

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// sectorSize is what a disk writes whole or not at all.
const sectorSize = 512

// cut builds the tree after a power cut: the disk, and of each journal what
// the random numbers leave of it. REQUIRES: live.mu, j.mu.
func (j *journal) cut(rng *rand.Rand) *Memory {
	image := j.disk.clone(true)
	for _, c := range j.survivors(rng) {
		image.rename(c)
	}
	for _, ino := range sortedKeys(j.files) {
		for _, c := range j.files[ino].changes {
			image.tear(image.inodes[ino], c, rng)
		}
	}
	for ino, n := range image.inodes {
		if live := j.live.inodes[ino]; live != nil {
			n.perm = live.perm
		}
	}
	image.sweep()
	image.limit, image.lastIno = j.live.limit, j.live.lastIno
	return image
}

// survivors are the changes of names that reached the disk, in their order: of
// each directory those up to some point.
func (j *journal) survivors(rng *rand.Rand) []*entryChange {
	reach := map[uint64]int{}
	var renames []*entryChange // from one directory to another
	for _, dir := range sortedKeys(j.dirs) {
		list := j.dirs[dir]
		reach[dir] = rng.IntN(len(list) + 1)
		if rng.IntN(4) == 0 { // all or nothing, however long the journal is
			reach[dir] = len(list) * rng.IntN(2)
		}
		for _, c := range list {
			if c.from.dir == dir && c.to.dir != 0 && c.to.dir != dir {
				renames = append(renames, c)
			}
		}
	}
	// A rename that only one of its directories has didn't happen, nor what
	// followed it there.
	for again := true; again; {
		again = false
		for _, c := range renames {
			here := slices.Index(j.dirs[c.from.dir], c)
			there := slices.Index(j.dirs[c.to.dir], c)
			if (here < reach[c.from.dir]) == (there < reach[c.to.dir]) {
				continue
			}
			reach[c.from.dir] = min(reach[c.from.dir], here)
			reach[c.to.dir] = min(reach[c.to.dir], there)
			again = true
		}
	}
	var out []*entryChange
	for dir, n := range reach {
		for _, c := range j.dirs[dir][:n] {
			if c.to.dir == dir || c.to.dir == 0 {
				out = append(out, c)
			}
		}
	}
	slices.SortFunc(out, func(a, b *entryChange) int { return cmp.Compare(a.seq, b.seq) })
	return out
}

// tear applies what survives of a change.
func (m *Memory) tear(n *inode, c fileChange, rng *rand.Rand) {
	// A write is lost or kept whole as often as it is torn: software that is
	// wrong about order fails on those sooner.
	switch fate := rng.IntN(4); {
	case fate == 0:
		return
	case fate == 1 || c.op != OpWrite && fate == 2:
		m.apply(n, c, c.off, c.size)
		return
	case c.op != OpWrite:
		return
	}
	// Runs of sectors that share their fate are written at once.
	var bits uint64
	var left int
	start := int64(-1)
	end := c.off + c.size
	for at := c.off; at < end; at = min(end, at-at%sectorSize+sectorSize) {
		if left == 0 {
			bits, left = rng.Uint64(), 64
		}
		survives := bits&1 != 0
		bits >>= 1
		left--
		switch {
		case survives && start < 0:
			start = at
		case !survives && start >= 0:
			m.apply(n, c, start, at-start)
			start = -1
		}
	}
	if start >= 0 {
		m.apply(n, c, start, end-start)
	}
}

// sweep drops what no name leads to, and counts links, as a file system check
// does.
func (m *Memory) sweep() {
	for _, n := range m.inodes {
		n.nlink = 0
	}
	m.root.nlink = 2
	for next := []*inode{m.root}; len(next) > 0; {
		dir := next[len(next)-1]
		next = next[:len(next)-1]
		for _, ino := range dir.dir.entries {
			n := m.inodes[ino]
			n.nlink++
			if n.dir != nil {
				n.nlink++
				n.parent = dir.ino
				dir.nlink++
				next = append(next, n)
			}
		}
	}
	m.used.Store(0)
	for _, n := range m.inodes {
		if n.data != nil {
			m.used.Add(n.data.charged() * BlockSize)
		}
		m.reap(n)
	}
}

func sortedKeys[V any](m map[uint64]V) []uint64 {
	keys := make([]uint64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
