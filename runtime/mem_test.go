package runtime

import (
	"bytes"
	"strings"
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/runtime/linear"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// What mmap(2) takes.
const (
	protRead, protWrite   = 1, 2
	mapShared, mapPrivate = 1, 2
)

// mmap maps and gives the address.
func (g *guest) mmap(fd, length, prot, flags int, off int64) uint32 {
	g.t.Helper()
	free := g.free
	defer func() { g.free = free }()
	allocated, addr := g.alloc(4), g.alloc(4)
	g.want(0, "_mmap_js", length, prot, flags, fd, off, allocated, addr)
	p := g.Uint32(addr)
	if g.Uint32(allocated) != 1 || p == 0 || p%linear.PageSize != 0 {
		g.t.Fatalf("mapped at %#x, allocated %d", p, g.Uint32(allocated))
	}
	return p
}

func TestMmap(t *testing.T) {
	const length = 10
	for _, c := range []struct {
		name        string
		open        int
		prot, flags int
		off         int64
		content     string // of the mapping
		after       string // of the file, after "XXXXXXXXXX" was stored in the mapping
	}{
		{"shared", oRDWR, protRead | protWrite, mapShared, 0, "0123456789", "XXXXXXXXXXabcdef"},
		{"shared, inside", oRDWR, protRead | protWrite, mapShared, 3, "3456789abc", "012XXXXXXXXXXdef"},
		{"shared, over the end", oRDWR, protRead | protWrite, mapShared, 12, "cdef\x00\x00\x00\x00\x00\x00", "0123456789abXXXX"},
		{"shared, beyond the end", oRDWR, protRead | protWrite, mapShared, 65536, strings.Repeat("\x00", 10), "0123456789abcdef"},
		{"shared, to read", oRDWR, protRead, mapShared, 0, "0123456789", "0123456789abcdef"},
		{"shared, file to read", oRDONLY, protRead, mapShared, 0, "0123456789", "0123456789abcdef"},
		{"private", oRDWR, protRead | protWrite, mapPrivate, 0, "0123456789", "0123456789abcdef"},
		{"private, file to read", oRDONLY, protRead | protWrite, mapPrivate, 0, "0123456789", "0123456789abcdef"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGuest(t, Process{})
			g.file("/f", "0123456789abcdef")
			fd := g.open("/f", c.open)
			p := g.mmap(fd, length, c.prot, c.flags, c.off)
			g.want(0, "fd_close", fd) // the mapping outlives the descriptor
			if got := string(g.Bytes(p, length)); got != c.content {
				t.Errorf("mapped %q, expected %q", got, c.content)
			}
			copy(g.Bytes(p, length), strings.Repeat("X", length))
			g.want(eINVAL, "_munmap_js", p+16, length, 0, 0, -1, int64(0))
			g.want(0, "_munmap_js", p, length, 0, 0, -1, int64(0))
			g.want(eINVAL, "_munmap_js", p, length, 0, 0, -1, int64(0))
			if got := g.content("/f"); got != c.after {
				t.Errorf("file %q, expected %q", got, c.after)
			}
		})
	}
}

func TestMmapErrors(t *testing.T) {
	tree := vfs.NewMemory(vfs.MemoryOptions{})
	defer tree.Close()
	fault := vfs.NewFault(tree)
	g := newGuest(t, Process{FS: vfs.NewNamespace(fault)})
	g.file("/f", "content")
	rw, ro, wo := g.open("/f", oRDWR), g.open("/f", oRDONLY), g.open("/f", oWRONLY)
	allocated, addr := g.alloc(4), g.alloc(4)
	for _, c := range []struct {
		want            errno
		length          int
		prot, flags, fd int
		off             int64
	}{
		{eINVAL, 0, protRead, mapShared, rw, 0},
		{eINVAL, -1, protRead, mapShared, rw, 0},
		{eINVAL, 10, protRead, mapShared, rw, -1},
		{eACCES, 10, protRead | protWrite, mapShared, ro, 0},
		{eACCES, 10, protRead, mapPrivate, wo, 0},
		{eNOTSUP, 10, protRead, mapShared, 1, 0},
		{eISDIR, 10, protRead, mapShared, g.open("/", oDIRECTORY), 0},
	} {
		g.want(c.want, "_mmap_js", c.length, c.prot, c.flags, c.fd, c.off, allocated, addr)
	}
	p := g.mmap(rw, 7, protRead|protWrite, mapShared, 0)
	fault.SetRule(vfs.FailNth(vfs.OpWrite, 1, syscall.EIO))
	g.want(eIO, "_munmap_js", p, 7, 0, 0, -1, int64(0))
}

// TestCloseMapped: the end of a process ends its mappings.
func TestCloseMapped(t *testing.T) {
	g := newGuest(t, Process{})
	g.file("/f", "content")
	fd := g.open("/f", oRDWR)
	p := g.mmap(fd, 7, protRead|protWrite, mapShared, 0)
	g.want(0, "__syscall_unlinkat", atFDCWD, "/f", 0)
	g.file("/f", "another")
	q := g.mmap(g.open("/f", oRDWR), 7, protRead|protWrite, mapShared, 0)
	copy(g.Bytes(p, 7), "removed")
	copy(g.Bytes(q, 7), "written")
	g.Close()
	g.Close() // does nothing
	f, err := g.FS.Open("/f", vfs.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 10)
	if n, err := f.ReadAt(b, 0); err != nil || string(b[:n]) != "written" {
		t.Errorf("file %q, %v", b[:n], err)
	}
	st, err := g.tree.Statfs()
	if err != nil {
		t.Fatal(err)
	}
	if inodes := 1<<32 - st.FilesFree; inodes != 2 {
		t.Errorf("%d inodes, expected the root and the file: the removed one is still open", inodes)
	}
}

func TestMapZeros(t *testing.T) {
	const page = linear.PageSize
	g := newGuest(t, Process{})
	for k := range guestMinimum*page - guestPages {
		g.Bytes(guestPages+uint32(k), 1)[0] = 1
	}
	for _, c := range []struct{ n, align, want uint32 }{
		{page + 1, page, guestPages},
		{1, page, guestPages + 2*page},
		{1, 4 * page, guestPages + 4*page},
		{2 * page, 16 * page, guestPages + 16*page},
		{1, page, guestPages + 18*page},
		{1<<31 - page + 1, page, 0},
		{1<<32 - 1, page, 0},
	} {
		p, err := g.MapZeros(c.n, c.align)
		if err != nil || p != c.want {
			t.Errorf("%d bytes at a multiple of %d: %#x, %v, expected %#x", c.n, c.align, p, err, c.want)
		}
		if n := (c.n + page - 1) / page * page; p != 0 && !bytes.Equal(g.Bytes(p, n), make([]byte, n)) {
			t.Errorf("%d bytes at %#x are not zero", n, p)
		}
	}
	for _, align := range []uint32{0, 4096, page + 4096, 3 * page} {
		if p, err := g.MapZeros(1, align); err == nil {
			t.Errorf("%#x is a multiple of %d", p, align)
		}
	}
}

// TestResizeHeap: a fifth more than there is, what is asked when that is more
// or a fifth is too much, and never beyond the program's maximum. The memory
// does not move.
func TestResizeHeap(t *testing.T) {
	g := newGuest(t, Process{})
	base := &g.Memory().Bytes()[0]
	const page = linear.PageSize
	for _, c := range []struct {
		ask   int64 // bytes
		grown int
		pages int // afterwards
	}{
		{guestMinimum*page + 1, 1, 77}, // 64 + 12.8
		{100 * page, 1, 100},
		{110*page + 1, 1, 120},
		{guestMaximum*page + 1, 0, 120},
		{2 << 30, 0, 120},
		{2<<30 + 1, 0, 120},
		{4<<30 - 1, 0, 120},
		{900 * page, 1, 900},
		{901 * page, 1, 901}, // 1,080 pages are too many
		{guestMaximum * page, 1, guestMaximum},
		{guestMaximum * page, 1, guestMaximum},
		{guestMaximum*page + 1, 0, guestMaximum},
	} {
		g.want(c.grown, "emscripten_resize_heap", uint32(c.ask))
		if got := len(g.Memory().Bytes()); got != c.pages*page {
			t.Fatalf("asked for %d bytes: %d pages, expected %d", c.ask, got/page, c.pages)
		}
	}
	if base != &g.Memory().Bytes()[0] {
		t.Error("the memory has moved")
	}
	last := g.Bytes(guestMaximum*page-8, 8)
	copy(last, "the last")
	if got := g.sys("emscripten_get_heap_max"); uint32(got) != 2<<30 {
		t.Errorf("heap max %d", uint32(got))
	}
}
