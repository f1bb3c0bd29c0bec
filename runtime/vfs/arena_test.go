package vfs

import (
	"bytes"
	"testing"
)

// TestArenaGivesBack checks that every block is freed and slabs go back.
func TestArenaGivesBack(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	defer m.Close()
	slab := int64(slabBlocks * BlockSize)
	f, err := m.Open("/file", ReadWrite|Create, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte{1}, int(3*slab))
	for range 3 {
		if _, err := f.WriteAt(data, 0); err != nil {
			t.Fatal(err)
		}
		c := m.Clone()
		if _, err := f.WriteAt(data, 0); err != nil {
			t.Fatal(err)
		}
		if got := m.arena.mapped(); got != 6*slab {
			t.Errorf("mapped %d slabs, want 6", got/slab)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(0); err != nil {
			t.Fatal(err)
		}
		if got := m.arena.mapped(); got != slab {
			t.Errorf("mapped %d slabs with all blocks free, want one", got/slab)
		}
	}
	if _, err := f.WriteAt(make([]byte, len(data)), 0); err != nil {
		t.Fatal(err)
	}
	for _, id := range m.inodes[2].data.blocks {
		if id != zeroed {
			t.Fatal("zeros took memory")
		}
	}
}
