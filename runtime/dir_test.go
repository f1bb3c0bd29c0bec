package runtime

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// TestDirectoryCalls runs one script of calls; what a call leaves behind is
// there for the next.
func TestDirectoryCalls(t *testing.T) {
	g := newGuest(t, Process{Dir: "/"})
	g.file("/a", "a")
	g.file("/b", "b")
	const rmdir = 0x200
	at := atFDCWD
	for _, c := range []struct {
		want any
		name string
		args []any
	}{
		{0, "__syscall_mkdirat", []any{at, "/d", 0o755}},
		{eEXIST, "__syscall_mkdirat", []any{at, "/d", 0o755}},
		{eEXIST, "__syscall_mkdirat", []any{at, "/a", 0o755}},
		{eNOENT, "__syscall_mkdirat", []any{at, "/none/d", 0o755}},
		{eNOTDIR, "__syscall_mkdirat", []any{at, "/a/d", 0o755}},
		{eNOENT, "__syscall_mkdirat", []any{at, "", 0o755}},

		{0, "__syscall_chdir", []any{"d"}},
		{0, "__syscall_mkdirat", []any{at, "sub", 0o755}},
		{0, "__syscall_chdir", []any{"sub/.."}},
		{eNOTDIR, "__syscall_chdir", []any{"/a"}},
		{eNOENT, "__syscall_chdir", []any{"/none"}},
		{eNOENT, "__syscall_chdir", []any{""}},

		{0, "__syscall_renameat", []any{at, "../a", at, "sub/moved"}},
		{eNOENT, "__syscall_renameat", []any{at, "../a", at, "x"}},
		{eISDIR, "__syscall_renameat", []any{at, "/b", at, "/d"}},
		{eNOTDIR, "__syscall_renameat", []any{at, "/d", at, "/b"}},
		{eINVAL, "__syscall_renameat", []any{at, "/d", at, "/d/sub/d"}},
		{eNOENT, "__syscall_renameat", []any{at, "", at, "x"}},
		{eNOENT, "__syscall_renameat", []any{at, "/b", at, ""}},

		{0, "__syscall_linkat", []any{at, "sub/moved", at, "hard", 0}},
		{eEXIST, "__syscall_linkat", []any{at, "sub/moved", at, "hard", 0}},
		{eNOENT, "__syscall_linkat", []any{at, "none", at, "x", 0}},
		{ePERM, "__syscall_linkat", []any{at, "/d", at, "x", 0}},
		{0, "__syscall_symlinkat", []any{"/b", at, "soft"}},
		{eEXIST, "__syscall_symlinkat", []any{"/b", at, "soft"}},

		{eISDIR, "__syscall_unlinkat", []any{at, "sub", 0}},
		{eNOTEMPTY, "__syscall_unlinkat", []any{at, "sub", rmdir}},
		{eNOTDIR, "__syscall_unlinkat", []any{at, "hard", rmdir}},
		{eNOTEMPTY, "__syscall_rmdir", []any{"sub"}},
		{0, "__syscall_unlinkat", []any{at, "sub/moved", 0}},
		{eNOENT, "__syscall_unlinkat", []any{at, "sub/moved", 0}},
		{0, "__syscall_rmdir", []any{"sub"}},
		{eNOENT, "__syscall_rmdir", []any{"sub"}},
		{eBUSY, "__syscall_rmdir", []any{"/"}},
	} {
		g.want(c.want, c.name, c.args...)
	}
	if got := g.content("hard") + g.content("soft"); got != "ab" {
		t.Errorf("contents %q", got)
	}
	if n := g.stat("/d/hard").nlink; n != 1 {
		t.Errorf("%d links", n)
	}
}

// TestRelative: names relative to a descriptor, whatever the working directory
// is.
func TestRelative(t *testing.T) {
	g := newGuest(t, Process{})
	g.want(0, "__syscall_mkdirat", atFDCWD, "/d", 0o755)
	g.want(0, "__syscall_mkdirat", atFDCWD, "/e", 0o755)
	d, e := g.open("/d", oDIRECTORY), g.open("/e", oDIRECTORY)
	fd := g.sys("__syscall_openat", d, "f", oCREAT|oRDWR, mode(0o600))
	g.write(int(fd), "content")
	g.want(0, "__syscall_mkdirat", d, "sub", 0o755)
	g.want(0, "__syscall_linkat", d, "f", e, "hard", 0)
	g.want(0, "__syscall_symlinkat", "../d/f", e, "soft")
	g.want(0, "__syscall_renameat", d, "f", e, "g")
	g.want(0, "__syscall_faccessat", e, "g", 0, 0)
	g.want(eNOENT, "__syscall_faccessat", e, "soft", 0, 0)
	g.want(0, "__syscall_faccessat", e, "/d/sub", 0, 0) // absolute: the descriptor does not matter
	g.want(0, "__syscall_faccessat", 99, "/d/sub", 0, 0)
	g.want(eBADF, "__syscall_faccessat", 99, "sub", 0, 0)
	g.want(eBADF, "__syscall_openat", 99, "sub", 0, 0)
	g.want(eNOTDIR, "__syscall_openat", g.open("/e/g", oRDONLY), "sub", 0, 0)
	g.want(eBADF, "__syscall_renameat", d, "sub", 99, "x")
	g.want(0, "__syscall_unlinkat", e, "hard", 0)
	if got := g.content("/e/g"); got != "content" {
		t.Errorf("content %q", got)
	}
}

func TestReadlink(t *testing.T) {
	g := newGuest(t, Process{})
	long := strings.Repeat("target/", 100)
	g.want(0, "__syscall_symlinkat", long, atFDCWD, "/s")
	g.file("/f", "")
	buf := g.alloc(4096)
	for _, n := range []int{0, 1, 10, 699, 700, 4096} {
		copy(g.Bytes(buf, 4096), strings.Repeat("!", 4096))
		want := long[:min(n, len(long))]
		g.want(len(want), "__syscall_readlinkat", atFDCWD, "/s", buf, n)
		if got := string(g.Bytes(buf, uint32(len(want)+1))); got != want+"!" {
			t.Errorf("buffer of %d: %q", n, got)
		}
	}
	g.want(eINVAL, "__syscall_readlinkat", atFDCWD, "/f", buf, 10)
	g.want(eNOENT, "__syscall_readlinkat", atFDCWD, "/none", buf, 10)
}

func TestGetcwd(t *testing.T) {
	g := newGuest(t, Process{Dir: "/d"})
	g.want(0, "__syscall_mkdirat", atFDCWD, "/d", 0o755)
	buf := g.put([]byte("!!!!!!"))
	g.want(eRANGE, "__syscall_getcwd", buf, 2)
	g.want(3, "__syscall_getcwd", buf, 3)
	if got := string(g.Bytes(buf, 4)); got != "/d\x00!" {
		t.Errorf("%q", got)
	}
	g.want(0, "__syscall_chdir", "..")
	g.want(2, "__syscall_getcwd", buf, 6)
	if got := g.String(buf); got != "/" {
		t.Errorf("%q", got)
	}
}

// dirent is an entry as the guest reads it.
type dirent struct {
	name string
	ino  uint64
	next int64
	typ  byte
}

// list reads entries with a buffer of so many bytes until there are no more.
func (g *guest) list(fd, size int) []dirent {
	g.t.Helper()
	free := g.free
	defer func() { g.free = free }()
	buf := g.alloc(size)
	var out []dirent
	for {
		n := g.sys("__syscall_getdents64", fd, buf, size)
		if n < 0 {
			g.t.Fatalf("getdents64: errno %d", -n)
		}
		if n == 0 {
			return out
		}
		out = append(out, g.dirents(buf, n)...)
	}
}

func (g *guest) dirents(buf uint32, n int32) []dirent {
	g.t.Helper()
	if n%280 != 0 {
		g.t.Fatalf("%d bytes of entries of 280", n)
	}
	var out []dirent
	le := binary.LittleEndian
	for b := g.Bytes(buf, uint32(n)); len(b) > 0; b = b[280:] {
		if le.Uint16(b[16:]) != 280 {
			g.t.Fatalf("reclen %d", le.Uint16(b[16:]))
		}
		name, _, _ := strings.Cut(string(b[19:280]), "\x00")
		out = append(out, dirent{name, le.Uint64(b), int64(le.Uint64(b[8:])), b[18]})
	}
	return out
}

func TestGetdents(t *testing.T) {
	const files = 1000
	g := newGuest(t, Process{})
	g.want(0, "__syscall_mkdirat", atFDCWD, "/d", 0o755)
	for k := range files {
		g.file(fmt.Sprintf("/d/f%04d", k), "")
	}
	fd := g.open("/d", oDIRECTORY)
	all := g.list(fd, 280*7+279) // seven entries at a time, 279 bytes too few for another
	if len(all) != files+2 {
		t.Fatalf("%d entries", len(all))
	}
	for k, e := range all {
		want := dirent{name: fmt.Sprintf("f%04d", k-2), next: int64(k + 1), typ: 8}
		switch k {
		case 0:
			want.name, want.typ, want.ino = ".", 4, g.stat("/d").ino
		case 1:
			want.name, want.typ, want.ino = "..", 4, g.stat("/").ino
		default:
			want.ino = g.stat("/d/" + want.name).ino
		}
		if e != want {
			t.Fatalf("entry %d is %+v, expected %+v", k, e, want)
		}
	}

	// Seeking to what an entry says is next goes on after it; the listing
	// stays as it was until the directory is rewound.
	pos, buf := g.alloc(8), g.alloc(280)
	g.want(0, "__syscall_unlinkat", atFDCWD, "/d/f0700", 0)
	g.file("/d/later", "")
	g.want(0, "fd_seek", fd, all[701].next, 0, pos)
	g.want(280, "__syscall_getdents64", fd, buf, 280)
	if e := g.dirents(buf, 280)[0]; e.name != "f0700" {
		t.Errorf("after the seek: %+v", e)
	}
	g.want(0, "fd_seek", fd, int64(0), 0, pos)
	again := g.list(fd, 4000)
	if len(again) != files+2 || again[702].name != "f0701" || again[files+1].name != "later" {
		t.Errorf("after rewinding: %d entries, %+v, %+v", len(again), again[702], again[len(again)-1])
	}

	g.want(0, "fd_seek", fd, int64(5000), 0, pos)
	g.want(0, "__syscall_getdents64", fd, buf, 280)
	g.want(eINVAL, "fd_seek", fd, int64(-1), 0, pos)
	g.want(0, "fd_seek", fd, int64(0), 0, pos)
	g.want(eINVAL, "__syscall_getdents64", fd, buf, 279)
	file := g.open("/d/f0000", oRDONLY)
	g.want(eNOTDIR, "__syscall_getdents64", file, buf, 280)
	g.want(eNOTDIR, "__syscall_getdents64", 1, buf, 280)
}

// TestGetdentsTypes: d_type and names of every length.
func TestGetdentsTypes(t *testing.T) {
	g := newGuest(t, Process{})
	g.want(0, "__syscall_mkdirat", atFDCWD, "/d", 0o755)
	g.want(0, "__syscall_mkdirat", atFDCWD, "/d/a", 0o755)
	g.want(0, "__syscall_symlinkat", "a", atFDCWD, "/d/b")
	long := strings.Repeat("n", 255)
	g.file("/d/"+long, "")
	var got []string
	for _, e := range g.list(g.open("/d", oDIRECTORY), 4096) {
		got = append(got, fmt.Sprintf("%s %d", e.name, e.typ))
	}
	if want := fmt.Sprint([]string{". 4", ".. 4", "a 4", "b 10", long + " 8"}); fmt.Sprint(got) != want {
		t.Errorf("%v, expected %s", got, want)
	}
	// A directory that is gone has no entries, nor has its parent a name for it.
	gone := g.open("/d/a", oDIRECTORY)
	g.want(0, "__syscall_rmdir", "/d/a")
	if e := g.list(gone, 4096); len(e) > 2 {
		t.Errorf("a removed directory lists %v", e)
	}
}
