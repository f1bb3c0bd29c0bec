package vfs

import (
	"bytes"
	"sync/atomic"
	"syscall"
)

// maxFileSize bounds the block table of a file (32 MiB for a sparse file of
// this size). PostgreSQL cuts relations and temporary files at 1 GiB.
const maxFileSize = 1 << 36

var zeroBlock [BlockSize]byte

func allZero(p []byte) bool {
	for len(p) > BlockSize {
		if !bytes.Equal(p[:BlockSize], zeroBlock[:]) {
			return false
		}
		p = p[BlockSize:]
	}
	return bytes.Equal(p, zeroBlock[:len(p)])
}

// content is the bytes of a file as blocks. Clones share one content until
// the first of them changes it; block references are counted once per content,
// so that cloning a file costs one increment however big the file is.
type content struct {
	refs   atomic.Int32
	blocks []blockID
	base   []byte // what borrowed blocks read; zeros after its end
}

func newContent(blocks []blockID, base []byte) *content {
	c := &content{blocks: blocks, base: base}
	c.refs.Store(1)
	return c
}

func (c *content) retain() *content {
	c.refs.Add(1)
	return c
}

func (c *content) release(a *arena) {
	if c.refs.Add(-1) == 0 {
		for _, id := range c.blocks {
			a.release(id)
		}
	}
}

// charged is the number of blocks that count for a limit.
func (c *content) charged() int64 {
	var n int64
	for _, id := range c.blocks {
		if id.charged() {
			n++
		}
	}
	return n
}

func (id blockID) charged() bool { return id != hole && id != borrowed }

// baseBlock is the i-th block of the borrowed bytes, short or empty at their
// end.
func (c *content) baseBlock(i int) []byte {
	from := min(i*BlockSize, len(c.base))
	return c.base[from:min(from+BlockSize, len(c.base))]
}

// own makes n's content its own before a change. REQUIRES: n.mu.
func (n *inode) own(a *arena) *content {
	c := n.data
	if c.refs.Load() == 1 {
		return c
	}
	mine := newContent(append(make([]blockID, 0, len(c.blocks)+1), c.blocks...), c.base)
	for _, id := range mine.blocks {
		a.retain(id)
	}
	n.data = mine
	c.release(a)
	return mine
}

// readAt copies from the file into p. REQUIRES: n.mu for reading.
func (n *inode) readAt(a *arena, p []byte, off int64) int {
	if off >= n.size {
		return 0
	}
	if left := n.size - off; int64(len(p)) > left {
		p = p[:left]
	}
	for done := 0; done < len(p); {
		i, at := int(off/BlockSize), int(off%BlockSize)
		part := p[done:min(len(p), done+BlockSize-at)]
		switch id := n.data.blocks[i]; id {
		case hole, zeroed:
			clear(part)
		case borrowed:
			src := n.data.baseBlock(i)
			clear(part[copy(part, src[min(at, len(src)):]):])
		default:
			copy(part, a.bytes(id)[at:])
		}
		done += len(part)
		off += int64(len(part))
	}
	return len(p)
}

// writeAt copies p into the file and returns how much of it found room.
// REQUIRES: n.mu, m.mu for reading.
func (m *Memory) writeAt(n *inode, p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if off > maxFileSize-int64(len(p)) {
		return 0, syscall.EFBIG
	}
	c := n.own(m.arena)
	c.extend(off + int64(len(p)))
	var done int
	var err error
	for done < len(p) {
		i, at := int(off/BlockSize), int(off%BlockSize)
		part := p[done:min(len(p), done+BlockSize-at)]
		if err = m.writeBlock(c, i, at, part); err != nil {
			break
		}
		done += len(part)
		off += int64(len(part))
	}
	if done > 0 {
		n.size = max(n.size, off)
		n.touch()
		if m.journal != nil {
			m.journal.wrote(n, off-int64(done), p[:done])
		}
	}
	c.shrink(n.size)
	return done, err
}

// writeBlock puts part at the offset at of block i. What a new block holds
// outside of part is what was read there before.
func (m *Memory) writeBlock(c *content, i, at int, part []byte) error {
	id := c.blocks[i]
	if !id.charged() && !m.charge() {
		return syscall.ENOSPC
	}
	if id <= zeroed && allZero(part) {
		c.blocks[i] = zeroed
		return nil
	}
	if id > borrowed && !m.arena.shared(id) {
		copy(m.arena.bytes(id)[at:], part)
		return nil
	}
	fresh, err := m.arena.alloc()
	if err != nil {
		if !id.charged() {
			m.uncharge(1)
		}
		return err
	}
	dst := m.arena.bytes(fresh)
	if len(part) < BlockSize {
		switch id {
		case hole, zeroed:
			clear(dst)
		case borrowed:
			clear(dst[copy(dst, c.baseBlock(i)):])
		default:
			copy(dst, m.arena.bytes(id))
		}
	}
	copy(dst[at:], part)
	m.arena.release(id)
	c.blocks[i] = fresh
	return nil
}

// extend lengthens the block table to hold size bytes.
func (c *content) extend(size int64) {
	want := int((size + BlockSize - 1) / BlockSize)
	for len(c.blocks) < want {
		c.blocks = append(c.blocks, hole)
	}
}

// shrink cuts holes off the block table that a failed write left behind size.
func (c *content) shrink(size int64) {
	c.blocks = c.blocks[:min(len(c.blocks), int((size+BlockSize-1)/BlockSize))]
}

// truncate sets the size of the file. REQUIRES: n.mu, m.mu for reading.
func (m *Memory) truncate(n *inode, size int64) error {
	err := m.resize(n, size)
	if err == nil && m.journal != nil {
		m.journal.resized(n, OpTruncate)
	}
	return err
}

func (m *Memory) resize(n *inode, size int64) error {
	if size > maxFileSize {
		return syscall.EFBIG
	}
	if size == 0 {
		m.replace(n, newContent(nil, nil), 0)
		return nil
	}
	c := n.own(m.arena)
	if size < n.size {
		keep := int((size + BlockSize - 1) / BlockSize)
		// What lies behind the end must read as zeros when the file grows
		// again.
		if at := int(size % BlockSize); at > 0 && c.blocks[keep-1] > zeroed {
			if err := m.writeBlock(c, keep-1, at, zeroBlock[at:]); err != nil {
				return err
			}
		}
		for i := keep; i < len(c.blocks); i++ {
			if c.blocks[i].charged() {
				m.uncharge(1)
			}
			m.arena.release(c.blocks[i])
		}
		c.blocks = c.blocks[:keep]
	} else {
		c.extend(size)
	}
	n.size = size
	n.touch()
	return nil
}

// allocate charges every hole of [off, off+len). REQUIRES: n.mu, m.mu for
// reading.
func (m *Memory) allocate(n *inode, off, length int64) error {
	if off > maxFileSize-length {
		return syscall.EFBIG
	}
	c := n.own(m.arena)
	c.extend(off + length)
	var taken []int
	for i := int(off / BlockSize); i < int((off+length+BlockSize-1)/BlockSize); i++ {
		if c.blocks[i] != hole {
			continue
		}
		if !m.charge() {
			for _, i := range taken {
				c.blocks[i] = hole
			}
			m.uncharge(int64(len(taken)))
			c.shrink(n.size)
			return syscall.ENOSPC
		}
		c.blocks[i] = zeroed
		taken = append(taken, i)
	}
	n.size = max(n.size, off+length)
	n.touch()
	if m.journal != nil {
		m.journal.resized(n, OpAllocate)
	}
	return nil
}

// replace gives the file another content, which it takes over.
func (m *Memory) replace(n *inode, c *content, size int64) {
	m.uncharge(n.data.charged())
	n.data.release(m.arena)
	n.data, n.size = c, size
	n.touch()
}

// charge takes one block from the limit and reports whether there was one.
func (m *Memory) charge() bool {
	if used := m.used.Add(BlockSize); m.limit > 0 && used > m.limit {
		m.used.Add(-BlockSize)
		return false
	}
	return true
}

func (m *Memory) uncharge(blocks int64) { m.used.Add(-blocks * BlockSize) }
