package vfs

import (
	"sync"
	"sync/atomic"
	"syscall"
)

// BlockSize is the unit in which [Memory] keeps, shares and copies the
// contents of files. It is PostgreSQL's page size (BLCKSZ and XLOG_BLCKSZ,
// src/include/pg_config.h): nearly every write of the guest is one aligned
// page, so that a write to a shared block replaces it whole and nothing is
// copied, and a page that differs between two clones costs exactly one page.
const BlockSize = 8192

const (
	slabShift  = 9
	slabBlocks = 1 << slabShift // 4 MiB
)

// blockID names 8 KiB of contents. The three lowest values have no memory in
// the arena; the others are slab<<slabShift | index, slabs counting from one.
type blockID uint32

const (
	// hole was never written: zeros, and not charged to the limit.
	hole blockID = iota
	// zeroed was written with zeros or allocated: it is charged, so that a
	// later write to it can't fail for want of space, but needs no memory. A
	// fresh WAL segment is 16 MB of these.
	zeroed
	// borrowed lies in the caller's memory, at the same offset of
	// content.base.
	borrowed
)

// arena is the memory of a [Memory] and all its clones: slabs of blocks
// outside the Go heap, where the collector neither scans nor counts them.
// Blocks are counted references; the memory of a slab without any goes back to
// the system, apart from one slab kept against flapping.
//
// A block with one reference may be written by the one who holds it, others
// are read-only. The contents of a new block are undefined.
type arena struct {
	users atomic.Int32 // Memory values; the last one's Close unmaps all

	// slabs is replaced, never changed: blocks are reached without a lock.
	slabs atomic.Pointer[[]*slab]

	mu struct {
		sync.Mutex
		free  []*slab // slabs with a free block, in no order
		empty int     // slabs without a used block
	}
}

type slab struct {
	data []byte
	refs [slabBlocks]atomic.Int32

	// Guarded by arena.mu.
	index int                // in arena.slabs
	pos   int                // in arena.mu.free, -1 when not there
	list  [slabBlocks]uint16 // a stack of free blocks, nfree high
	nfree int
}

func newArena() *arena {
	a := &arena{}
	a.slabs.Store(&[]*slab{nil}) // slab 0 would clash with hole and its like
	a.users.Store(1)
	return a
}

func (a *arena) slab(id blockID) *slab {
	return (*a.slabs.Load())[id>>slabShift]
}

// bytes is the memory of a block.
func (a *arena) bytes(id blockID) []byte {
	i := int(id&(slabBlocks-1)) * BlockSize
	return a.slab(id).data[i : i+BlockSize : i+BlockSize]
}

// shared reports whether someone else holds id too.
func (a *arena) shared(id blockID) bool {
	return a.slab(id).refs[id&(slabBlocks-1)].Load() > 1
}

func (a *arena) retain(id blockID) {
	if id > borrowed {
		a.slab(id).refs[id&(slabBlocks-1)].Add(1)
	}
}

func (a *arena) release(id blockID) {
	if id <= borrowed {
		return
	}
	s := a.slab(id)
	if s.refs[id&(slabBlocks-1)].Add(-1) > 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s.list[s.nfree] = uint16(id & (slabBlocks - 1))
	s.nfree++
	if s.pos < 0 {
		s.pos = len(a.mu.free)
		a.mu.free = append(a.mu.free, s)
	}
	if s.nfree == slabBlocks {
		if a.mu.empty > 0 {
			a.drop(s)
		} else {
			a.mu.empty++
		}
	}
}

// alloc returns a block with one reference, ENOSPC when the system has no
// memory to give.
func (a *arena) alloc() (blockID, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.mu.free) == 0 {
		if err := a.grow(); err != nil {
			return 0, err
		}
	}
	s := a.mu.free[len(a.mu.free)-1]
	if s.nfree == slabBlocks {
		a.mu.empty--
	}
	s.nfree--
	i := s.list[s.nfree]
	if s.nfree == 0 {
		a.unlist(s)
	}
	s.refs[i].Store(1)
	return blockID(s.index<<slabShift | int(i)), nil
}

// grow adds a slab. REQUIRES: a.mu.
func (a *arena) grow() error {
	data, err := mapSlab(slabBlocks * BlockSize)
	if err != nil {
		return syscall.ENOSPC
	}
	s := &slab{data: data, nfree: slabBlocks}
	for i := range s.list {
		s.list[i] = uint16(slabBlocks - 1 - i) // low addresses first
	}
	old := *a.slabs.Load()
	for s.index = 1; s.index < len(old) && old[s.index] != nil; s.index++ {
	}
	slabs := make([]*slab, max(len(old), s.index+1))
	copy(slabs, old)
	slabs[s.index] = s
	a.slabs.Store(&slabs)
	s.pos = len(a.mu.free)
	a.mu.free = append(a.mu.free, s)
	a.mu.empty++
	return nil
}

// drop gives a slab without a used block back. REQUIRES: a.mu.
func (a *arena) drop(s *slab) {
	a.unlist(s)
	slabs := append([]*slab(nil), *a.slabs.Load()...)
	slabs[s.index] = nil
	a.slabs.Store(&slabs)
	unmapSlab(s.data)
}

// unlist takes s out of the slabs with a free block. REQUIRES: a.mu.
func (a *arena) unlist(s *slab) {
	last := a.mu.free[len(a.mu.free)-1]
	a.mu.free[s.pos] = last
	last.pos = s.pos
	a.mu.free = a.mu.free[:len(a.mu.free)-1]
	s.pos = -1
}

// leave ends one Memory's use of the arena. It reports whether that was the
// last one; all slabs are unmapped then.
func (a *arena) leave() bool {
	if a.users.Add(-1) > 0 {
		return false
	}
	for _, s := range *a.slabs.Load() {
		if s != nil {
			unmapSlab(s.data)
		}
	}
	a.slabs.Store(nil)
	return true
}

// Mapped is the number of bytes that the contents of this Memory's files, and
// of those of all its clones, take of the system's memory.
func (m *Memory) Mapped() int64 { return m.arena.mapped() }

// mapped is the number of bytes the arena has from the system.
func (a *arena) mapped() int64 {
	var n int64
	if slabs := a.slabs.Load(); slabs != nil {
		for _, s := range *slabs {
			if s != nil {
				n += int64(len(s.data))
			}
		}
	}
	return n
}
