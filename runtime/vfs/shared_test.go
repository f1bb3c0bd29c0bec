package vfs_test

import (
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/runtime/linear"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// TestSharedSegments: all who open a file get its segment, through a namespace
// too, and it ends with the last of name and open files.
func TestSharedSegments(t *testing.T) {
	if !linear.CanShare {
		t.Skip("memory can't be shared here")
	}
	s := vfs.NewShared()
	defer s.Close()
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
