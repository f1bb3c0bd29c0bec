package vfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/runtime/linear"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// TestSharedSegments: all who open a file get its segment, through a namespace
// too, and it ends with the last of name and open files.
func TestSharedSegments(t *testing.T) {
	s := newShared(t)
	ns := vfs.NewNamespace(newMemory(t))
	if err := ns.Mkdir("/shm", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := ns.Mount("/shm", s); err != nil {
		t.Fatal(err)
	}
	open := func(flag int) (vfs.File, *linear.Segment) {
		t.Helper()
		f, err := ns.Open("/shm/x", flag, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(5000); err != nil {
			t.Fatal(err)
		}
		seg, err := f.(vfs.Segmented).Segment()
		if err != nil {
			t.Fatal(err)
		}
		return f, seg
	}
	a, one := open(vfs.ReadWrite | vfs.Create | vfs.Exclusive)
	b, two := open(vfs.ReadWrite)
	if one != two || one.Size() != linear.PageSize {
		t.Errorf("segments %p and %p of %d bytes", one, two, one.Size())
	}
	if err := s.Clear(); err != nil {
		t.Fatal(err)
	}
	c, three := open(vfs.ReadWrite | vfs.Create | vfs.Exclusive)
	if three == one {
		t.Error("a new file has the segment of a removed one")
	}
	for _, f := range []vfs.File{a, c} {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if again, err := b.(vfs.Segmented).Segment(); err != nil || again != one {
		t.Errorf("an open file without a name has segment %p, %v", again, err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := one.Close(); err == nil {
		t.Error("the segment of a file that is gone is still open")
	}
	plain, err := ns.Open("/plain", vfs.ReadWrite|vfs.Create, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := plain.(vfs.Segmented).Segment(); vfs.Errno(err) != syscall.ENOTSUP {
		t.Errorf("a file without pages gives %v", err)
	}
}

// newShared skips where there is nothing to share.
func newShared(t *testing.T) *vfs.Shared {
	t.Helper()
	if !linear.CanShare {
		t.Skip("memory can't be shared here")
	}
	s := vfs.NewShared()
	t.Cleanup(func() { s.Close() })
	return s
}

// sharedFile makes a file with a content.
func sharedFile(t *testing.T, s *vfs.Shared, name, content string) vfs.File {
	t.Helper()
	f, err := s.Open(name, vfs.ReadWrite|vfs.Create, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteAt([]byte(content), 0); err != nil {
		t.Fatal(err)
	}
	return f
}

func segmentOf(t *testing.T, f vfs.File) *linear.Segment {
	t.Helper()
	seg, err := f.(vfs.Segmented).Segment()
	if err != nil {
		t.Fatal(err)
	}
	return seg
}

// TestSharedContents: a file and its segment have the same bytes, before and
// after there is one.
func TestSharedContents(t *testing.T) {
	s := newShared(t)
	long := strings.Repeat("long ", 30000) // whole blocks and pages, and a part
	f := sharedFile(t, s, "/f", long)
	if _, err := f.WriteAt(make([]byte, 3*vfs.BlockSize), vfs.BlockSize); err != nil {
		t.Fatal(err)
	}
	want := []byte(long)
	clear(want[vfs.BlockSize : 4*vfs.BlockSize])
	seg := segmentOf(t, f)
	if _, err := seg.WriteAt([]byte("stored"), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("written"), int64(len(long)-7)); err != nil {
		t.Fatal(err)
	}
	copy(want[100:], "stored")
	copy(want[len(want)-7:], "written")
	for from, r := range map[string]io.ReaderAt{"the segment": seg, "the file": f} {
		got := make([]byte, len(want))
		if n, err := r.ReadAt(got, 0); n != len(got) || err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s has other bytes: %d of %d, %v", from, n, len(want), err)
		}
	}
	end := make([]byte, 10)
	if n, err := f.ReadAt(end, int64(len(want)-7)); err != nil || string(end[:n]) != "written" {
		t.Errorf("the end reads %q, %v", end[:n], err)
	}
}

// TestSharedSealed: nothing changes the size of a file that has a segment.
func TestSharedSealed(t *testing.T) {
	s := newShared(t)
	f := sharedFile(t, s, "/f", "content")
	segmentOf(t, f)
	write := func(p string, off int64) error { _, err := f.WriteAt([]byte(p), off); return err }
	open := func(flag int) error {
		h, err := s.Open("/f", flag, 0o600)
		if err == nil {
			h.Close()
		}
		return err
	}
	for _, c := range []struct {
		call string
		err  error
		want syscall.Errno
	}{
		{"write inside", write("x", 6), 0},
		{"write nothing behind", write("", 100), 0},
		{"write over the end", write("xy", 6), syscall.EPERM},
		{"write behind", write("x", 7), syscall.EPERM},
		{"write far behind", write("x", 1<<63-1), syscall.EPERM},
		{"write before", write("x", -1), syscall.EINVAL},
		{"truncate to the same", f.Truncate(7), 0},
		{"truncate", f.Truncate(6), syscall.EPERM},
		{"extend", f.Truncate(8), syscall.EPERM},
		{"allocate inside", f.Allocate(3, 4), 0},
		{"allocate over the end", f.Allocate(3, 5), syscall.EPERM},
		{"open to truncate", open(vfs.ReadWrite | vfs.Truncate), syscall.EPERM},
		{"make or truncate", open(vfs.ReadWrite | vfs.Create | vfs.Truncate), syscall.EPERM},
		{"make exclusively", open(vfs.ReadWrite | vfs.Create | vfs.Exclusive | vfs.Truncate), syscall.EEXIST},
		{"open", open(vfs.ReadWrite), 0},
	} {
		if got := vfs.Errno(c.err); got != c.want {
			t.Errorf("%s: %v, expected %v", c.call, c.err, c.want)
		}
	}
	got := make([]byte, 8)
	if n, err := f.ReadAt(got, 0); err != nil || string(got[:n]) != "contenx" {
		t.Errorf("content %q, %v", got[:n], err)
	}
}

// TestSharedEnds: a segment lives as long as its file, however the name goes.
func TestSharedEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(s *vfs.Shared) error
		gone bool
	}{
		"unlinked":             {func(s *vfs.Shared) error { return s.Unlink("/f") }, true},
		"replaced":             {func(s *vfs.Shared) error { return s.Rename("/other", "/f") }, true},
		"cleared":              {func(s *vfs.Shared) error { return s.Clear() }, true},
		"closed":               {func(s *vfs.Shared) error { return s.Close() }, true},
		"renamed":              {func(s *vfs.Shared) error { return s.Rename("/f", "/g") }, false},
		"renamed to itself":    {func(s *vfs.Shared) error { return s.Rename("/f", "/f") }, false},
		"another unlinked":     {func(s *vfs.Shared) error { return s.Unlink("/other") }, false},
		"one of two names":     {func(s *vfs.Shared) error { return errors.Join(s.Link("/f", "/g"), s.Unlink("/f")) }, false},
		"not there to replace": {func(s *vfs.Shared) error { return s.Rename("/other", "/new") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShared(t)
			f := sharedFile(t, s, "/f", "content")
			sharedFile(t, s, "/other", "content")
			seg := segmentOf(t, f)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if err := c.end(s); err != nil {
				t.Fatal(err)
			}
			_, err := seg.ReadAt(make([]byte, 1), 0)
			if gone := errors.Is(err, fs.ErrClosed); gone != c.gone || err != nil && !gone {
				t.Errorf("the segment reads %v", err)
			}
			if _, err := f.(vfs.Segmented).Segment(); vfs.Errno(err) != syscall.EBADF {
				t.Errorf("a closed file gives %v for a segment", err)
			}
		})
	}
	s := newShared(t)
	f := sharedFile(t, s, "/empty", "")
	if _, err := f.(vfs.Segmented).Segment(); vfs.Errno(err) != syscall.EINVAL {
		t.Errorf("an empty file gives %v for a segment", err)
	}
}
