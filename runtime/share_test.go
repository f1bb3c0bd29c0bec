package runtime

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/howdahdb/howdah/runtime/linear"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// sharers starts n guests of one program over one tree with a vfs.Shared at
// /shm. They export store(p, v) and load(p) → v.
func sharers(t *testing.T, n int) (*vfs.Shared, []*guest) {
	t.Helper()
	if !linear.CanShare {
		t.Skip("memory can't be shared here")
	}
	tree, shm := vfs.NewMemory(vfs.MemoryOptions{}), vfs.NewShared()
	t.Cleanup(func() { tree.Close() })
	t.Cleanup(func() { shm.Close() })
	ns := vfs.NewNamespace(tree)
	if err := errors.Join(ns.Mkdir("/shm", 0o777), ns.Mount("/shm", shm)); err != nil {
		t.Fatal(err)
	}
	b := testProgram(nil, func(b *guestBuilder) {
		b.export("store", "ii_", code(nil).LocalGet(0).LocalGet(1).I32Store(0))
		b.export("load", "i_i", code(nil).LocalGet(0).I32Load(0))
	})
	p := compile(t, Source{Name: "sharer", Wasm: b})
	guests := make([]*guest, n)
	for k := range guests {
		guests[k] = startGuest(t, p, Process{FS: ns})
	}
	return shm, guests
}

// TestSharedMemory: what one instance stores in a range that became a segment
// the other loads, wherever it has it, and nothing beside.
func TestSharedMemory(t *testing.T) {
	_, g := sharers(t, 2)
	a, b := g[0], g[1]
	const page = linear.PageSize
	const at, elsewhere = guestPages, guestPages + 8*page
	a.sys("store", at+100, 1)
	a.sys("store", at+4*page, 2)
	seg, err := a.Memory().Share(at, 4*page)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Memory().Map(elsewhere, seg), seg.Close()); err != nil {
		t.Fatal(err)
	}
	b.want(1, "load", elsewhere+100)
	b.want(0, "load", elsewhere+4*page)
	b.sys("store", elsewhere+4*page-4, 3)
	a.want(3, "load", at+4*page-4)
	a.sys("store", at+page, 4)
	b.want(4, "load", elsewhere+page)
	a.sys("store", elsewhere, 5)
	b.want(0, "load", elsewhere)
	a.Close()
	b.want(1, "load", elsewhere+100)
}

// TestMmapSegment: a file with pages is mapped itself, by all, for as long as
// they want.
func TestMmapSegment(t *testing.T) {
	const length = linear.PageSize + 4096
	shm, g := sharers(t, 3)
	a, b, c := g[0], g[1], g[2]
	fd := a.open("/shm/x", oCREAT|oEXCL|oRDWR)
	a.want(0, "__syscall_ftruncate64", fd, int64(length))
	p := a.mmap(fd, length, protRead|protWrite, mapShared, 0)
	a.want(0, "fd_close", fd)
	a.sys("store", p+linear.PageSize, 1)
	q := b.mmap(b.open("/shm/x", oRDWR), length, protRead|protWrite, mapShared, 0)
	r := b.mmap(b.open("/shm/x", oRDONLY), length, protRead, mapShared, 0)
	private := b.mmap(b.open("/shm/x", oRDONLY), length, protRead|protWrite, mapPrivate, 0)
	seg := segmentAt(t, shm, "/x")
	a.want(0, "__syscall_unlinkat", atFDCWD, "/shm/x", 0)
	b.want(1, "load", q+linear.PageSize)
	b.want(1, "load", r+linear.PageSize)
	b.sys("store", q, 2)
	b.sys("store", private, 3)
	a.want(2, "load", p)
	b.want(2, "load", r)

	want := []Mapping{{q, 2 * linear.PageSize, "/shm/x"}, {r, 2 * linear.PageSize, "/shm/x"}, {private, length, "/shm/x"}}
	if got := b.Mappings(); !slices.Equal(got, want) {
		t.Errorf("mapped %v, expected %v", got, want)
	}
	if got := c.Mappings(); len(got) != 0 {
		t.Errorf("mapped %v, expected nothing", got)
	}

	b.want(0, "_munmap_js", q, length, 0, 0, -1, int64(0))
	if got := b.Bytes(q, 2*linear.PageSize); !bytes.Equal(got, make([]byte, len(got))) {
		t.Error("not zero after munmap")
	}
	b.sys("store", q, 4) // as libc's free does
	a.want(2, "load", p)
	b.want(2, "load", r)
	b.Close() // with a mapping left
	a.want(2, "load", p)
	if _, err := seg.ReadAt(make([]byte, 1), 0); err != nil {
		t.Errorf("a segment that is mapped: %v", err)
	}
	a.Close()
	if _, err := seg.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a segment that nobody has: %v", err)
	}
}

func segmentAt(t *testing.T, shm *vfs.Shared, name string) *linear.Segment {
	t.Helper()
	f, err := shm.Open(name, vfs.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seg, err := f.(vfs.Segmented).Segment()
	if err != nil {
		t.Fatal(err)
	}
	return seg
}

// TestMmapSegmentErrors: only a whole segment is mapped, and a failure leaves
// nothing mapped.
func TestMmapSegmentErrors(t *testing.T) {
	const length = 2 * linear.PageSize
	_, gs := sharers(t, 1)
	g := gs[0]
	fd, empty := g.open("/shm/x", oCREAT|oRDWR), g.open("/shm/empty", oCREAT|oRDWR)
	g.want(0, "__syscall_ftruncate64", fd, int64(length))
	allocated, addr := g.alloc(4), g.alloc(4)
	for _, c := range []struct {
		want   errno
		length int
		fd     int
		off    int64
	}{
		{eINVAL, length, fd, linear.PageSize},
		{eINVAL, linear.PageSize, fd, 0},
		{eINVAL, length + 1, fd, 0},
		{eINVAL, length, empty, 0},
		{0, length - 100, fd, 0},
	} {
		g.want(c.want, "_mmap_js", c.length, protRead|protWrite, mapShared, c.fd, c.off, allocated, addr)
		if n := len(g.Mappings()); (n == 1) != (c.want == 0) {
			t.Errorf("%d mappings after %d bytes at %d", n, c.length, c.off)
		}
	}
}
