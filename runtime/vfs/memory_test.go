package vfs_test

import (
	"bytes"
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

const page = vfs.BlockSize

func create(t testing.TB, f vfs.FS, name string) vfs.File {
	t.Helper()
	h, err := f.Open(name, vfs.ReadWrite|vfs.Create, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func mustWrite(t testing.TB, h vfs.File, p []byte, off int64) {
	t.Helper()
	if n, err := h.WriteAt(p, off); n != len(p) || err != nil {
		t.Fatalf("write of %d at %d: %d, %v", len(p), off, n, err)
	}
}

func content(t testing.TB, f vfs.FS, name string) string {
	t.Helper()
	h, err := f.Open(name, vfs.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	info, err := h.Stat()
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, info.Size)
	if n, err := h.ReadAt(p, 0); int64(n) != info.Size || err != nil {
		t.Fatalf("%s: read %d of %d, %v", name, n, info.Size, err)
	}
	return string(p)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErrno(t testing.TB, call string, err error, want syscall.Errno) {
	t.Helper()
	if vfs.Errno(err) != want {
		t.Errorf("%s: %v, want %v", call, err, want)
	}
}

func filled(c byte, n int) []byte { return bytes.Repeat([]byte{c}, n) }

func TestMemoryClone(t *testing.T) {
	m := newMemory(t)
	must(t, m.Mkdir("/d", 0o755))
	h := create(t, m, "/d/file")
	mustWrite(t, h, filled('a', 3*page), 0)
	must(t, m.Link("/d/file", "/d/link"))
	gone := create(t, m, "/gone")
	mustWrite(t, gone, filled('g', page), 0)
	must(t, m.Unlink("/gone"))
	before, err := m.Stat("/d/file")
	must(t, err)

	c := m.Clone()
	defer c.Close()
	if info, err := c.Stat("/d/link"); err != nil || info.Ino != before.Ino || info.Nlink != 2 {
		t.Errorf("in the clone: %+v, %v, want %+v", info, err, before)
	}
	// Each side changes contents, size and names.
	mustWrite(t, h, filled('b', page), page)
	k := create(t, c, "/d/link")
	mustWrite(t, k, []byte("c"), 0)
	must(t, k.Truncate(2*page))
	must(t, m.Rename("/d/file", "/d/renamed"))
	create(t, c, "/d/new")
	want := string(filled('a', page)) + string(filled('b', page)) + string(filled('a', page))
	if got := content(t, m, "/d/link"); got != want {
		t.Error("the clone's write reached the original")
	}
	want = "c" + string(filled('a', 2*page-1))
	if got := content(t, c, "/d/file"); got != want {
		t.Error("the original's write reached the clone")
	}
	_, err = m.Stat("/d/new")
	wantErrno(t, "the clone's file in the original", err, syscall.ENOENT)
	_, err = c.Stat("/d/renamed")
	wantErrno(t, "the original's name in the clone", err, syscall.ENOENT)
	if got := content(t, c, "/d/link"); got != want {
		t.Error("two names of one file differ in the clone")
	}

	// A clone outlives its original.
	d := c.Clone()
	must(t, c.Close())
	must(t, m.Close())
	if got := content(t, d, "/d/file"); got != want {
		t.Error("contents changed when the original was closed")
	}
	must(t, d.Close())
	_, err = d.Stat("/d/file")
	wantErrno(t, "stat after close", err, syscall.EBADF)
	_, err = h.ReadAt(make([]byte, 1), 0)
	wantErrno(t, "read after close", err, syscall.EBADF)
	wantErrno(t, "second close", d.Close(), syscall.EBADF)
	if h := m.Clone(); true {
		_, err = h.Stat("/")
		wantErrno(t, "clone of a closed one", err, syscall.EBADF)
	}
}

func TestMemoryPutFile(t *testing.T) {
	data := filled('x', 2*page+100)
	m := newMemory(t)
	must(t, m.PutFile("/file", 0o444, data))
	c := m.Clone()
	defer c.Close()
	if info, err := m.Stat("/file"); err != nil || info.Size != int64(len(data)) || info.Mode != 0o444 {
		t.Errorf("%+v, %v", info, err)
	}
	h := create(t, m, "/file")
	mustWrite(t, h, []byte("yy"), page-1)
	must(t, h.Truncate(2*page+50))
	must(t, h.Truncate(2*page+60))
	want := append(filled('x', 2*page+50), make([]byte, 10)...)
	want[page-1], want[page] = 'y', 'y'
	if got := content(t, m, "/file"); got != string(want) {
		t.Error("a borrowed file differs after writing")
	}
	if got := content(t, c, "/file"); got != string(data) || !bytes.Equal(data, filled('x', len(data))) {
		t.Error("a write reached the lender")
	}
	must(t, m.PutFile("/file", 0o600, []byte("short")))
	if got := content(t, m, "/file"); got != "short" {
		t.Errorf("replaced file is %q", got)
	}
	wantErrno(t, "put on a directory", m.PutFile("/", 0o600, nil), syscall.EISDIR)
}

func TestMemoryLimit(t *testing.T) {
	m := vfs.NewMemory(vfs.MemoryOptions{Limit: 10 * page})
	defer m.Close()
	free := func(want int) {
		t.Helper()
		s, err := m.Statfs()
		if err != nil || s.Total != 10*page || s.Free != uint64(want*page) {
			t.Errorf("statfs %+v, %v, want %d pages free", s, err, want)
		}
	}
	a := create(t, m, "/a")
	// Zeros take no memory, but the promise of it: a write to an allocated or
	// zero-filled place can't fail later.
	mustWrite(t, a, make([]byte, 4*page), 0)
	must(t, a.Allocate(4*page, 2*page))
	free(4)
	b := create(t, m, "/b")
	n, err := b.WriteAt(filled('b', 6*page), 0)
	if n != 4*page || vfs.Errno(err) != syscall.ENOSPC {
		t.Errorf("write over the limit: %d, %v", n, err)
	}
	free(0)
	wantErrno(t, "allocate over the limit", b.Allocate(0, 5*page), syscall.ENOSPC)
	if info, _ := b.Stat(); info.Size != 4*page {
		t.Errorf("size %d after ENOSPC", info.Size)
	}
	mustWrite(t, a, filled('a', 6*page), 0)
	c := m.Clone()
	mustWrite(t, a, filled('A', 6*page), 0) // copies all, is charged for none
	must(t, c.Close())
	must(t, b.Truncate(page+1))
	free(2)
	must(t, m.Unlink("/b"))
	free(2)
	must(t, b.Close())
	free(4)
	must(t, a.Truncate(0))
	free(10)
	must(t, a.Truncate(1<<30)) // a hole is free
	free(10)
	_, err = a.WriteAt([]byte("x"), 1<<40)
	wantErrno(t, "write behind every size", err, syscall.EFBIG)
}
