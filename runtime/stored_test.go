package runtime

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// storedImageOf writes an image to a file.
func storedImageOf(t *testing.T, img *Image) (f *os.File, state []byte) {
	t.Helper()
	b, state, err := img.Store(nil)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err = os.Open(name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, state
}

// TestStoredImage: what comes from a file goes on as what comes from the image
// does, with memory, descriptors, their duplicates and pipes.
func TestStoredImage(t *testing.T) {
	tree := vfs.NewMemory(vfs.MemoryOptions{})
	defer tree.Close()
	g := newGuest(t, Process{FS: vfs.NewNamespace(tree), Dir: "/"})
	g.file("/f", "0123456789")
	fd := g.open("/f", oRDWR)
	same := int(g.sys("__syscall_dup", fd))
	null := g.open("/dev/null", oRDWR)
	g.read(fd, 3)
	ends := g.alloc(8)
	g.sys("__syscall_pipe2", ends, 0)
	out, in := int(g.Uint32(ends)), int(g.Uint32(ends+4))
	g.write(in, "in the pipe")
	at := g.put([]byte("memory"))
	img, err := g.Image()
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if found, err := img.Find([]byte("memory")); err != nil || len(found) != 1 || found[0] != at {
		t.Errorf("%q is at %d, not %d: %v", "memory", found, at, err)
	}
	f, state := storedImageOf(t, img)
	again, err := g.Program().OpenImage(f, state)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for range 2 {
		files := tree.Clone()
		defer files.Close()
		i, err := again.Restore(t.Context(), Process{FS: vfs.NewNamespace(files)})
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close()
		c := &guest{t: t, Instance: i, tree: files, free: g.free}
		if got := string(c.Bytes(at, 6)); got != "memory" {
			t.Errorf("it has %q in memory", got)
		}
		if got := c.read(fd, 2) + c.read(same, 2); got != "3456" { // dup shares the position
			t.Errorf("it reads %q", got)
		}
		if got := c.read(null, 1); got != "" {
			t.Errorf("it reads %q from /dev/null", got)
		}
		c.write(in, ", and more")
		if got := c.read(out, 100); got != "in the pipe, and more" {
			t.Errorf("it reads %q from the pipe", got)
		}
		copy(c.Bytes(at, 6), "clone ")
	}
}

// TestStoredImageRefused: a state that does not fit together makes no image.
func TestStoredImageRefused(t *testing.T) {
	g := newGuest(t, Process{})
	g.file("/f", "0123456789")
	g.open("/f", oRDWR)
	img, err := g.Image()
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	f, state := storedImageOf(t, img)
	for name, harm := range map[string]func(s *storedImage){
		"another table":        func(s *storedImage) { s.Tables++ },
		"no such device":       func(s *storedImage) { s.Open[0].Device = "floppy" },
		"a descriptor of none": func(s *storedImage) { s.FDs = append(s.FDs, 99) },
		"a mapping of none":    func(s *storedImage) { s.Maps = append(s.Maps, storedMap{Of: 99}) },
		"a pipe that comes":    func(s *storedImage) { later := 99; s.Open[0].Pipe = &later },
		"a pipe that is none":  func(s *storedImage) { first := 0; s.Open[1].Pipe = &first },
		"pages beyond":         func(s *storedImage) { s.Runs[0].At = 1 << 40 },
	} {
		var s storedImage
		if err := json.Unmarshal(state, &s); err != nil {
			t.Fatal(err)
		}
		harm(&s)
		bad, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Program().OpenImage(f, bad); err == nil {
			t.Errorf("%s: an image was opened", name)
		}
	}
	if _, err := g.Program().OpenImage(f, state[:len(state)/2]); err == nil {
		t.Error("half a state: an image was opened")
	}
}
