package runtime

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/howdahdb/howdah/runtime/vfs"
)

const oRDONLY = 0

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		name  string
		path  string
		flags int
		want  any // errno, or the content after "new" was written
	}{
		{"missing", "/none", oRDWR, eNOENT},
		{"empty path", "", oRDWR, eNOENT},
		{"missing directory", "/none/f", oCREAT | oRDWR, eNOENT},
		{"through a file", "/old/f", oCREAT | oRDWR, eNOTDIR},
		{"create", "/f", oCREAT | oRDWR, "new"},
		{"create what is there", "/old", oCREAT | oRDWR, "newcontent"},
		{"exclusive", "/f", oCREAT | oEXCL | oRDWR, "new"},
		{"exclusive, there", "/old", oCREAT | oEXCL | oRDWR, eEXIST},
		{"exclusive alone means nothing", "/old", oEXCL | oRDWR, "newcontent"},
		{"truncate", "/old", oTRUNC | oRDWR, "new"},
		{"append", "/old", oAPPEND | oWRONLY, "oldcontentnew"},
		{"create and append", "/f", oCREAT | oAPPEND | oWRONLY, "new"},
		{"directory as file", "/dir", oRDWR, eISDIR},
		{"file as directory", "/old", oDIRECTORY, eNOTDIR},
		{"missing directory", "/none", oDIRECTORY, eNOENT},
		{"link", "/link", oWRONLY, "newcontent"},
		{"exclusive link", "/link", oCREAT | oEXCL | oWRONLY, eEXIST},
		{"loop", "/loop", oWRONLY, eLOOP},
		{"no way out of the root", "/../../old", oWRONLY, "newcontent"},
		{"exclusive device", "/dev/null", oCREAT | oEXCL, eEXIST},
		{"name of 256 bytes", "/" + strings.Repeat("n", 256), oCREAT | oRDWR, eNAMETOOLON},
		{"path of 5,000 bytes", strings.Repeat("/dir", 1250), oRDWR, eNAMETOOLON},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGuest(t, Process{})
			g.file("/old", "oldcontent")
			g.want(0, "__syscall_mkdirat", atFDCWD, "/dir", 0o755)
			g.want(0, "__syscall_symlinkat", "old", atFDCWD, "/link")
			g.want(0, "__syscall_symlinkat", "loop", atFDCWD, "/loop")
			if e, ok := c.want.(errno); ok {
				g.want(e, "__syscall_openat", atFDCWD, c.path, c.flags, mode(0o644))
				g.want(3, "__syscall_dup", 0) // a failed open takes no descriptor
				if g.content("/old") != "oldcontent" {
					t.Error("a failed open changed the file")
				}
				return
			}
			fd := g.open(c.path, c.flags)
			if fd != 3 {
				t.Errorf("descriptor %d, expected the lowest free", fd)
			}
			g.write(fd, "new")
			g.want(0, "fd_close", fd)
			if got := g.content(c.path); got != c.want {
				t.Errorf("content %q, expected %q", got, c.want)
			}
		})
	}
}

// TestAccessMode: a descriptor does what it was opened for.
func TestAccessMode(t *testing.T) {
	g := newGuest(t, Process{})
	g.file("/f", "content")
	iov, _ := g.iov(4)
	n := g.alloc(4)
	r, w := g.open("/f", oRDONLY), g.open("/f", oWRONLY)
	g.want(eBADF, "fd_write", r, iov, 1, n)
	g.want(eBADF, "fd_read", w, iov, 1, n)
	g.want(eINVAL, "__syscall_ftruncate64", r, int64(0))
	g.want(eINVAL, "__syscall_ftruncate64", w, int64(-1))
	g.want(0, "__syscall_ftruncate64", w, int64(3))
	if got := g.content("/f"); got != "con" {
		t.Errorf("content %q", got)
	}
}

// TestModes: permission bits, the umask, and an owner who may be nobody else.
func TestModes(t *testing.T) {
	g := newGuest(t, Process{})
	g.want(0, "__syscall_umask", 0o022)
	g.want(0o022, "__syscall_umask", 0o077)
	for _, name := range []string{"getuid32", "geteuid32", "getgid32", "getegid32"} {
		g.want(0, "__syscall_"+name)
	}
	perm := func(want uint32, name string) {
		t.Helper()
		if s := g.stat(name); s.mode != want {
			t.Errorf("%s has mode %#o, expected %#o", name, s.mode, want)
		}
	}
	fd := g.sys("__syscall_openat", atFDCWD, "/f", oCREAT|oRDWR, mode(0o666))
	g.want(0, "__syscall_mkdirat", atFDCWD, "/d", 0o777)
	perm(0o100600, "/f")
	perm(0o040700, "/d")
	g.want(0, "__syscall_chmod", "/f", 0o7754)
	perm(0o100754, "/f")
	g.want(0, "__syscall_fchmod", int(fd), 0o640)
	perm(0o100640, "/f")
	g.want(0, "__syscall_fchmodat2", atFDCWD, "/d", 0o500, 0)
	perm(0o040500, "/d")
	g.want(eNOENT, "__syscall_chmod", "/none", 0o640)
	g.want(eINVAL, "__syscall_fchmod", 1, 0o640)

	g.want(0, "__syscall_fchown32", int(fd), 0, -1)
	g.want(ePERM, "__syscall_fchown32", int(fd), 1000, -1)
	g.want(0, "__syscall_fchownat", atFDCWD, "/f", -1, 0, 0)
	g.want(ePERM, "__syscall_fchownat", atFDCWD, "/f", 0, 7, 0)
	g.want(eNOENT, "__syscall_fchownat", atFDCWD, "/none", 0, 0, 0)
	g.want(0, "__syscall_faccessat", atFDCWD, "/f", 7, 0)
	g.want(0, "__syscall_faccessat", atFDCWD, "/dev/urandom", 7, 0)
	g.want(eNOENT, "__syscall_faccessat", atFDCWD, "/none", 0, 0)
	g.want(eNOSYS, "__syscall_utimensat", atFDCWD, "/f", 0, 0)
}

// guestStat is what the tests look at of struct stat.
type guestStat struct {
	mode, nlink uint32
	size        int64
	ino         uint64
}

func (g *guest) readStat(p uint32) guestStat {
	b := g.Bytes(p, 96)
	le := binary.LittleEndian
	return guestStat{le.Uint32(b[4:]), le.Uint32(b[8:]), int64(le.Uint64(b[24:])), le.Uint64(b[88:])}
}

func (g *guest) stat(name string) guestStat {
	g.t.Helper()
	free := g.free
	defer func() { g.free = free }()
	p := g.alloc(96)
	g.want(0, "__syscall_stat64", name, p)
	return g.readStat(p)
}

// TestStatLayout holds struct stat and struct statfs to Emscripten's bytes.
func TestStatLayout(t *testing.T) {
	g := newGuest(t, Process{})
	p := g.alloc(96)
	copy(g.Bytes(p, 96), bytes.Repeat([]byte{0xee}, 96))
	g.putStat(p, vfs.Info{
		Ino: 0x1122334455667788, Mode: fs.ModeDir | 0o751, Nlink: 7, Size: 0x0102030405,
		Mtime: time.Unix(0x0a0b0c0d0e, 123456789),
	})
	want := "" +
		"01000000" + // dev
		"e9410000" + // mode 040751
		"07000000" + // nlink
		"00000000" + "00000000" + "00000000" + // uid, gid, rdev
		"0504030201000000" + // size
		"00100000" + // blksize
		"83018100" + // blocks of 512 bytes
		"0e0d0c0b0a00000015cd5b0700000000" + // atime, ns, padding
		"0e0d0c0b0a00000015cd5b0700000000" + // mtime
		"0e0d0c0b0a00000015cd5b0700000000" + // ctime
		"8877665544332211" // ino
	if got := hex.EncodeToString(g.Bytes(p, 96)); got != want {
		t.Errorf("struct stat\n got %s\nwant %s", got, want)
	}
}

func TestStatfs(t *testing.T) {
	tree := vfs.NewMemory(vfs.MemoryOptions{Limit: 0x100000000 + 4096*3})
	defer tree.Close()
	g := newGuest(t, Process{FS: vfs.NewNamespace(tree)})
	p := g.alloc(72)
	g.want(0, "__syscall_statfs64", "/", 72, p)
	want := "00000000" + // type
		"00100000" + // bsize
		"0300100000000000" + "0300100000000000" + "0300100000000000" + // blocks, bfree, bavail
		"0000000001000000" + "ffffffff00000000" + // files, ffree: the root is one
		"0000000000000000" + // fsid
		"ff000000" + "00100000" + "00000000" + "00000000" // namelen, frsize, flags
	if got := hex.EncodeToString(g.Bytes(p, 72)); got != want {
		t.Errorf("struct statfs\n got %s\nwant %s", got, want)
	}
}

func TestStat(t *testing.T) {
	g := newGuest(t, Process{})
	g.file("/f", "0123456789")
	g.want(0, "__syscall_symlinkat", "f", atFDCWD, "/s")
	g.want(0, "__syscall_mkdirat", atFDCWD, "/d", 0o755)
	p := g.alloc(96)
	fd, dir := g.open("/f", oRDONLY), g.open("/d", oDIRECTORY)
	const nofollow, emptyPath = 0x100, 0x1000
	for _, c := range []struct {
		name string
		args []any
		mode uint32
		size int64
	}{
		{"__syscall_stat64", []any{"/f", p}, 0o100644, 10},
		{"__syscall_stat64", []any{"/s", p}, 0o100644, 10},
		{"__syscall_lstat64", []any{"/s", p}, 0o120777, 1},
		{"__syscall_fstat64", []any{fd, p}, 0o100644, 10},
		{"__syscall_newfstatat", []any{atFDCWD, "/s", p, 0}, 0o100644, 10},
		{"__syscall_newfstatat", []any{atFDCWD, "/s", p, nofollow}, 0o120777, 1},
		{"__syscall_newfstatat", []any{dir, "../f", p, 0}, 0o100644, 10},
		{"__syscall_newfstatat", []any{fd, "", p, emptyPath}, 0o100644, 10},
		{"__syscall_stat64", []any{"/dev/null", p}, 0o020666, 0},
		{"__syscall_fstat64", []any{1, p}, 0o020666, 0},
	} {
		g.want(0, c.name, c.args...)
		if s := g.readStat(p); s.mode != c.mode || s.size != c.size {
			t.Errorf("%s%v: mode %#o size %d, expected %#o %d", c.name, c.args, s.mode, s.size, c.mode, c.size)
		}
	}
	if g.stat("/f").ino != g.stat("/s").ino || g.stat("/f").ino == g.stat("/d").ino {
		t.Error("inode numbers tell not what is the same file")
	}
	if ino, null := g.stat("/dev/zero").ino, g.stat("/dev/null").ino; ino == null || ino>>32 == 0 {
		t.Errorf("devices have inodes %d and %d", ino, null)
	}
	g.want(eNOENT, "__syscall_stat64", "/none", p)
	g.want(eNOTDIR, "__syscall_stat64", "/f/x", p)
	g.want(eNOENT, "__syscall_newfstatat", fd, "", p, 0)
}

func TestTruncate(t *testing.T) {
	g := newGuest(t, Process{})
	g.file("/f", "0123456789")
	g.want(0, "__syscall_truncate64", "/f", int64(4))
	if got := g.content("/f"); got != "0123" {
		t.Errorf("content %q", got)
	}
	g.want(0, "__syscall_truncate64", "/f", int64(6))
	if got := g.content("/f"); got != "0123\x00\x00" {
		t.Errorf("content %q", got)
	}
	g.want(eNOENT, "__syscall_truncate64", "/none", int64(0))
	g.want(eINVAL, "__syscall_truncate64", "/f", int64(-1))
	g.want(eISDIR, "__syscall_truncate64", "/", int64(0))
}

// TestFileErrors: what the file system fails with reaches the guest as its
// own number.
func TestFileErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		want errno
	}{
		{syscall.EIO, eIO}, {syscall.ENOSPC, eNOSPC}, {syscall.EDQUOT, eDQUOT},
		{syscall.EROFS, eROFS}, {syscall.EACCES, eACCES}, {syscall.EMFILE, eMFILE},
		{syscall.ENFILE, eMFILE}, {syscall.EFBIG, eFBIG}, {fs.ErrNotExist, eNOENT},
		{syscall.ENOTBLK, eIO}, // without a number of its own
	} {
		tree := vfs.NewMemory(vfs.MemoryOptions{})
		fault := vfs.NewFault(tree)
		g := newGuest(t, Process{FS: vfs.NewNamespace(fault)})
		g.file("/f", "content")
		fd := g.open("/f", oRDWR)
		iov, _ := g.iov(4)
		n, st := g.alloc(4), g.alloc(96)
		fault.SetRule(func(vfs.Call) vfs.Break { return vfs.Break{Err: c.err} })
		g.want(c.want, "__syscall_openat", atFDCWD, "/f", 0, 0)
		g.want(c.want, "__syscall_stat64", "/f", st)
		g.want(c.want, "__syscall_unlinkat", atFDCWD, "/f", 0)
		g.want(c.want, "__syscall_renameat", atFDCWD, "/f", atFDCWD, "/g")
		g.want(c.want, "fd_read", fd, iov, 1, n)
		g.want(c.want, "fd_pwrite", fd, iov, 1, int64(0), n)
		g.want(c.want, "fd_sync", fd)
		g.want(c.want, "__syscall_fdatasync", fd)
		fault.SetRule(nil)
		tree.Close()
	}
}
