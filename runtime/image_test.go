package runtime

import (
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// TestImage: an instance made from an image goes on where the other was, and
// neither sees what the other does from then on.
func TestImage(t *testing.T) {
	tree := vfs.NewMemory(vfs.MemoryOptions{})
	defer tree.Close()
	g := newGuest(t, Process{FS: vfs.NewNamespace(tree), Dir: "/"})
	g.file("/f", "0123456789")
	fd := g.open("/f", oRDWR)
	same := int(g.sys("__syscall_dup", fd))
	if got := g.read(fd, 3); got != "012" {
		t.Fatalf("read %q", got)
	}
	at := g.put([]byte("memory"))
	img, err := g.Image()
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if img.Held() == 0 {
		t.Error("the image holds nothing")
	}
	clones := make([]*guest, 2)
	for k := range clones {
		files := tree.Clone()
		defer files.Close()
		i, err := img.Restore(t.Context(), Process{FS: vfs.NewNamespace(files)})
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close()
		clones[k] = &guest{t: t, Instance: i, tree: files, free: g.free}
	}
	g.write(fd, "xyz")
	copy(g.Bytes(at, 6), "MEMORY")
	for k, c := range clones {
		if got := string(c.Bytes(at, 6)); got != "memory" {
			t.Errorf("clone %d has %q in memory", k, got)
		}
		if got := c.read(fd, 2); got != "34" {
			t.Errorf("clone %d reads %q", k, got)
		}
		if got := c.read(same, 2); got != "56" { // dup shares the position
			t.Errorf("clone %d reads %q from the duplicate", k, got)
		}
		if c.StackPointer() != g.StackPointer() {
			t.Errorf("clone %d has its stack at %d, not %d", k, c.StackPointer(), g.StackPointer())
		}
		copy(c.Bytes(at, 6), "clone ")
	}
	if got := string(g.Bytes(at, 6)); got != "MEMORY" {
		t.Errorf("the first has %q in memory", got)
	}
	if got := g.content("/f"); got != "012xyz6789" {
		t.Errorf("the first has the file %q", got)
	}
	again, err := clones[0].Image()
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	i, err := again.Restore(t.Context(), Process{FS: vfs.NewNamespace(clones[0].tree)})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if got := string(i.Bytes(at, 6)); got != "clone " {
		t.Errorf("the clone of a clone has %q in memory", got)
	}
}

// TestImageOfGoneFile: a file that is open and has no name any more can't be
// opened again.
func TestImageOfGoneFile(t *testing.T) {
	g := newGuest(t, Process{})
	g.file("/f", "content")
	g.open("/f", oRDWR)
	if err := g.tree.Unlink("/f"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Image(); err == nil {
		t.Error("an image was taken")
	}
}
