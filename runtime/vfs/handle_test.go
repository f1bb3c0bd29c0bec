package vfs_test

import (
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// TestHandle: what is opened is done, and nothing else is there.
func TestHandle(t *testing.T) {
	var pulled []string
	h := vfs.NewHandle(func(name string) error {
		pulled = append(pulled, name)
		if name == "missing" {
			return syscall.ENOENT
		}
		return nil
	})
	n := vfs.NewNamespace(vfs.NewMemory(vfs.MemoryOptions{}))
	must(t, n.Mount("/h", h))
	f, err := n.Open("/h/some/name", vfs.ReadOnly, 0)
	must(t, err)
	if k, err := f.ReadAt(make([]byte, 8), 0); k != 0 || err != nil {
		t.Errorf("it holds %d bytes, %v", k, err)
	}
	must(t, f.Close())
	dir, err := n.Open("/h", vfs.ReadOnly, 0)
	must(t, err)
	if list, err := dir.ReadDir(); err != nil || len(list) > 0 {
		t.Errorf("it lists %v, %v", list, err)
	}
	must(t, dir.Close())
	if info, err := n.Lstat("/h/x"); err != nil || !info.Mode.IsRegular() {
		t.Errorf("%+v, %v", info, err)
	}
	_, err = n.Open("/h/missing", vfs.ReadOnly, 0)
	wantErrno(t, "a refusal", err, syscall.ENOENT)
	for _, flag := range []int{vfs.WriteOnly, vfs.ReadWrite, vfs.ReadOnly | vfs.Create, vfs.ReadOnly | vfs.Truncate} {
		_, err := n.Open("/h/x", flag, 0o600)
		if vfs.Errno(err) == 0 {
			t.Errorf("opened with %#x", flag)
		}
	}
	_, err = n.Readlink("/h/x")
	wantErrno(t, "read a link", err, syscall.EINVAL)
	if len(pulled) != 2 || pulled[0] != "some/name" || pulled[1] != "missing" {
		t.Errorf("it was asked for %q", pulled)
	}
}
