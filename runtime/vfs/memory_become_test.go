package vfs_test

import (
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

func become(t testing.TB, m, from *vfs.Memory) {
	t.Helper()
	was, err := m.Become(from)
	must(t, err)
	must(t, was.Close())
}

// TestMemoryBecome: a tree goes back to a clone of it, again and again, and who
// has a file open keeps what it was.
func TestMemoryBecome(t *testing.T) {
	m := newMemory(t)
	must(t, m.Mkdir("/d", 0o755))
	first := create(t, m, "/d/file")
	mustWrite(t, first, filled('a', 3*page), 0)
	must(t, first.Close())
	mark := m.Clone()
	defer mark.Close()
	for range 3 {
		h := create(t, m, "/d/file")
		mustWrite(t, h, filled('b', page), page)
		extra := create(t, m, "/d/extra")
		mustWrite(t, extra, filled('e', page), 0)
		must(t, m.Mkdir("/d/sub", 0o755))
		dir, err := m.Open("/d", vfs.ReadOnly, 0)
		must(t, err)
		become(t, m, mark)
		if got := content(t, m, "/d/file"); got != string(filled('a', 3*page)) {
			t.Errorf("the file has %d bytes, %q at its second page", len(got), got[page])
		}
		for _, name := range []string{"/d/extra", "/d/sub"} {
			_, err := m.Stat(name)
			wantErrno(t, name, err, syscall.ENOENT)
		}
		mustWrite(t, extra, filled('f', page), page)
		p := make([]byte, 2*page)
		if n, err := extra.ReadAt(p, 0); n != 2*page || err != nil || p[0] != 'e' || p[page] != 'f' {
			t.Errorf("the open file gives %d bytes, %v", n, err)
		}
		if list, err := dir.ReadDir(); err != nil || len(list) > 0 {
			t.Errorf("the open directory has %v, %v", list, err)
		}
		again := create(t, m, "/d/again")
		one, err := again.Stat()
		must(t, err)
		other, err := extra.Stat()
		must(t, err)
		if one.Ino == other.Ino {
			t.Errorf("two files are number %d", one.Ino)
		}
		for _, f := range []vfs.File{h, extra, dir, again} {
			must(t, f.Close())
		}
		must(t, m.Unlink("/d/again"))
	}
	if all, own := m.Held(); all != 3*page || own != 0 {
		t.Errorf("%d bytes are held, %d of them alone", all, own)
	}
	mustWrite(t, create(t, m, "/d/file"), filled('c', page), 0)
	if all, own := mark.Held(); all != 3*page || own != page {
		t.Errorf("%d bytes are held by the mark, %d of them alone", all, own)
	}
	if _, own := m.Held(); own != page {
		t.Errorf("%d bytes are held alone, not a page", own)
	}
}

// TestMemoryBecomeLimit: what goes back counts for the limit as it did.
func TestMemoryBecomeLimit(t *testing.T) {
	m := vfs.NewMemory(vfs.MemoryOptions{Limit: 4 * page})
	defer m.Close()
	mark := m.Clone()
	defer mark.Close()
	for range 3 {
		h := create(t, m, "/file")
		mustWrite(t, h, filled('a', 3*page), 0)
		become(t, m, mark)
		other := create(t, m, "/other")
		if n, err := other.WriteAt(filled('b', 2*page), 0); n != page || vfs.Errno(err) != syscall.ENOSPC {
			t.Errorf("beside an open file %d bytes find room, %v", n, err)
		}
		must(t, h.Close())
		mustWrite(t, other, filled('b', 4*page), 0)
		must(t, other.Close())
		become(t, m, mark)
	}
}

func TestMemoryBecomeRefuses(t *testing.T) {
	m, stranger := newMemory(t), newMemory(t)
	errOf := func(from *vfs.Memory) error { _, err := m.Become(from); return err }
	wantErrno(t, "a stranger", errOf(stranger), syscall.EXDEV)
	become(t, m, m)
	mark := m.Clone()
	must(t, mark.Close())
	wantErrno(t, "a closed mark", errOf(mark), syscall.EBADF)
	mark = m.Clone()
	defer mark.Close()
	mustWrite(t, create(t, m, "/file"), filled('a', page), 0)
	must(t, m.Close())
	wantErrno(t, "a closed tree", errOf(mark), syscall.EBADF)
}
