package vfs

import (
	"bytes"
	"hash/maphash"
	"maps"
	"os"
	"slices"
)

// Compact makes equal blocks one, as if their files were clones of each other,
// and gives memory that holds no block back to the system. It returns how many
// bytes of blocks it has merged. Files that share blocks with a clone of the
// file system are left as they are. Everything is read once, while whoever
// uses the file system waits.
//
// A cluster that initdb has just made holds three equal databases.
func (m *Memory) Compact() (merged int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seed := maphash.MakeSeed()
	first := map[uint64]blockID{}
	for _, ino := range slices.Sorted(maps.Keys(m.inodes)) { // new files give way, so that whole slabs get empty
		c := m.inodes[ino].data
		if c == nil || c.refs.Load() > 1 {
			continue
		}
		for i, id := range c.blocks {
			if id <= borrowed {
				continue
			}
			data := m.arena.bytes(id)
			h := maphash.Bytes(seed, data)
			one, ok := first[h]
			if !ok {
				first[h] = id
				continue
			}
			if one == id || !bytes.Equal(m.arena.bytes(one), data) {
				continue
			}
			if !m.arena.shared(id) {
				merged += BlockSize
			}
			m.arena.retain(one)
			m.arena.release(id)
			c.blocks[i] = one
		}
	}
	m.arena.trim()
	return merged
}

// trim takes the memory of free blocks out of this process. They stay free.
func (a *arena) trim() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range slices.Clone(a.mu.free) {
		if s.nfree == slabBlocks {
			a.drop(s)
			a.mu.empty--
			continue
		}
		free := slices.Sorted(slices.Values(s.list[:s.nfree]))
		for from := 0; from < len(free); {
			to := from + 1
			for to < len(free) && free[to] == free[to-1]+1 {
				to++
			}
			discardPages(s.data, int(free[from])*BlockSize, (int(free[to-1])+1)*BlockSize)
			from = to
		}
	}
}

// discardPages gives back the whole pages of data[from:to], whose contents
// nobody needs.
func discardPages(data []byte, from, to int) {
	size := os.Getpagesize()
	from, to = (from+size-1)/size*size, to/size*size
	if from < to {
		discardSlab(data[from:to])
	}
}
