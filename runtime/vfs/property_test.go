package vfs_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// TestMemoryIsDir does the same random things to a Memory and to a directory
// of the host, which must answer alike, errno by errno. On the way the Memory
// is replaced by clones of itself, and clones that are left behind must not
// change. rapid logs the seed of a failure.
func TestMemoryIsDir(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		host, err := os.MkdirTemp(t.TempDir(), "")
		must(t, err)
		must(t, os.Chmod(host, 0o755)) // as the root of a new Memory
		dir, err := vfs.OpenDir(host)
		must(t, err)
		p := &pair{t: t, mem: vfs.NewMemory(vfs.MemoryOptions{}), dir: dir}
		defer p.close()
		rt.Repeat(map[string]func(*rapid.T){
			"open":     p.open,
			"write":    p.write,
			"read":     p.read,
			"truncate": p.truncate,
			"allocate": p.allocate,
			"close":    p.closeOne,
			"names":    p.names,
			"rename":   p.rename,
			"stat":     p.stat,
			"clone":    p.clone,
			"":         func(*rapid.T) {},
		})
		p.compare(rt)
	})
}

// pair is a Memory and a Dir with the same contents.
type pair struct {
	t     *testing.T
	mem   *vfs.Memory
	dir   *vfs.Dir
	files []twin
	left  []clone
}

type twin struct{ mem, dir vfs.File }

// clone is a clone that was left behind, and what it held then.
type clone struct {
	mem  *vfs.Memory
	dump string
}

var (
	someName = rapid.SampledFrom([]string{
		"/a", "/b", "/d", "/d/a", "/d/b", "/d/e", "/d/e/a", "/f/b", "/f", "/a/x", "/",
	})
	someOffset = rapid.Custom(func(t *rapid.T) int64 {
		return int64(rapid.IntRange(0, 4).Draw(t, "page"))*page +
			int64(rapid.SampledFrom([]int{0, 0, 0, 1, 512, page - 1}).Draw(t, "byte"))
	})
	someSize = rapid.SampledFrom([]int{0, 1, 100, page - 1, page, page + 1, 2 * page})
)

func (p *pair) same(t *rapid.T, call string, mem, dir error) bool {
	if vfs.Errno(mem) != vfs.Errno(dir) {
		t.Fatalf("%s: memory %v, directory %v", call, mem, dir)
	}
	return mem == nil
}

func (p *pair) open(t *rapid.T) {
	name := someName.Draw(t, "name")
	flag := rapid.SampledFrom([]int{vfs.ReadOnly, vfs.WriteOnly, vfs.ReadWrite}).Draw(t, "access")
	for _, f := range []int{vfs.Create, vfs.Create, vfs.Exclusive | vfs.Create, vfs.Truncate} {
		if flag != vfs.ReadOnly && rapid.Bool().Draw(t, "flag") {
			flag |= f
		}
	}
	m, merr := p.mem.Open(name, flag, 0o600)
	d, derr := p.dir.Open(name, flag, 0o600)
	if !p.same(t, fmt.Sprintf("open %s %#x", name, flag), merr, derr) {
		return
	}
	p.files = append(p.files, twin{m, d})
	if len(p.files) > 8 {
		p.drop(t, 0)
	}
}

// file picks an open file; there may be none.
func (p *pair) file(t *rapid.T) (int, twin) {
	if len(p.files) == 0 {
		t.Skip("no open file")
	}
	i := rapid.IntRange(0, len(p.files)-1).Draw(t, "file")
	return i, p.files[i]
}

func (p *pair) closeOne(t *rapid.T) {
	i, _ := p.file(t)
	p.drop(t, i)
}

func (p *pair) drop(t *rapid.T, i int) {
	f := p.files[i]
	p.files = slices.Delete(p.files, i, i+1)
	p.same(t, "close", f.mem.Close(), f.dir.Close())
}

func (p *pair) write(t *rapid.T) {
	_, f := p.file(t)
	data := bytes.Repeat([]byte{rapid.Byte().Draw(t, "fill")}, someSize.Draw(t, "size"))
	off := someOffset.Draw(t, "offset")
	m, merr := f.mem.WriteAt(data, off)
	d, derr := f.dir.WriteAt(data, off)
	if p.same(t, "write", merr, derr); m != d {
		t.Fatalf("write: memory %d, directory %d", m, d)
	}
}

func (p *pair) read(t *rapid.T) {
	_, f := p.file(t)
	size, off := someSize.Draw(t, "size"), someOffset.Draw(t, "offset")
	mp, dp := filled(0xaa, size), filled(0xaa, size)
	m, merr := f.mem.ReadAt(mp, off)
	d, derr := f.dir.ReadAt(dp, off)
	if info, _ := f.mem.Stat(); size == 0 && info.Mode.IsDir() {
		return // an empty read of a directory is the host's choice
	}
	if p.same(t, "read", merr, derr); m != d || !bytes.Equal(mp, dp) {
		t.Fatalf("read of %d at %d: memory %d, directory %d", size, off, m, d)
	}
}

func (p *pair) truncate(t *rapid.T) {
	_, f := p.file(t)
	size := someOffset.Draw(t, "size")
	p.same(t, "truncate", f.mem.Truncate(size), f.dir.Truncate(size))
}

func (p *pair) allocate(t *rapid.T) {
	_, f := p.file(t)
	off, n := someOffset.Draw(t, "offset"), int64(someSize.Draw(t, "size"))
	p.same(t, "allocate", f.mem.Allocate(off, n), f.dir.Allocate(off, n))
}

func (p *pair) names(t *rapid.T) {
	name := someName.Draw(t, "name")
	switch call := rapid.SampledFrom([]string{"mkdir", "unlink", "rmdir", "chmod", "syncdir"}).Draw(t, "call"); call {
	case "mkdir":
		p.same(t, call+" "+name, p.mem.Mkdir(name, 0o700), p.dir.Mkdir(name, 0o700))
	case "unlink":
		p.same(t, call+" "+name, p.mem.Unlink(name), p.dir.Unlink(name))
	case "rmdir":
		p.same(t, call+" "+name, p.mem.Rmdir(name), p.dir.Rmdir(name))
	case "chmod":
		p.same(t, call+" "+name, p.mem.Chmod(name, 0o700), p.dir.Chmod(name, 0o700))
	case "syncdir":
		p.same(t, call+" "+name, p.mem.SyncDir(name), p.dir.SyncDir(name))
	}
}

func (p *pair) rename(t *rapid.T) {
	from, to := someName.Draw(t, "from"), someName.Draw(t, "to")
	if rapid.IntRange(0, 3).Draw(t, "link") == 0 {
		m, d := p.mem.Link(from, to), p.dir.Link(from, to)
		if m == nil || d == nil { // os.Root looks at the second name first
			p.same(t, "link "+from+" "+to, m, d)
		}
		return
	}
	p.same(t, "rename "+from+" "+to, p.mem.Rename(from, to), p.dir.Rename(from, to))
}

func (p *pair) stat(t *rapid.T) {
	name := someName.Draw(t, "name")
	m, merr := p.mem.Stat(name)
	d, derr := p.dir.Stat(name)
	if p.same(t, "stat "+name, merr, derr) {
		p.alike(t, name, m, d)
	}
	if len(p.files) > 0 {
		_, f := p.file(t)
		m, merr = f.mem.Stat()
		d, derr = f.dir.Stat()
		p.same(t, "fstat", merr, derr)
		p.alike(t, "open file", m, d)
	}
}

// alike compares what does not depend on the host: it counts links and bytes
// of directories in its own way.
func (p *pair) alike(t *rapid.T, name string, m, d vfs.Info) {
	if m.Mode.IsDir() && d.Mode.IsDir() {
		m.Size, d.Size, m.Nlink, d.Nlink = 0, 0, 0, 0
	}
	if m.Mode != d.Mode || m.Size != d.Size || m.Nlink != d.Nlink {
		t.Fatalf("%s: memory %+v, directory %+v", name, m, d)
	}
}

// clone goes on with a clone, or leaves one behind.
func (p *pair) clone(t *rapid.T) {
	before := dump(p.t, p.mem, "/")
	c := p.mem.Clone()
	if got := dump(p.t, c, "/"); got != before {
		t.Fatalf("clone holds %s, want %s", got, before)
	}
	if rapid.Bool().Draw(t, "stay") {
		p.left = append(p.left, clone{c, before})
		return
	}
	for len(p.files) > 0 {
		p.drop(t, 0)
	}
	if rapid.Bool().Draw(t, "close") {
		must(p.t, p.mem.Close())
	} else {
		p.left = append(p.left, clone{p.mem, before})
	}
	p.mem = c
}

func (p *pair) compare(t *rapid.T) {
	if m, d := dump(p.t, p.mem, "/"), dump(p.t, p.dir, "/"); m != d {
		t.Fatalf("memory %s, directory %s", m, d)
	}
	for i, c := range p.left {
		if got := dump(p.t, c.mem, "/"); got != c.dump {
			t.Fatalf("clone %d holds %s, held %s", i, got, c.dump)
		}
	}
}

func (p *pair) close() {
	for _, f := range p.files {
		f.mem.Close()
		f.dir.Close()
	}
	for _, c := range p.left {
		c.mem.Close()
	}
	p.mem.Close()
	p.dir.Close()
}

// dump is a whole tree as text.
func dump(t testing.TB, f vfs.FS, dir string) string {
	h, err := f.Open(dir, vfs.ReadOnly, 0)
	must(t, err)
	defer h.Close()
	list, err := h.ReadDir()
	must(t, err)
	var b bytes.Buffer
	for _, e := range list {
		name := path.Join(dir, e.Name)
		info, err := f.Lstat(name)
		must(t, err)
		if info.Ino != e.Ino || info.Mode.Type() != e.Type {
			t.Fatalf("%s: lstat %+v, list %+v", name, info, e)
		}
		if e.Type.IsDir() {
			fmt.Fprintf(&b, "%s %v {%s}\n", name, info.Mode, dump(t, f, name))
			continue
		}
		fmt.Fprintf(&b, "%s %v %d %q\n", name, info.Mode, info.Nlink, shorten(content(t, f, name)))
	}
	return b.String()
}

// TestCrashSurvivesAnything does random things to a Crash and cuts the power
// on the way: every tree that is left is whole, and once all is synced it is
// the live one.
func TestCrashSurvivesAnything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := vfs.NewCrash(vfs.NewMemory(vfs.MemoryOptions{}), vfs.CrashOptions{
			SyncEntry: rapid.Bool().Draw(rt, "sync entry"),
			WriteBack: rapid.SampledFrom([]int64{0, 1, 3 * page}).Draw(rt, "write back"),
		})
		defer c.Close()
		name := func(rt *rapid.T) string { return someName.Draw(rt, "name") }
		rt.Repeat(map[string]func(*rapid.T){
			"file": func(rt *rapid.T) {
				h, err := c.Open(name(rt), vfs.ReadWrite|vfs.Create, 0o600)
				if err != nil {
					return
				}
				defer h.Close()
				if _, err := h.WriteAt(filled('w', someSize.Draw(rt, "size")), someOffset.Draw(rt, "offset")); err != nil {
					rt.Fatal(err)
				}
				switch rapid.IntRange(0, 3).Draw(rt, "then") {
				case 0:
					must(t, h.Sync())
				case 1:
					must(t, h.Truncate(someOffset.Draw(rt, "truncate")))
				}
			},
			"mkdir":   func(rt *rapid.T) { c.Mkdir(name(rt), 0o700) },
			"rename":  func(rt *rapid.T) { c.Rename(name(rt), name(rt)) },
			"link":    func(rt *rapid.T) { c.Link(name(rt), name(rt)) },
			"unlink":  func(rt *rapid.T) { c.Unlink(name(rt)) },
			"rmdir":   func(rt *rapid.T) { c.Rmdir(name(rt)) },
			"syncdir": func(rt *rapid.T) { c.SyncDir(name(rt)) },
			"cut": func(rt *rapid.T) {
				seed := rapid.Uint64().Draw(rt, "seed")
				m := c.CrashClone(rand.New(rand.NewPCG(seed, 0)))
				dump(t, m, "/")
				must(t, m.Close())
			},
		})
		syncAll(t, c, "/")
		m := c.CrashClone(rand.New(rand.NewPCG(1, 1)))
		defer m.Close()
		if got, want := dump(t, m, "/"), dump(t, c, "/"); got != want {
			rt.Fatalf("all was synced, left %s, want %s", got, want)
		}
	})
}

func syncAll(t testing.TB, f vfs.FS, name string) {
	h, err := f.Open(name, vfs.ReadOnly, 0)
	must(t, err)
	defer h.Close()
	must(t, h.Sync())
	list, err := h.ReadDir()
	if vfs.Errno(err) == syscall.ENOTDIR {
		return
	}
	must(t, err)
	for _, e := range list {
		syncAll(t, f, path.Join(name, e.Name))
	}
}
