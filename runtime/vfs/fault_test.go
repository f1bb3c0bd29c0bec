package vfs_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

func TestFaultRules(t *testing.T) {
	f := vfs.NewFault(newMemory(t))
	h := create(t, f, "/wal")

	f.SetRule(vfs.FailNth(vfs.OpSync, 2, syscall.EIO))
	must(t, h.Sync())
	wantErrno(t, "second sync", h.Datasync(), syscall.EIO)
	must(t, h.Sync())

	f.SetRule(vfs.FailPath(vfs.OpWrite, func(p string) bool { return strings.HasPrefix(p, "/wal") }, syscall.EIO))
	_, err := h.WriteAt([]byte("x"), 0)
	wantErrno(t, "write", err, syscall.EIO)
	mustWrite(t, create(t, f, "/other"), []byte("x"), 0)

	f.SetRule(vfs.FullAfter(10))
	mustWrite(t, h, []byte("12345"), 0)
	wantErrno(t, "allocate", h.Allocate(0, 6), syscall.ENOSPC)
	if n, err := h.WriteAt([]byte("67890ab"), 5); n != 5 || vfs.Errno(err) != syscall.ENOSPC {
		t.Errorf("write at the border: %d, %v", n, err)
	}
	if n, err := h.WriteAt([]byte("c"), 0); n != 0 || vfs.Errno(err) != syscall.ENOSPC {
		t.Errorf("write when full: %d, %v", n, err)
	}
	if got := content(t, f, "/wal"); got != "1234567890" {
		t.Errorf("contents %q", got)
	}
	if got := f.Broken(); got != 5 {
		t.Errorf("%d broken, want 5", got)
	}
	f.SetRule(nil)
	mustWrite(t, h, []byte("c"), 0)
}

// TestFaultBreaksEveryCall breaks each call by its Op, once.
func TestFaultBreaksEveryCall(t *testing.T) {
	m := newMemory(t)
	must(t, m.Mkdir("/d", 0o755))
	must(t, m.Symlink("f", "/s"))
	create(t, m, "/f")
	f := vfs.NewFault(m)
	file, dir := create(t, f, "/f"), func() vfs.File { h, _ := f.Open("/d", vfs.ReadOnly, 0); return h }()
	defer dir.Close()
	open := func(flag int, name string) func() error {
		return func() error {
			h, err := f.Open(name, flag, 0o600)
			if err == nil {
				h.Close()
			}
			return err
		}
	}
	for _, c := range []struct {
		op   vfs.Op
		name string
		call func() error
	}{
		{vfs.OpOpen, "/f", open(vfs.ReadOnly, "/f")},
		{vfs.OpOpen, "/f", open(vfs.ReadWrite|vfs.Create, "f")},
		{vfs.OpCreate, "/new", open(vfs.ReadWrite|vfs.Create, "/new")},
		{vfs.OpTruncate, "/f", open(vfs.ReadWrite|vfs.Truncate, "/f")},
		{vfs.OpStat, "/f", func() error { _, err := f.Stat("/f"); return err }},
		{vfs.OpStat, "/f", func() error { _, err := f.Lstat("/f"); return err }},
		{vfs.OpStat, "/s", func() error { _, err := f.Readlink("/s"); return err }},
		{vfs.OpStat, "/", func() error { _, err := f.Statfs(); return err }},
		{vfs.OpMkdir, "/e", func() error { return f.Mkdir("/e", 0o755) }},
		{vfs.OpUnlink, "/f", func() error { return f.Unlink("/f") }},
		{vfs.OpRmdir, "/d", func() error { return f.Rmdir("/d") }},
		{vfs.OpRename, "/f", func() error { return f.Rename("/f", "/g") }},
		{vfs.OpLink, "/f", func() error { return f.Link("/f", "/g") }},
		{vfs.OpSymlink, "/t", func() error { return f.Symlink("f", "/t") }},
		{vfs.OpChmod, "/f", func() error { return f.Chmod("/f", 0o600) }},
		{vfs.OpChmod, "/f", func() error { return file.Chmod(0o600) }},
		{vfs.OpSyncDir, "/d", func() error { return f.SyncDir("/d") }},
		{vfs.OpSyncDir, "/d", dir.Sync},
		{vfs.OpSync, "/f", file.Sync},
		{vfs.OpSync, "/f", file.Datasync},
		{vfs.OpRead, "/f", func() error { _, err := file.ReadAt(make([]byte, 1), 0); return err }},
		{vfs.OpWrite, "/f", func() error { _, err := file.WriteAt(make([]byte, 1), 0); return err }},
		{vfs.OpTruncate, "/f", func() error { return file.Truncate(1) }},
		{vfs.OpAllocate, "/f", func() error { return file.Allocate(0, 1) }},
		{vfs.OpStat, "/f", func() error { _, err := file.Stat(); return err }},
		{vfs.OpReadDir, "/d", func() error { _, err := dir.ReadDir(); return err }},
	} {
		var calls []vfs.Call
		f.SetRule(func(call vfs.Call) vfs.Break {
			if call.Op != c.op {
				return vfs.Break{}
			}
			calls = append(calls, call)
			return vfs.Break{Err: syscall.EIO}
		})
		wantErrno(t, c.op.String(), c.call(), syscall.EIO)
		if len(calls) != 1 || calls[0].Path != c.name {
			t.Errorf("%v: asked about %+v, want %s", c.op, calls, c.name)
		}
	}
}
