package vfstest

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErrno(t *testing.T, call string, err error, want syscall.Errno) {
	t.Helper()
	if vfs.Errno(err) != want {
		t.Errorf("%s: %v, want %v", call, err, want)
	}
}

// open opens a file until the end of the test.
func open(t *testing.T, f vfs.FS, name string, flag int) vfs.File {
	t.Helper()
	h, err := f.Open(name, flag, 0)
	must(t, err)
	t.Cleanup(func() { h.Close() })
	return h
}

// put makes a file or replaces its contents.
func put(t *testing.T, f vfs.FS, name, contents string) {
	t.Helper()
	h, err := f.Open(name, vfs.WriteOnly|vfs.Create|vfs.Truncate, 0o644)
	must(t, err)
	write(t, h, contents, 0)
	must(t, h.Close())
}

func write(t *testing.T, h vfs.File, p string, off int64) {
	t.Helper()
	if n, err := h.WriteAt([]byte(p), off); n != len(p) || err != nil {
		t.Fatalf("write of %d at %d: %d, %v", len(p), off, n, err)
	}
}

func read(t *testing.T, h vfs.File) string {
	t.Helper()
	info, err := h.Stat()
	must(t, err)
	p := make([]byte, info.Size+1)
	n, err := h.ReadAt(p, 0)
	must(t, err)
	if int64(n) != info.Size {
		t.Fatalf("read %d of %d", n, info.Size)
	}
	return string(p[:n])
}

func wantContent(t *testing.T, f vfs.FS, name, want string) {
	t.Helper()
	h, err := f.Open(name, vfs.ReadOnly, 0)
	must(t, err)
	defer h.Close()
	if got := read(t, h); got != want {
		if len(got) < 100 && len(want) < 100 {
			t.Fatalf("%s: %q, want %q", name, got, want)
		}
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		t.Fatalf("%s: %d bytes, want %d, differing at %d", name, len(got), len(want), at)
	}
}

func names(t *testing.T, f vfs.FS, dir string) []string {
	t.Helper()
	h, err := f.Open(dir, vfs.ReadOnly, 0)
	must(t, err)
	defer h.Close()
	list, err := h.ReadDir()
	must(t, err)
	var out []string
	for _, e := range list {
		out = append(out, e.Name)
	}
	return out
}

func same(a, b vfs.Info) bool {
	return a.Ino == b.Ino && a.Mode == b.Mode && a.Nlink == b.Nlink && a.Size == b.Size && a.Mtime.Equal(b.Mtime)
}

func chain(i int) string { return "chain" + strconv.Itoa(i) }

func pick(rng *rand.Rand, of ...int) int { return of[rng.IntN(len(of))] }

func fill(rng *rand.Rand, p []byte) {
	copy(p, bytes.Repeat([]byte{byte(rng.IntN(255) + 1)}, len(p)))
}
