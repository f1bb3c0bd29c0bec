package vfs_test

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// TestVirtual: a file is what it was when it was opened, and nothing can be
// changed.
func TestVirtual(t *testing.T) {
	opened := 0
	v := vfs.NewVirtual(map[string]func() []byte{
		"b":      func() []byte { opened++; return fmt.Appendf(nil, "opened %d times", opened) },
		"a":      func() []byte { return nil },
		"silent": nil,
	})
	n := vfs.NewNamespace(vfs.NewMemory(vfs.MemoryOptions{}))
	if err := n.Mount("/v", v); err != nil {
		t.Fatal(err)
	}
	read := func(f vfs.File, off int64) string {
		t.Helper()
		p := make([]byte, 64)
		k, err := f.ReadAt(p, off)
		if err != nil {
			t.Fatal(err)
		}
		return string(bytes.Clone(p[:k]))
	}
	first, err := n.Open("/v/b", vfs.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	second, err := n.Open("/v/b", vfs.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		f    vfs.File
		off  int64
		want string
	}{{first, 0, "opened 1 times"}, {second, 0, "opened 2 times"}, {first, 7, "1 times"}, {first, 14, ""}, {first, 99, ""}} {
		if got := read(c.f, c.off); got != c.want {
			t.Errorf("at %d: %q, want %q", c.off, got, c.want)
		}
	}
	dir, err := n.Open("/v", vfs.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	list, err := dir.ReadDir()
	if err != nil || len(list) != 3 || list[0].Name != "a" || list[1].Name != "b" {
		t.Errorf("%v, %v", list, err)
	}
	for _, e := range list {
		if info, err := n.Stat("/v/" + e.Name); err != nil || info.Ino != e.Ino || !info.Mode.IsRegular() || info.Size != 0 {
			t.Errorf("%s: %+v, %v", e.Name, info, err)
		}
	}
	open := func(name string, flag int) error {
		_, err := n.Open(name, flag, 0o600)
		return err
	}
	silent, err := n.Open("/v/silent", vfs.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, silentErr := silent.ReadAt(make([]byte, 1), 0)
	_, dirErr := dir.ReadAt(make([]byte, 1), 0)
	_, fileErr := first.ReadDir()
	_, linkErr := n.Readlink("/v/a")
	_, writeErr := first.WriteAt([]byte("x"), 0)
	for _, c := range []struct {
		what string
		err  error
		want syscall.Errno
	}{
		{"open what is not there", open("/v/c", vfs.ReadOnly), syscall.ENOENT},
		{"open below a file", open("/v/a/b", vfs.ReadOnly), syscall.ENOTDIR},
		{"open for writing", open("/v/a", vfs.ReadWrite), syscall.EROFS},
		{"open to truncate", open("/v/a", vfs.ReadWrite|vfs.Truncate), syscall.EROFS},
		{"open the directory for writing", open("/v", vfs.WriteOnly), syscall.EISDIR},
		{"create", open("/v/c", vfs.ReadWrite|vfs.Create), syscall.EROFS},
		{"create what is there", open("/v/a", vfs.ReadWrite|vfs.Create|vfs.Exclusive), syscall.EEXIST},
		{"write", writeErr, syscall.EBADF},
		{"truncate", first.Truncate(0), syscall.EINVAL},
		{"unlink", n.Unlink("/v/a"), syscall.EROFS},
		{"rename", n.Rename("/v/a", "/v/b"), syscall.EROFS},
		{"mkdir", n.Mkdir("/v/d", 0o700), syscall.EROFS},
		{"chmod", n.Chmod("/v/a", 0o700), syscall.EROFS},
		{"read what is silent", silentErr, syscall.EAGAIN},
		{"read a directory", dirErr, syscall.EISDIR},
		{"list a file", fileErr, syscall.ENOTDIR},
		{"read a link", linkErr, syscall.EINVAL},
	} {
		wantErrno(t, c.what, c.err, c.want)
	}
}
