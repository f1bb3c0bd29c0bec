package runtime

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// TestBadDescriptors: every host function with a descriptor says EBADF to one
// that is not open, and traps at nothing.
func TestBadDescriptors(t *testing.T) {
	g := newGuest(t, Process{})
	closed := g.open("/f", oCREAT|oRDWR)
	g.want(0, "fd_close", closed)
	iov, _ := g.iov(4)
	p := g.alloc(512)
	for _, c := range []struct {
		name string
		args []any // after the descriptor
	}{
		{"__syscall_dup", nil},
		{"__syscall_dup3", []any{9, 0}},
		{"__syscall_fcntl64", []any{0, p}},
		{"__syscall_fcntl64", []any{3, p}},
		{"__syscall_ioctl", []any{0x5413, p}},
		{"__syscall_ftruncate64", []any{int64(0)}},
		{"__syscall_fallocate", []any{0, int64(0), int64(1)}},
		{"__syscall_fdatasync", nil},
		{"__syscall_fadvise64", []any{int64(0), int64(0), 0}},
		{"__syscall_fstat64", []any{p}},
		{"__syscall_fchmod", []any{0}},
		{"__syscall_fchown32", []any{0, 0}},
		{"__syscall_fchownat", []any{"f", 0, 0, 0}},
		{"__syscall_getdents64", []any{p, 512}},
		{"__syscall_openat", []any{"f", 0, 0}},
		{"__syscall_newfstatat", []any{"f", p, 0}},
		{"__syscall_faccessat", []any{"f", 0, 0}},
		{"__syscall_fchmodat2", []any{"f", 0, 0}},
		{"__syscall_mkdirat", []any{"f", 0}},
		{"__syscall_unlinkat", []any{"f", 0}},
		{"__syscall_readlinkat", []any{"f", p, 9}},
		{"__syscall_renameat", []any{"f", atFDCWD, "g"}},
		{"__syscall_linkat", []any{"f", atFDCWD, "g", 0}},
		{"fd_close", nil},
		{"fd_sync", nil},
		{"fd_fdstat_get", []any{p}},
		{"fd_seek", []any{int64(0), 0, p}},
		{"fd_read", []any{iov, 1, p}},
		{"fd_write", []any{iov, 1, p}},
		{"fd_pread", []any{iov, 1, int64(0), p}},
		{"fd_pwrite", []any{iov, 1, int64(0), p}},
	} {
		for _, fd := range []int{closed, 9999, maxFDs, -1, -1 << 31, 1<<31 - 1} {
			g.want(eBADF, c.name, append([]any{fd}, c.args...)...)
		}
	}
	length, addr := g.alloc(4), g.alloc(4)
	g.want(eBADF, "_mmap_js", 65536, 1, 1, closed, int64(0), length, addr)
	g.want(eBADF, "__syscall_dup3", closed, 1, 0)
	g.want(eBADF, "__syscall_symlinkat", "target", closed, "name")
}

func TestDup(t *testing.T) {
	const fDUPFD, fDUPFDCLOEXEC = 0, 1030
	g := newGuest(t, Process{})
	g.file("/f", "0123456789")
	fd := g.open("/f", oRDONLY)
	g.want(4, "__syscall_dup", fd)
	g.want(5, "__syscall_dup", 0)
	if a, b := g.read(fd, 3), g.read(4, 3); a+b != "012345" {
		t.Errorf("%q then %q: a dup has a position of its own", a, b)
	}
	if other := g.open("/f", oRDONLY); g.read(other, 3) != "012" {
		t.Error("a second open shares the position of the first")
	}

	g.want(20, "__syscall_fcntl64", fd, fDUPFD, mode(20))
	g.want(21, "__syscall_fcntl64", fd, fDUPFDCLOEXEC, mode(20))
	g.want(7, "__syscall_fcntl64", fd, fDUPFD, mode(0)) // 20 left a gap
	g.want(eINVAL, "__syscall_fcntl64", fd, fDUPFD, mode(maxFDs))
	g.want(eINVAL, "__syscall_fcntl64", fd, fDUPFD, mode(1<<31))

	g.want(40, "__syscall_dup3", fd, 40, 0)
	g.want(4, "__syscall_dup3", 1, 4, 0) // closes what was there
	g.want(eINVAL, "__syscall_dup3", fd, fd, 0)
	g.want(eBADF, "__syscall_dup3", fd, -1, 0)
	g.want(eBADF, "__syscall_dup3", fd, maxFDs, 0)
	g.want(maxFDs-1, "__syscall_dup3", fd, maxFDs-1, 0)

	// The description lives until the last descriptor is closed.
	g.want(0, "__syscall_unlinkat", atFDCWD, "/f", 0)
	g.want(0, "fd_close", fd)
	if got := g.read(40, 10); got != "6789" {
		t.Errorf("%q through the dup of a closed descriptor of a removed file", got)
	}
}

func TestFcntl(t *testing.T) {
	const fGETFD, fSETFD, fGETFL, fSETFL, fGETLK, fSETLK, fSETLKW = 1, 2, 3, 4, 12, 13, 14
	g := newGuest(t, Process{})
	fd := g.open("/f", oCREAT|oTRUNC|oEXCL|oRDWR)
	g.want(0, "__syscall_fcntl64", fd, fSETFD, mode(1))
	g.want(0, "__syscall_fcntl64", fd, fGETFD, 0)
	g.want(oRDWR, "__syscall_fcntl64", fd, fGETFL, 0)
	g.want(0, "__syscall_fcntl64", fd, fSETFL, mode(oAPPEND|oWRONLY))
	g.want(oRDWR|oAPPEND, "__syscall_fcntl64", fd, fGETFL, 0) // the access mode stays
	g.write(fd, "one")
	pos := g.alloc(8)
	g.want(0, "fd_seek", fd, int64(0), 0, pos)
	g.write(fd, "two")
	if got := g.content("/f"); got != "onetwo" {
		t.Errorf("content %q: the second write did not append", got)
	}
	lock := g.put([]byte{1, 0, 2, 0, 9, 9, 9, 9}) // F_WRLCK, SEEK_END
	g.want(0, "__syscall_fcntl64", fd, fGETLK, mode(lock))
	if got := g.Bytes(lock, 8); !slices.Equal(got, []byte{2, 0, 2, 0, 9, 9, 9, 9}) {
		t.Errorf("struct flock %v, expected F_UNLCK and nothing else changed", got)
	}
	g.want(0, "__syscall_fcntl64", fd, fSETLK, mode(lock))
	g.want(0, "__syscall_fcntl64", fd, fSETLKW, mode(lock))
	g.want(eINVAL, "__syscall_fcntl64", fd, 99, 0)
	g.want(eNOTTY, "__syscall_ioctl", fd, 0x5413, 0)
	g.want(eNOTTY, "__syscall_ioctl", 1, 0x5413, 0)
}

func TestPipe(t *testing.T) {
	g := newGuest(t, Process{})
	fds := g.alloc(8)
	g.want(0, "__syscall_pipe2", fds, 0)
	r, w := int(g.Uint32(fds)), int(g.Uint32(fds+4))
	if r != 3 || w != 4 {
		t.Errorf("descriptors %d and %d", r, w)
	}
	if got := g.read(r, 10); got != "" {
		t.Errorf("%q out of an empty pipe", got)
	}
	g.write(w, "one")
	g.write(w, "two")
	if a, b := g.read(r, 4), g.read(r, 4); a != "onet" || b != "wo" {
		t.Errorf("%q, %q", a, b)
	}
	iov, _ := g.iov(maxPipe, 1)
	n, st := g.alloc(8), g.alloc(96)
	g.want(eBADF, "fd_read", w, iov, 1, n)
	g.want(eBADF, "fd_write", r, iov, 1, n)
	g.want(0, "fd_write", w, iov, 1, n)
	g.want(eAGAIN, "fd_write", w, iov+8, 1, n) // full
	g.want(eSPIPE, "fd_seek", r, int64(0), 1, n)
	g.want(eSPIPE, "fd_pread", r, iov, 1, int64(0), n)
	g.want(eSPIPE, "fd_pwrite", w, iov, 1, int64(0), n)
	g.want(eINVAL, "fd_sync", w)
	g.want(eINVAL, "__syscall_ftruncate64", w, int64(0))
	g.want(eNOTSUP, "__syscall_fallocate", w, 0, int64(0), int64(1))
	g.want(0, "__syscall_fstat64", r, st)
	if m := g.readStat(st).mode; m != 0o010600 {
		t.Errorf("mode %#o", m)
	}
	g.want(0, "fd_close", r)
	g.want(0, "fd_close", w)
	g.want(3, "__syscall_dup", 0)
}

func TestSeek(t *testing.T) {
	const set, cur, end = 0, 1, 2
	g := newGuest(t, Process{})
	g.file("/f", "0123456789")
	fd := g.open("/f", oRDWR)
	pos := g.alloc(8)
	for _, c := range []struct {
		off    int64
		whence int
		want   any
	}{
		{4, set, int64(4)}, {2, cur, int64(6)}, {-6, cur, int64(0)}, {-1, cur, eINVAL},
		{0, end, int64(10)}, {5, end, int64(15)}, {-11, end, eINVAL}, {-1, set, eINVAL},
		{1 << 40, set, int64(1 << 40)}, {1<<63 - 1, cur, eINVAL}, {0, 3, eINVAL}, {0, -1, eINVAL},
		{0, cur, int64(1 << 40)}, // the failed ones moved nothing
	} {
		if e, ok := c.want.(errno); ok {
			g.want(e, "fd_seek", fd, c.off, c.whence, pos)
			continue
		}
		g.want(0, "fd_seek", fd, c.off, c.whence, pos)
		if got := int64(g.Uint32(pos)) | int64(g.Uint32(pos+4))<<32; got != c.want {
			t.Errorf("seek %d from %d: %d, expected %d", c.off, c.whence, got, c.want)
		}
	}
	if got := g.read(fd, 4); got != "" {
		t.Errorf("%q beyond the end", got)
	}
	g.want(0, "fd_seek", fd, int64(12), set, pos)
	g.write(fd, "x")
	if got := g.content("/f"); got != "0123456789\x00\x00x" {
		t.Errorf("content %q", got)
	}
	g.want(eSPIPE, "fd_seek", 1, int64(0), cur, pos)
}

// TestIovecs: empty ones first, in between and last; none at all; a short read.
func TestIovecs(t *testing.T) {
	g := newGuest(t, Process{})
	for _, c := range []struct{ lengths []int }{
		{[]int{5}}, {[]int{0, 5}}, {[]int{0, 0, 2, 0, 3}}, {[]int{5, 0}}, {[]int{1, 1, 1, 1, 1}}, {[]int{0, 0}}, {nil},
	} {
		t.Run(fmt.Sprint(c.lengths), func(t *testing.T) {
			total := 0
			for _, n := range c.lengths {
				total += n
			}
			fd := g.open("/f", oCREAT|oTRUNC|oRDWR)
			iov, buf := g.iov(c.lengths...)
			n, pos := g.alloc(4), g.alloc(8)
			copy(g.Bytes(buf, uint32(total)), "hello")
			check := func(want int) {
				t.Helper()
				if got := g.Uint32(n); got != uint32(want) {
					t.Errorf("%d bytes, expected %d", got, want)
				}
			}
			g.want(0, "fd_write", fd, iov, len(c.lengths), n)
			check(total)
			g.want(0, "fd_pwrite", fd, iov, len(c.lengths), int64(total), n)
			check(total)
			if got := g.content("/f"); got != strings.Repeat("hello"[:total], 2) {
				t.Errorf("content %q", got)
			}
			clear(g.Bytes(buf, uint32(total)))
			g.want(0, "fd_pread", fd, iov, len(c.lengths), int64(1), n)
			check(total)
			if want := "elloh"; total == 5 && string(g.Bytes(buf, 5)) != want {
				t.Errorf("read %q, expected %q", g.Bytes(buf, 5), want)
			}
			g.want(0, "fd_seek", fd, int64(2*total-total/2), 0, pos)
			g.want(0, "fd_read", fd, iov, len(c.lengths), n)
			check(total / 2)
			g.want(0, "fd_read", fd, iov, len(c.lengths), n)
			check(0)
			g.want(0, "fd_close", fd)
		})
	}
}

// TestPositioned: pread and pwrite leave the position alone, and have none
// where there is none.
func TestPositioned(t *testing.T) {
	g := newGuest(t, Process{})
	fd := g.open("/f", oCREAT|oRDWR)
	iov, buf := g.iov(4)
	n := g.alloc(4)
	copy(g.Bytes(buf, 4), "data")
	g.want(0, "fd_pwrite", fd, iov, 1, int64(3), n) // beyond the end: a gap of zeros
	g.write(fd, "ab")
	if got := g.content("/f"); got != "ab\x00data" {
		t.Errorf("content %q", got)
	}
	g.want(0, "fd_pread", fd, iov, 1, int64(5), n)
	if got := string(g.Bytes(buf, g.Uint32(n))); got != "ta" {
		t.Errorf("read %q", got)
	}
	g.want(0, "fd_pread", fd, iov, 1, int64(7), n)
	if got := g.Uint32(n); got != 0 {
		t.Errorf("%d bytes at the end", got)
	}
	g.want(0, "fd_pread", fd, iov, 1, int64(1<<50), n)
	g.want(eINVAL, "fd_pread", fd, iov, 1, int64(-1), n)
	g.want(eINVAL, "fd_pwrite", fd, iov, 1, int64(-1), n)
	g.want(eSPIPE, "fd_pwrite", 1, iov, 1, int64(0), n)
	dir := g.open("/", oDIRECTORY)
	g.want(eISDIR, "fd_pread", dir, iov, 1, int64(0), n)
	g.want(eBADF, "fd_pwrite", dir, iov, 1, int64(0), n)
}

// TestShortWrite: bytes that were written before the disk was full count; the
// next write tells why.
func TestShortWrite(t *testing.T) {
	tree := vfs.NewMemory(vfs.MemoryOptions{Limit: 2 * vfs.BlockSize})
	defer tree.Close()
	g := newGuest(t, Process{FS: vfs.NewNamespace(tree)})
	fd := g.open("/f", oCREAT|oRDWR)
	iov, buf := g.iov(vfs.BlockSize, 3*vfs.BlockSize)
	copy(g.Bytes(buf, 4*vfs.BlockSize), strings.Repeat("x", 4*vfs.BlockSize))
	n := g.alloc(4)
	g.want(0, "fd_write", fd, iov, 2, n)
	if got := g.Uint32(n); got != 2*vfs.BlockSize {
		t.Errorf("%d bytes written", got)
	}
	g.want(eNOSPC, "fd_write", fd, iov, 1, n)
	g.want(eNOSPC, "__syscall_fallocate", fd, 0, int64(0), int64(5*vfs.BlockSize))
}

func TestAllocate(t *testing.T) {
	g := newGuest(t, Process{})
	g.file("/f", "content")
	fd := g.open("/f", oRDWR)
	g.want(0, "__syscall_fallocate", fd, 0, int64(5), int64(5))
	g.want(0, "__syscall_fallocate", fd, 0, int64(0), int64(2))
	if got := g.content("/f"); got != "content\x00\x00\x00" {
		t.Errorf("content %q", got)
	}
	g.want(eNOTSUP, "__syscall_fallocate", fd, 1, int64(0), int64(20)) // FALLOC_FL_KEEP_SIZE
	g.want(eINVAL, "__syscall_fallocate", fd, 0, int64(-1), int64(5))
	g.want(eINVAL, "__syscall_fallocate", fd, 0, int64(0), int64(0))
	g.want(0, "fd_sync", fd)
	g.want(0, "__syscall_fdatasync", fd)
	g.want(0, "__syscall_fadvise64", fd, int64(0), int64(0), 3)
	g.want(eINVAL, "fd_sync", 1)
	dir := g.open("/", oDIRECTORY)
	g.want(0, "fd_sync", dir)
}

func TestFdstat(t *testing.T) {
	g := newGuest(t, Process{})
	g.file("/f", "")
	p := g.alloc(24)
	for fd, want := range map[int]byte{0: 2, g.open("/f", oRDONLY): 4, g.open("/", oDIRECTORY): 3, g.open("/dev/null", oRDWR): 2} {
		g.want(0, "fd_fdstat_get", fd, p)
		if got := g.Bytes(p, 1)[0]; got != want {
			t.Errorf("file type %d, expected %d", got, want)
		}
	}
}

// TestExhaustion fills the descriptor table: EMFILE, nothing leaks, and the
// lowest descriptor that becomes free is the next one.
func TestExhaustion(t *testing.T) {
	g := newGuest(t, Process{})
	g.file("/f", "")
	for want := 3; want < maxFDs; want++ {
		g.want(want, "__syscall_fcntl64", 0, 0, mode(want))
	}
	fds := g.alloc(8)
	g.want(eMFILE, "__syscall_dup", 0)
	g.want(eMFILE, "__syscall_fcntl64", 0, 0, mode(100))
	g.want(eMFILE, "__syscall_openat", atFDCWD, "/f", 0, 0)
	g.want(eMFILE, "__syscall_openat", atFDCWD, "/dev/null", 0, 0)
	g.want(eMFILE, "__syscall_pipe2", fds, 0)
	g.want(0, "fd_close", 777)
	g.want(eMFILE, "__syscall_pipe2", fds, 0) // one is not enough for two
	g.want(777, "__syscall_openat", atFDCWD, "/f", 0, 0)
	g.want(eMFILE, "__syscall_dup", 0)
}

func TestDevices(t *testing.T) {
	var out, errs strings.Builder
	in := vfs.NewMemory(vfs.MemoryOptions{})
	defer in.Close()
	if err := in.PutFile("/in", 0o644, []byte("input")); err != nil {
		t.Fatal(err)
	}
	stdin, err := in.Open("/in", vfs.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	g := newGuest(t, Process{
		Stdin:  stdin,
		Stdout: func(p []byte) { out.Write(p) },
		Stderr: func(p []byte) { errs.Write(p) },
	})
	if a, b := g.read(0, 3), g.read(0, 9); a+b != "input" {
		t.Errorf("standard input %q, %q", a, b)
	}
	g.write(1, "to out")
	g.write(2, "to err")
	g.write(g.open("/dev/stdout", oWRONLY), "!")
	g.write(g.open("/dev/tty", oWRONLY), "!")
	g.write(g.open("/dev/null", oWRONLY), "nowhere")
	if out.String() != "to out!" || errs.String() != "to err!" {
		t.Errorf("out %q, err %q", out.String(), errs.String())
	}
	if got := g.read(g.open("/dev/null", oRDONLY), 10); got != "" {
		t.Errorf("/dev/null has %q", got)
	}
	if got := g.read(g.open("/dev/zero", oRDONLY), 10); got != strings.Repeat("\x00", 10) {
		t.Errorf("/dev/zero has %q", got)
	}
	random := g.open("/dev/urandom", oRDONLY)
	if a, b := g.read(random, 32), g.read(random, 32); a == b || len(a) != 32 {
		t.Errorf("/dev/urandom repeats itself: %x", a)
	}
	g.want(eNOENT, "__syscall_openat", atFDCWD, "/dev/none", 0, 0)

	silent := newGuest(t, Process{})
	if got := silent.read(0, 10); got != "" {
		t.Errorf("no input is %q", got)
	}
	silent.write(1, "nobody listens")
}

// TestWrote: the owner is told of each write to a file that has been done.
func TestWrote(t *testing.T) {
	tree := vfs.NewMemory(vfs.MemoryOptions{})
	defer tree.Close()
	wrote := 0
	g := newGuest(t, Process{FS: vfs.NewNamespace(tree), Wrote: func() { wrote++ }})
	g.file("/f", "content")
	wrote = 0
	fd := g.open("/f", oRDWR)
	g.write(fd, "one")
	g.write(fd, "two")
	g.write(1, "to standard output")
	g.read(fd, 1)
	if wrote != 2 {
		t.Errorf("told of %d writes", wrote)
	}
}

// TestBlocking: what waits for a disk runs inside of Blocking, its error comes
// through, and what fails before runs nowhere.
func TestBlocking(t *testing.T) {
	tree := vfs.NewMemory(vfs.MemoryOptions{})
	defer tree.Close()
	fault := vfs.NewFault(tree)
	var blocked, synced int
	proc := Process{FS: vfs.NewNamespace(fault), Blocking: func(do func()) {
		blocked++
		fault.SetRule(func(c vfs.Call) vfs.Break {
			if c.Op == vfs.OpSync || c.Op == vfs.OpSyncDir {
				synced++
			}
			if blocked == 4 {
				return vfs.Break{Err: syscall.EIO}
			}
			return vfs.Break{}
		})
		do()
		fault.SetRule(nil)
	}}
	g := newGuest(t, proc)
	g.file("/f", "content")
	fd, dir := g.open("/f", oRDWR), g.open("/", oDIRECTORY)
	for k, c := range []struct {
		want errno
		call string
		fd   int
	}{
		{0, "fd_sync", fd}, {0, "__syscall_fdatasync", fd}, {0, "fd_sync", dir}, {eIO, "fd_sync", fd},
		{eBADF, "fd_sync", 9}, {eINVAL, "__syscall_fdatasync", 1},
	} {
		g.want(c.want, c.call, c.fd)
		if n := min(k+1, 4); blocked != n || synced != n {
			t.Errorf("call %d: blocked %d times, synced %d times within, expected %d", k, blocked, synced, n)
		}
	}
}
