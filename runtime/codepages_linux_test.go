//go:build amd64 || arm64

package runtime

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeCode maps pages that can be executed, as wazero does, and fills them.
func fakeCode(t *testing.T, size int, fill string) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(b) })
	copy(b, bytes.Repeat([]byte(fill), size/len(fill)))
	if err := unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		t.Skip("this system lets nobody make code: ", err)
	}
	return b
}

func codeFile(t *testing.T, c codePages) *os.File {
	t.Helper()
	var b bytes.Buffer
	if err := c.write(&b); err != nil {
		t.Skip("this system lets nobody read its own memory: ", err)
	}
	name := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func mappedFrom(t *testing.T, name string) bool {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(maps), name)
}

// TestCodePages: code is found by what loading it adds, and replaced by a file
// with the same bytes, and by no other.
func TestCodePages(t *testing.T) {
	const size = 3 << 20
	var code []byte
	c, err := addedCode(func() error { code = fakeCode(t, size, "machine code "); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if c.size == 0 {
		t.Skip("the kernel has made one mapping of this code and another's")
	}
	was := bytes.Clone(code)
	f := codeFile(t, c)
	if _, err := f.WriteAt([]byte("other"), size/2); err != nil {
		t.Fatal(err)
	}
	if err := c.replace(f); !errors.Is(err, ErrOtherCode) || mappedFrom(t, f.Name()) {
		t.Errorf("by a file with other code: %v", err)
	}
	if err := f.Truncate(size / 2); err != nil {
		t.Fatal(err)
	}
	if err := c.replace(f); !errors.Is(err, ErrOtherCode) || mappedFrom(t, f.Name()) {
		t.Errorf("by a file that is too short: %v", err)
	}
	f = codeFile(t, c)
	if err := c.replace(f); err != nil {
		t.Fatal(err)
	}
	if !mappedFrom(t, f.Name()) || !bytes.Equal(code, was) {
		t.Error("the code is not the file's, or has changed")
	}
	// What is no code any more, or no longer anonymous, is left alone.
	if err := c.replace(f); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a second time: %v", err)
	}
}

// TestCodePagesUnclear: nothing is taken for the code when several mappings have
// come, or none.
func TestCodePagesUnclear(t *testing.T) {
	for name, load := range map[string]func() error{
		"nothing":   func() error { return nil },
		"too small": func() error { fakeCode(t, minCode/2, "code"); return nil },
		"two": func() error {
			b := fakeCode(t, 6*minCode, "code")
			return unix.Mprotect(b[2*minCode:4*minCode], unix.PROT_NONE)
		},
	} {
		if c, err := addedCode(load); err != nil || c.size != 0 {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	failed := errors.New("no")
	if c, err := addedCode(func() error { fakeCode(t, 2*minCode, "code"); return failed }); err != failed || c.size != 0 {
		t.Errorf("after an error: %+v, %v", c, err)
	}
}
