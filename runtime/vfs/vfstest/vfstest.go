// Package vfstest is the one test suite of every file system behind
// [vfs.FS].
package vfstest

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// TestFS runs the suite. open returns an empty file system and cleans up by
// t.Cleanup. A file system may refuse new symbolic links with EPERM, but then
// all of them.
func TestFS(t *testing.T, open func(t *testing.T) vfs.FS) {
	for _, c := range []struct {
		name string
		test func(*testing.T, vfs.FS)
	}{
		{"errors", testErrors},
		{"handle errors", testHandleErrors},
		{"open flags", testOpenFlags},
		{"read and write", testReadWrite},
		{"sparse", testSparse},
		{"truncate", testTruncate},
		{"allocate", testAllocate},
		{"stat", testStat},
		{"directories", testDirectories},
		{"rename", testRename},
		{"rename directory", testRenameDirectory},
		{"links", testLinks},
		{"symlinks", testSymlinks},
		{"unlinked but open", testUnlinkedOpen},
		{"durability", testDurability},
		{"statfs", testStatfs},
		{"concurrent", testConcurrent},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// testErrors holds every errno of the contract that needs no open file.
func testErrors(t *testing.T, f vfs.FS) {
	must(t, f.Mkdir("/dir", 0o755))
	must(t, f.Mkdir("/empty", 0o755))
	put(t, f, "/dir/file", "data")
	put(t, f, "/file", "data")
	long := "/" + strings.Repeat("n", 256)
	deep := strings.Repeat("/d", 2049)

	openErr := func(name string, flag int) error {
		h, err := f.Open(name, flag, 0o600)
		if err == nil {
			h.Close()
		}
		return err
	}
	statErr := func(name string) error { _, err := f.Stat(name); return err }
	lstatErr := func(name string) error { _, err := f.Lstat(name); return err }
	readlinkErr := func(name string) error { _, err := f.Readlink(name); return err }

	for _, c := range []struct {
		call string
		got  error
		want syscall.Errno
	}{
		{"open missing", openErr("/none", vfs.ReadOnly), syscall.ENOENT},
		{"open empty name", openErr("", vfs.ReadOnly), syscall.ENOENT},
		{"open in missing directory", openErr("/none/x", vfs.ReadWrite|vfs.Create), syscall.ENOENT},
		{"open below a file", openErr("/file/x", vfs.ReadOnly), syscall.ENOTDIR},
		{"create below a file", openErr("/file/x", vfs.ReadWrite|vfs.Create), syscall.ENOTDIR},
		{"create exclusive existing", openErr("/file", vfs.ReadWrite|vfs.Create|vfs.Exclusive), syscall.EEXIST},
		{"create exclusive directory", openErr("/dir", vfs.ReadWrite|vfs.Create|vfs.Exclusive), syscall.EEXIST},
		{"open directory for writing", openErr("/dir", vfs.WriteOnly), syscall.EISDIR},
		{"open directory read-write", openErr("/dir", vfs.ReadWrite), syscall.EISDIR},
		{"create on a directory", openErr("/dir", vfs.ReadWrite|vfs.Create), syscall.EISDIR},
		{"open root for writing", openErr("/", vfs.ReadWrite), syscall.EISDIR},
		{"open long name", openErr(long, vfs.ReadWrite|vfs.Create), syscall.ENAMETOOLONG},
		{"open long path", openErr(deep, vfs.ReadOnly), syscall.ENAMETOOLONG},
		{"open name with NUL", openErr("/a\x00b", vfs.ReadWrite|vfs.Create), syscall.EINVAL},

		{"stat missing", statErr("/none"), syscall.ENOENT},
		{"stat below a file", statErr("/file/x"), syscall.ENOTDIR},
		{"stat long name", statErr(long), syscall.ENAMETOOLONG},
		{"lstat missing", lstatErr("/none"), syscall.ENOENT},
		{"lstat below a file", lstatErr("/file/x"), syscall.ENOTDIR},

		{"mkdir existing", f.Mkdir("/dir", 0o755), syscall.EEXIST},
		{"mkdir on a file", f.Mkdir("/file", 0o755), syscall.EEXIST},
		{"mkdir root", f.Mkdir("/", 0o755), syscall.EEXIST},
		{"mkdir in missing directory", f.Mkdir("/none/x", 0o755), syscall.ENOENT},
		{"mkdir below a file", f.Mkdir("/file/x", 0o755), syscall.ENOTDIR},

		{"unlink missing", f.Unlink("/none"), syscall.ENOENT},
		{"unlink directory", f.Unlink("/dir"), syscall.EISDIR},
		{"unlink empty directory", f.Unlink("/empty"), syscall.EISDIR},
		{"unlink root", f.Unlink("/"), syscall.EISDIR},
		{"unlink below a file", f.Unlink("/file/x"), syscall.ENOTDIR},

		{"rmdir missing", f.Rmdir("/none"), syscall.ENOENT},
		{"rmdir file", f.Rmdir("/file"), syscall.ENOTDIR},
		{"rmdir not empty", f.Rmdir("/dir"), syscall.ENOTEMPTY},
		{"rmdir root", f.Rmdir("/"), syscall.EBUSY},
		{"rmdir below a file", f.Rmdir("/file/x"), syscall.ENOTDIR},

		{"rename missing", f.Rename("/none", "/x"), syscall.ENOENT},
		{"rename to missing directory", f.Rename("/file", "/none/x"), syscall.ENOENT},
		{"rename below a file", f.Rename("/dir/file", "/file/x"), syscall.ENOTDIR},
		{"rename file over directory", f.Rename("/file", "/empty"), syscall.EISDIR},
		{"rename directory over file", f.Rename("/empty", "/file"), syscall.ENOTDIR},
		{"rename directory over full one", f.Rename("/empty", "/dir"), syscall.ENOTEMPTY},
		{"rename directory into itself", f.Rename("/dir", "/dir/x"), syscall.EINVAL},
		{"rename root", f.Rename("/", "/x"), syscall.EBUSY},
		{"rename over root", f.Rename("/dir", "/"), syscall.EBUSY},

		{"link missing", f.Link("/none", "/x"), syscall.ENOENT},
		{"link over existing", f.Link("/file", "/dir/file"), syscall.EEXIST},
		{"link directory", f.Link("/dir", "/x"), syscall.EPERM},
		{"link to missing directory", f.Link("/file", "/none/x"), syscall.ENOENT},

		{"readlink missing", readlinkErr("/none"), syscall.ENOENT},
		{"readlink file", readlinkErr("/file"), syscall.EINVAL},
		{"readlink directory", readlinkErr("/dir"), syscall.EINVAL},
		{"chmod missing", f.Chmod("/none", 0o600), syscall.ENOENT},
		{"syncdir missing", f.SyncDir("/none"), syscall.ENOENT},
		{"syncdir file", f.SyncDir("/file"), syscall.ENOTDIR},
	} {
		if got := vfs.Errno(c.got); got != c.want {
			t.Errorf("%s: %v, want %v", c.call, c.got, c.want)
		}
	}
	if got := names(t, f, "/"); !slices.Equal(got, []string{"dir", "empty", "file"}) {
		t.Errorf("calls that failed left %v", got)
	}
}

func testHandleErrors(t *testing.T, f vfs.FS) {
	put(t, f, "/file", "data")
	r, w, rw, dir := open(t, f, "/file", vfs.ReadOnly), open(t, f, "/file", vfs.WriteOnly),
		open(t, f, "/file", vfs.ReadWrite), open(t, f, "/", vfs.ReadOnly)
	closed := open(t, f, "/file", vfs.ReadWrite)
	must(t, closed.Close())
	buf := make([]byte, 4)
	read := func(h vfs.File, off int64) error { _, err := h.ReadAt(buf, off); return err }
	write := func(h vfs.File, off int64) error { _, err := h.WriteAt(buf, off); return err }
	list := func(h vfs.File) error { _, err := h.ReadDir(); return err }
	stat := func(h vfs.File) error { _, err := h.Stat(); return err }

	for _, c := range []struct {
		call string
		got  error
		want syscall.Errno
	}{
		{"read of write-only", read(w, 0), syscall.EBADF},
		{"read at negative offset", read(rw, -1), syscall.EINVAL},
		{"read of directory", read(dir, 0), syscall.EISDIR},
		{"read of closed", read(closed, 0), syscall.EBADF},
		{"write of read-only", write(r, 0), syscall.EBADF},
		{"write at negative offset", write(rw, -1), syscall.EINVAL},
		{"write of directory", write(dir, 0), syscall.EBADF},
		{"write of closed", write(closed, 0), syscall.EBADF},
		{"truncate of read-only", r.Truncate(0), syscall.EINVAL},
		{"truncate to negative size", rw.Truncate(-1), syscall.EINVAL},
		{"truncate of directory", dir.Truncate(0), syscall.EINVAL},
		{"truncate of closed", closed.Truncate(0), syscall.EBADF},
		{"allocate of read-only", r.Allocate(0, 1), syscall.EBADF},
		{"allocate at negative offset", rw.Allocate(-1, 1), syscall.EINVAL},
		{"allocate nothing", rw.Allocate(0, 0), syscall.EINVAL},
		{"allocate of closed", closed.Allocate(0, 1), syscall.EBADF},
		{"readdir of file", list(r), syscall.ENOTDIR},
		{"readdir of closed", list(closed), syscall.ENOTDIR},
		{"sync of closed", closed.Sync(), syscall.EBADF},
		{"datasync of closed", closed.Datasync(), syscall.EBADF},
		{"stat of closed", stat(closed), syscall.EBADF},
		{"chmod of closed", closed.Chmod(0o600), syscall.EBADF},
		{"close of closed", closed.Close(), syscall.EBADF},
	} {
		got := vfs.Errno(c.got)
		if c.call == "readdir of closed" && got == syscall.EBADF {
			continue // both are true
		}
		if got != c.want {
			t.Errorf("%s: %v, want %v", c.call, c.got, c.want)
		}
	}
	wantContent(t, f, "/file", "data")
}

func testOpenFlags(t *testing.T, f vfs.FS) {
	h, err := f.Open("/new", vfs.ReadWrite|vfs.Create|vfs.Exclusive, 0o640)
	must(t, err)
	write(t, h, "contents", 0)
	must(t, h.Close())
	if info, err := f.Stat("/new"); err != nil || info.Mode != 0o640 {
		t.Errorf("mode %v, %v, want 0640", info.Mode, err)
	}
	// Create of what exists changes neither mode nor contents.
	h, err = f.Open("/new", vfs.ReadWrite|vfs.Create, 0o600)
	must(t, err)
	must(t, h.Close())
	if info, err := f.Stat("/new"); err != nil || info.Mode != 0o640 || info.Size != 8 {
		t.Errorf("after a second create: %+v, %v", info, err)
	}
	h, err = f.Open("/new", vfs.WriteOnly|vfs.Truncate, 0)
	must(t, err)
	must(t, h.Close())
	wantContent(t, f, "/new", "")
	// Names are cleaned, and ".." stops at the root.
	put(t, f, "//a/../.././b/", "up")
	wantContent(t, f, "/b", "up")
	wantContent(t, f, "b", "up")
}

func testReadWrite(t *testing.T, f vfs.FS) {
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, seed))
	h, err := f.Open("/file", vfs.ReadWrite|vfs.Create, 0o600)
	must(t, err)
	defer h.Close()
	var want []byte
	// Offsets and lengths on, before and behind the borders of blocks.
	for range 400 {
		off := rng.IntN(5)*vfs.BlockSize + pick(rng, 0, 0, 1, 511, vfs.BlockSize-1)
		p := make([]byte, pick(rng, 0, 1, 512, vfs.BlockSize-1, vfs.BlockSize, vfs.BlockSize+1, 3*vfs.BlockSize))
		if rng.IntN(4) > 0 {
			fill(rng, p)
		}
		if n, err := h.WriteAt(p, int64(off)); n != len(p) || err != nil {
			t.Fatalf("write of %d at %d: %d, %v (seed %d)", len(p), off, n, err, seed)
		}
		if len(p) > 0 {
			want = append(want, make([]byte, max(0, off+len(p)-len(want)))...)
			copy(want[off:], p)
		}
		off = rng.IntN(len(want) + 2)
		got := bytes.Repeat([]byte{0xee}, rng.IntN(3*vfs.BlockSize))
		n, err := h.ReadAt(got, int64(off))
		expect := want[min(off, len(want)):min(off+len(got), len(want))]
		if err != nil || !bytes.Equal(got[:n], expect) {
			t.Fatalf("read of %d at %d: %d bytes, %v, want %d (seed %d)", len(got), off, n, err, len(expect), seed)
		}
	}
	wantContent(t, f, "/file", string(want))
}

func testSparse(t *testing.T, f vfs.FS) {
	h, err := f.Open("/file", vfs.ReadWrite|vfs.Create, 0o600)
	must(t, err)
	defer h.Close()
	const end = 10*vfs.BlockSize + 17
	write(t, h, "end", end)
	got := bytes.Repeat([]byte{1}, end+3)
	if n, err := h.ReadAt(got, 0); n != len(got) || err != nil {
		t.Fatalf("read: %d, %v", n, err)
	}
	if !bytes.Equal(got[:end], make([]byte, end)) || string(got[end:]) != "end" {
		t.Error("a gap does not read as zeros")
	}
	if n, err := h.ReadAt(got, end+3); n != 0 || err != nil {
		t.Errorf("read at the end: %d, %v", n, err)
	}
	if n, err := h.ReadAt(got, end+1000); n != 0 || err != nil {
		t.Errorf("read behind the end: %d, %v", n, err)
	}
	if n, err := h.WriteAt(nil, end+5000); n != 0 || err != nil {
		t.Errorf("empty write: %d, %v", n, err)
	}
	if info, err := h.Stat(); err != nil || info.Size != end+3 {
		t.Errorf("an empty write changed the size: %d, %v", info.Size, err)
	}
}

func testTruncate(t *testing.T, f vfs.FS) {
	h, err := f.Open("/file", vfs.ReadWrite|vfs.Create, 0o600)
	must(t, err)
	defer h.Close()
	want := bytes.Repeat([]byte("x"), 3*vfs.BlockSize)
	write(t, h, string(want), 0)
	for _, size := range []int{2*vfs.BlockSize + 100, 3 * vfs.BlockSize, vfs.BlockSize, vfs.BlockSize + 1, 5, 0, 20} {
		must(t, h.Truncate(int64(size)))
		want = append(want[:min(size, len(want))], make([]byte, max(0, size-len(want)))...)
		wantContent(t, f, "/file", string(want))
	}
}

func testAllocate(t *testing.T, f vfs.FS) {
	h, err := f.Open("/file", vfs.ReadWrite|vfs.Create, 0o600)
	must(t, err)
	defer h.Close()
	write(t, h, "data", 0)
	must(t, h.Allocate(0, 2))
	wantContent(t, f, "/file", "data")
	must(t, h.Allocate(2, 3*vfs.BlockSize))
	wantContent(t, f, "/file", "data"+string(make([]byte, 3*vfs.BlockSize-2)))
	must(t, h.Allocate(5*vfs.BlockSize, 1))
	wantContent(t, f, "/file", "data"+string(make([]byte, 5*vfs.BlockSize-3)))
}

func testStat(t *testing.T, f vfs.FS) {
	must(t, f.Mkdir("/dir", 0o750))
	put(t, f, "/dir/file", "12345")
	info, err := f.Stat("/dir/file")
	must(t, err)
	if info.Mode.Type() != 0 || info.Size != 5 || info.Nlink != 1 || info.Ino == 0 || info.Mtime.IsZero() {
		t.Errorf("stat: %+v", info)
	}
	h := open(t, f, "/dir/file", vfs.ReadWrite)
	if again, err := h.Stat(); err != nil || !same(again, info) {
		t.Errorf("fstat %+v, %v, stat %+v", again, err, info)
	}
	must(t, h.Chmod(0o400))
	if info, err := f.Stat("/dir/file"); err != nil || info.Mode != 0o400 {
		t.Errorf("after fchmod: %v, %v", info.Mode, err)
	}
	must(t, f.Chmod("/dir/file", 0o604))
	if info, err := h.Stat(); err != nil || info.Mode != 0o604 {
		t.Errorf("after chmod: %v, %v", info.Mode, err)
	}
	dir, err := f.Stat("/dir")
	must(t, err)
	if dir.Mode != fs.ModeDir|0o750 || dir.Ino == info.Ino {
		t.Errorf("directory: %+v", dir)
	}
	if root, err := f.Lstat("/"); err != nil || !root.Mode.IsDir() {
		t.Errorf("root: %+v, %v", root, err)
	}
	d := open(t, f, "/dir", vfs.ReadOnly)
	if again, err := d.Stat(); err != nil || again.Mode != dir.Mode || again.Ino != dir.Ino {
		t.Errorf("open directory: %+v, %v", again, err)
	}
}

func testDirectories(t *testing.T, f vfs.FS) {
	must(t, f.Mkdir("/d", 0o755))
	must(t, f.Mkdir("/d/sub", 0o755))
	put(t, f, "/d/b", "")
	put(t, f, "/d/a", "")
	h := open(t, f, "/d", vfs.ReadOnly)
	for range 2 { // there is no position
		list, err := h.ReadDir()
		must(t, err)
		for i, want := range []struct {
			name string
			kind fs.FileMode
		}{{"a", 0}, {"b", 0}, {"sub", fs.ModeDir}} {
			if i >= len(list) || list[i].Name != want.name || list[i].Type != want.kind {
				t.Fatalf("list %v, want %v at %d", list, want, i)
			}
			info, err := f.Lstat("/d/" + want.name)
			if err != nil || info.Ino != list[i].Ino {
				t.Errorf("%s: inode %d in the list, %d by lstat, %v", want.name, list[i].Ino, info.Ino, err)
			}
		}
	}
	must(t, f.Unlink("/d/a"))
	must(t, f.Rmdir("/d/sub"))
	if list, err := h.ReadDir(); err != nil || len(list) != 1 {
		t.Errorf("after removing two of three: %v, %v", list, err)
	}
	must(t, f.Unlink("/d/b"))
	must(t, f.Rmdir("/d"))
	if got := names(t, f, "/"); len(got) != 0 {
		t.Errorf("left over: %v", got)
	}
}

func testRename(t *testing.T, f vfs.FS) {
	put(t, f, "/a", "a")
	put(t, f, "/b", "b")
	before, err := f.Stat("/a")
	must(t, err)
	replaced := open(t, f, "/b", vfs.ReadOnly)
	moved := open(t, f, "/a", vfs.ReadWrite)
	must(t, f.Rename("/a", "/b"))
	wantContent(t, f, "/b", "a")
	if after, err := f.Stat("/b"); err != nil || !same(after, before) {
		t.Errorf("inode after rename: %+v, %v, before %+v", after, err, before)
	}
	if got := read(t, replaced); got != "b" {
		t.Errorf("replaced file reads %q", got)
	}
	write(t, moved, "A", 0)
	wantContent(t, f, "/b", "A")
	must(t, f.Rename("/b", "/b"))
	must(t, f.Mkdir("/d", 0o755))
	must(t, f.Rename("/b", "/d/c"))
	wantContent(t, f, "/d/c", "A")
	if got := names(t, f, "/"); !slices.Equal(got, []string{"d"}) {
		t.Errorf("names %v", got)
	}
}

func testRenameDirectory(t *testing.T, f vfs.FS) {
	must(t, f.Mkdir("/a", 0o755))
	must(t, f.Mkdir("/a/sub", 0o755))
	must(t, f.Mkdir("/b", 0o755))
	put(t, f, "/a/sub/file", "x")
	h := open(t, f, "/a/sub/file", vfs.ReadWrite)
	must(t, f.Rename("/a", "/b")) // over an empty one
	write(t, h, "y", 0)
	wantContent(t, f, "/b/sub/file", "y")
	must(t, f.Rename("/b/sub", "/top"))
	wantContent(t, f, "/top/file", "y")
	must(t, f.Rmdir("/b"))
	if got := names(t, f, "/"); !slices.Equal(got, []string{"top"}) {
		t.Errorf("names %v", got)
	}
	if err := f.Rename("/top", "/top"); err != nil {
		t.Errorf("rename to itself: %v", err)
	}
}

func testLinks(t *testing.T, f vfs.FS) {
	put(t, f, "/a", "one")
	must(t, f.Link("/a", "/b"))
	info, err := f.Stat("/b")
	must(t, err)
	if info.Nlink != 2 {
		t.Errorf("nlink %d, want 2", info.Nlink)
	}
	put(t, f, "/b", "two")
	wantContent(t, f, "/a", "two")
	must(t, f.Rename("/a", "/b")) // one file by two names: nothing happens
	wantContent(t, f, "/a", "two")
	must(t, f.Unlink("/a"))
	wantContent(t, f, "/b", "two")
	if info, err := f.Stat("/b"); err != nil || info.Nlink != 1 {
		t.Errorf("nlink %d, %v, want 1", info.Nlink, err)
	}
}

func testSymlinks(t *testing.T, f vfs.FS) {
	must(t, f.Mkdir("/dir", 0o755))
	put(t, f, "/dir/file", "x")
	if err := f.Symlink("dir", "/link"); vfs.Errno(err) == syscall.EPERM {
		t.Skip("no symbolic links here")
	} else if err != nil {
		t.Fatal(err)
	}
	for target, name := range map[string]string{
		"/dir/file": "/absolute", "../dir/./file": "/dir/relative", "loop": "/loop",
		"missing": "/dangling", "/": "/top", "../../..": "/dir/up",
	} {
		must(t, f.Symlink(target, name))
		if got, err := f.Readlink(name); got != target || err != nil {
			t.Errorf("readlink %s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"/link/file", "/absolute", "/dir/relative", "/top/link/relative", "/dir/up/dir/file"} {
		wantContent(t, f, name, "x")
	}
	if info, err := f.Lstat("/link"); err != nil || info.Mode.Type() != fs.ModeSymlink || info.Size != 3 {
		t.Errorf("lstat: %+v, %v", info, err)
	}
	if info, err := f.Stat("/link"); err != nil || !info.Mode.IsDir() {
		t.Errorf("stat: %+v, %v", info, err)
	}
	// A chain as long as is allowed, and one longer.
	must(t, f.Symlink("/dir/file", "/chain1"))
	for i := 2; i <= 17; i++ {
		must(t, f.Symlink(chain(i-1), "/"+chain(i)))
	}
	wantContent(t, f, "/chain16", "x")
	_, err := f.Stat("/chain17")
	wantErrno(t, "17 links", err, syscall.ELOOP)
	_, err = f.Stat("/loop")
	wantErrno(t, "loop", err, syscall.ELOOP)
	_, err = f.Stat("/dangling")
	wantErrno(t, "stat of dangling", err, syscall.ENOENT)
	_, err = f.Open("/dangling", vfs.ReadWrite|vfs.Create|vfs.Exclusive, 0o600)
	wantErrno(t, "exclusive create through dangling", err, syscall.EEXIST)
	wantErrno(t, "mkdir on dangling", f.Mkdir("/dangling", 0o755), syscall.EEXIST)
	wantErrno(t, "rmdir of link", f.Rmdir("/link"), syscall.ENOTDIR)
	wantErrno(t, "symlink over existing", f.Symlink("x", "/dir"), syscall.EEXIST)
	wantErrno(t, "empty target", f.Symlink("", "/x"), syscall.ENOENT)
	put(t, f, "/dangling", "made")
	wantContent(t, f, "/missing", "made")
	must(t, f.Unlink("/link"))
	must(t, f.Rename("/absolute", "/moved"))
	wantContent(t, f, "/dir/file", "x")
	wantContent(t, f, "/moved", "x")
}

func testUnlinkedOpen(t *testing.T, f vfs.FS) {
	put(t, f, "/file", "old")
	a, b := open(t, f, "/file", vfs.ReadWrite), open(t, f, "/file", vfs.ReadOnly)
	must(t, f.Unlink("/file"))
	put(t, f, "/file", "new")
	write(t, a, "still here", 0)
	must(t, a.Truncate(5))
	if got := read(t, b); got != "still" {
		t.Errorf("unlinked file reads %q", got)
	}
	if info, err := b.Stat(); err != nil || info.Nlink != 0 {
		t.Errorf("nlink %d, %v, want 0", info.Nlink, err)
	}
	must(t, a.Sync())
	must(t, a.Close())
	if got := read(t, b); got != "still" {
		t.Errorf("after closing one of two: %q", got)
	}
	wantContent(t, f, "/file", "new")
}

func testDurability(t *testing.T, f vfs.FS) {
	must(t, f.Mkdir("/d", 0o755))
	put(t, f, "/d/file", "x")
	h := open(t, f, "/d/file", vfs.ReadWrite)
	must(t, h.Sync())
	must(t, h.Datasync())
	must(t, f.SyncDir("/d"))
	must(t, f.SyncDir("/"))
	d := open(t, f, "/d", vfs.ReadOnly)
	must(t, d.Sync())
	r := open(t, f, "/d/file", vfs.ReadOnly)
	must(t, r.Sync()) // Linux syncs by a read-only descriptor too
}

func testStatfs(t *testing.T, f vfs.FS) {
	s, err := f.Statfs()
	if err != nil || s.Total == 0 || s.Free > s.Total || s.Available > s.Total {
		t.Errorf("statfs: %+v, %v", s, err)
	}
}

// testConcurrent is for the race detector: pages of one file by many, and
// names made and removed beside them.
func testConcurrent(t *testing.T, f vfs.FS) {
	h, err := f.Open("/file", vfs.ReadWrite|vfs.Create, 0o600)
	must(t, err)
	defer h.Close()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			page := bytes.Repeat([]byte{byte(g + 1)}, vfs.BlockSize)
			got := make([]byte, vfs.BlockSize)
			mine := "/" + strings.Repeat("m", g+1)
			for i := range 25 {
				off := int64(i*4+g) * vfs.BlockSize
				_, werr := h.WriteAt(page, off)
				n, rerr := h.ReadAt(got, off)
				if werr != nil || rerr != nil || !bytes.Equal(got[:n], page) {
					t.Errorf("page %d: %v, %v", i, werr, rerr)
				}
				own, err := f.Open(mine, vfs.ReadWrite|vfs.Create|vfs.Exclusive, 0o600)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = h.Stat()
				if err := errors.Join(err, f.Rename(mine, mine+"x"), f.Unlink(mine+"x"), own.Close()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if info, err := h.Stat(); err != nil || info.Size != 100*vfs.BlockSize {
		t.Errorf("size %d, %v", info.Size, err)
	}
}
