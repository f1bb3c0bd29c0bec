package vfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// recorder keeps every change as a line, and refuses what refuse says.
type recorder struct {
	lines  []string
	refuse func(*vfs.Change) error
}

func (r *recorder) Before(c *vfs.Change) error {
	if r.refuse != nil {
		return r.refuse(c)
	}
	return nil
}

func (r *recorder) After(c *vfs.Change, err error) {
	line := fmt.Sprintf("%v %s", c.Op, c.Path)
	if c.To != "" {
		line += " " + c.To
	}
	switch c.Op {
	case vfs.OpWrite:
		line += fmt.Sprintf(" %d+%d %q", c.Off, c.N, c.Data)
	case vfs.OpTruncate:
		line += fmt.Sprintf(" %d", c.Off)
	case vfs.OpAllocate:
		line += fmt.Sprintf(" %d+%d", c.Off, c.N)
	}
	if err != nil {
		line += " = " + vfs.Errno(err).Error()
	}
	r.lines = append(r.lines, line)
}

func (r *recorder) want(t *testing.T, lines ...string) {
	t.Helper()
	if !slices.Equal(r.lines, lines) {
		t.Errorf("observed %q\nwant     %q", r.lines, lines)
	}
	r.lines = nil
}

func observed(t *testing.T) (*vfs.Namespace, *recorder) {
	n := vfs.NewNamespace(newMemory(t))
	r := &recorder{}
	n.SetObserver(r)
	return n, r
}

func TestMounts(t *testing.T) {
	root, data, inner := newMemory(t), newMemory(t), newMemory(t)
	n := vfs.NewNamespace(root)
	must(t, n.Mkdir("/a", 0o755))
	must(t, n.Mkdir("/a/hidden", 0o755))
	wantErrno(t, "mount below nothing", n.Mount("/none/x", data), syscall.ENOENT)
	must(t, n.Mount("/a/data", data)) // not there in the file system below
	must(t, n.Mount("/a/hidden", inner))
	create(t, n, "/file")
	wantErrno(t, "mount below a file", n.Mount("/file/x", data), syscall.ENOTDIR)
	wantErrno(t, "mount twice", n.Mount("/a/data", inner), syscall.EBUSY)
	wantErrno(t, "mount on root", n.Mount("/", inner), syscall.EBUSY)

	create(t, n, "/a/data/x")
	create(t, n, "/a/dataless")
	if _, err := data.Stat("/x"); err != nil {
		t.Errorf("not in the mounted file system: %v", err)
	}
	h, err := n.Open("/a", vfs.ReadOnly, 0)
	must(t, err)
	defer h.Close()
	list, err := h.ReadDir()
	must(t, err)
	var names []string
	for _, e := range list {
		if dir := e.Name != "dataless"; dir != (e.Type == fs.ModeDir) {
			t.Errorf("%s has type %v", e.Name, e.Type)
		}
		names = append(names, e.Name)
	}
	if !slices.Equal(names, []string{"data", "dataless", "hidden"}) {
		t.Errorf("list %v", names)
	}

	wantErrno(t, "rename across", n.Rename("/a/data/x", "/x"), syscall.EXDEV)
	wantErrno(t, "link across", n.Link("/a/data/x", "/x"), syscall.EXDEV)
	wantErrno(t, "rename a mount point", n.Rename("/a/data", "/b"), syscall.EBUSY)
	wantErrno(t, "rename above a mount point", n.Rename("/a", "/b"), syscall.EBUSY)
	wantErrno(t, "remove a mount point", n.Rmdir("/a/hidden"), syscall.EBUSY)
	wantErrno(t, "unlink a mount point", n.Unlink("/a/hidden"), syscall.EISDIR)
	wantErrno(t, "make a mount point", n.Mkdir("/a/data", 0o755), syscall.EEXIST)
	must(t, n.Mount("/a/data/x2", newMemory(t)))
	create(t, n, "/a/data/x2/deep")
	if _, err := n.Stat("/a/data/x2/deep"); err != nil {
		t.Errorf("mount in a mount: %v", err)
	}
}

func TestObserverSeesEverything(t *testing.T) {
	n, r := observed(t)
	must(t, n.Mkdir("/d/", 0o755))
	h, err := n.Open("/d/../d/f", vfs.ReadWrite|vfs.Create|vfs.Truncate, 0o600)
	must(t, err)
	mustWrite(t, h, []byte("hi"), 3)
	must(t, h.Truncate(1))
	must(t, h.Allocate(1, 2))
	must(t, h.Sync())
	must(t, h.Datasync())
	must(t, h.Chmod(0o400))
	must(t, h.Close())
	r.want(t, "mkdir /d", "create /d/f", `write /d/f 3+2 "hi"`, "truncate /d/f 1",
		"allocate /d/f 1+2", "sync /d/f", "sync /d/f", "chmod /d/f")

	// Opening what exists is a change only when it truncates.
	for _, flag := range []int{vfs.ReadOnly, vfs.ReadWrite | vfs.Create, vfs.ReadWrite | vfs.Truncate} {
		h, err := n.Open("/d/f", flag, 0o600)
		must(t, err)
		must(t, h.Close())
	}
	_, err = n.Open("/d/f", vfs.ReadWrite|vfs.Create|vfs.Exclusive, 0o600)
	wantErrno(t, "exclusive", err, syscall.EEXIST)
	_, err = n.Open("/d/none", vfs.ReadWrite|vfs.Truncate, 0o600)
	wantErrno(t, "truncate nothing", err, syscall.ENOENT)
	r.want(t, "truncate /d/f 0")

	must(t, n.Link("/d/f", "/l"))
	must(t, n.Symlink("d", "/s"))
	must(t, n.Chmod("/l", 0o600))
	must(t, n.Rename("/l", "/m"))
	must(t, n.SyncDir("/d"))
	d, err := n.Open("/d", vfs.ReadOnly, 0)
	must(t, err)
	must(t, d.Sync())
	must(t, d.Close())
	must(t, n.Unlink("/d/f"))
	wantErrno(t, "unlink again", n.Unlink("/d/f"), syscall.ENOENT)
	must(t, n.Rmdir("/d"))
	r.want(t, "link /d/f /l", "symlink /s d", "chmod /l", "rename /l /m", "syncdir /d",
		"syncdir /d", "unlink /d/f", "unlink /d/f = no such file or directory", "rmdir /d")

	_, err = n.Open("/new\x00", vfs.ReadWrite|vfs.Create, 0o600)
	wantErrno(t, "bad name", err, syscall.EINVAL)
	r.want(t)
}

func TestObserverRefuses(t *testing.T) {
	n, r := observed(t)
	h := create(t, n, "/f")
	r.lines = nil
	r.refuse = func(c *vfs.Change) error { return fmt.Errorf("refused: %w", syscall.EROFS) }
	_, err := h.WriteAt([]byte("x"), 0)
	wantErrno(t, "write", err, syscall.EROFS)
	_, err = n.Open("/g", vfs.ReadWrite|vfs.Create, 0o600)
	wantErrno(t, "create", err, syscall.EROFS)
	_, err = n.Open("/f", vfs.ReadWrite|vfs.Truncate, 0o600)
	wantErrno(t, "open to truncate", err, syscall.EROFS)
	wantErrno(t, "sync", h.Sync(), syscall.EROFS)
	wantErrno(t, "unlink", n.Unlink("/f"), syscall.EROFS)
	wantErrno(t, "rename", n.Rename("/f", "/g"), syscall.EROFS)
	r.want(t)
	r.refuse = nil
	if content(t, n, "/f") != "" {
		t.Error("a refused write happened")
	}
}

// TestShortWriteObserved: After is told what was really written.
func TestShortWriteObserved(t *testing.T) {
	fault := vfs.NewFault(newMemory(t))
	fault.SetRule(vfs.FullAfter(3))
	n := vfs.NewNamespace(fault)
	r := &recorder{}
	n.SetObserver(r)
	h := create(t, n, "/f")
	if k, err := h.WriteAt([]byte("12345"), 0); k != 3 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d, %v", k, err)
	}
	r.want(t, "create /f", `write /f 0+3 "12345" = no space left on device`)
}

// TestOpenNames follows open files through what happens to their names.
func TestOpenNames(t *testing.T) {
	n, r := observed(t)
	for _, d := range []string{"/d", "/d/e", "/x"} {
		must(t, n.Mkdir(d, 0o755))
	}
	deep, twin := create(t, n, "/d/e/f"), create(t, n, "/d/e/f")
	sibling := create(t, n, "/dd")
	name := func(h vfs.File, want string) {
		t.Helper()
		r.lines = nil
		must(t, h.Sync())
		r.want(t, "sync "+want)
	}
	name(deep, "/d/e/f")
	must(t, n.Rename("/d/e/f", "/d/e/g"))
	name(deep, "/d/e/g")
	must(t, n.Rename("/d", "/x"))
	name(deep, "/x/e/g")
	name(twin, "/x/e/g")
	name(sibling, "/dd")
	// Another file by the name it had.
	must(t, n.Rename("/x/e/g", "/x/h"))
	other := create(t, n, "/x/e/g")
	must(t, n.Rename("/x/e", "/x/z"))
	name(deep, "/x/h")
	name(other, "/x/z/g")
	// Replaced: the old one keeps its last name, also when that moves on.
	must(t, n.Rename("/dd", "/x/h"))
	name(deep, "/x/h")
	name(sibling, "/x/h")
	must(t, n.Rename("/x/h", "/i"))
	name(deep, "/x/h")
	name(twin, "/x/h")
	name(sibling, "/i")
	// Unlinked, and the name used again.
	must(t, n.Unlink("/i"))
	again := create(t, n, "/i")
	must(t, n.Rename("/i", "/j"))
	name(sibling, "/i")
	name(again, "/j")
	// A rename that fails or does nothing moves nobody.
	wantErrno(t, "rename", n.Rename("/j", "/none/x"), syscall.ENOENT)
	must(t, n.Link("/j", "/k"))
	must(t, n.Rename("/j", "/k"))
	name(again, "/j")
}

func TestWritesAllocateNothing(t *testing.T) {
	for name, f := range map[string]vfs.FS{"memory": newMemory(t), "dir": newDir(t)} {
		n := vfs.NewNamespace(f)
		n.SetObserver(&watcher{})
		h := create(t, n, "/f")
		p := filled('p', page)
		mustWrite(t, h, p, 0)
		if got := testing.AllocsPerRun(100, func() {
			h.WriteAt(p, 0)
			h.ReadAt(p, 0)
			h.Stat()
		}); got >= 1 {
			t.Errorf("%s: %v allocations for a write, a read and a stat", name, got)
		}
	}
}
