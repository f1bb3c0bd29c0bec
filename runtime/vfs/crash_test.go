package vfs_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

func newCrash(t testing.TB, o vfs.CrashOptions) *vfs.Crash {
	c := vfs.NewCrash(vfs.NewMemory(vfs.MemoryOptions{}), o)
	t.Cleanup(func() { c.Close() })
	return c
}

// tree is every file of a file system as "name=contents", runs of one byte
// shortened.
func tree(t testing.TB, f vfs.FS, dir string) string {
	h, err := f.Open(dir, vfs.ReadOnly, 0)
	must(t, err)
	defer h.Close()
	list, err := h.ReadDir()
	must(t, err)
	var out []string
	for _, e := range list {
		name := path.Join(dir, e.Name)
		switch {
		case e.Type.IsDir():
			out = append(out, name+"/")
			if below := tree(t, f, name); below != "" {
				out = append(out, below)
			}
		default:
			out = append(out, name+"="+shorten(content(t, f, name)))
		}
	}
	return strings.Join(out, " ")
}

// shorten writes sectors as one letter each, "." for zeros and "?" for a mix.
func shorten(s string) string {
	if len(s) < 512 {
		return strings.ReplaceAll(s, "\x00", ".")
	}
	var b strings.Builder
	for ; s != ""; s = s[min(512, len(s)):] {
		sector := s[:min(512, len(s))]
		switch {
		case strings.Trim(sector, sector[:1]) != "":
			b.WriteByte('?')
		case sector[0] == 0:
			b.WriteByte('.')
		default:
			b.WriteByte(sector[0])
		}
	}
	return b.String()
}

// outcomes are all trees that cuts leave.
func outcomes(t testing.TB, c *vfs.Crash, cuts int) []string {
	seen := map[string]bool{}
	for seed := range cuts {
		m := c.CrashClone(rand.New(rand.NewPCG(uint64(seed), 0)))
		seen[tree(t, m, "/")] = true
		must(t, m.Close())
	}
	return slices.Sorted(maps.Keys(seen))
}

// TestCrashOutcomes lists what may be left after a cut, and checks that cuts
// leave all of it and nothing else.
func TestCrashOutcomes(t *testing.T) {
	sectors := func(letters string) []byte {
		var p []byte
		for _, l := range []byte(letters) {
			p = append(p, filled(l, 512)...)
		}
		return p
	}
	for _, c := range []struct {
		name string
		opts vfs.CrashOptions
		do   func(t *testing.T, c *vfs.Crash)
		want []string
	}{
		{"nothing", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {}, []string{""}},
		{"all synced", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			h := create(t, c, "/f")
			mustWrite(t, h, []byte("data"), 0)
			must(t, h.Sync())
			must(t, c.SyncDir("/"))
		}, []string{"/f=data"}},
		{"nothing synced", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			mustWrite(t, create(t, c, "/f"), []byte("data"), 0)
		}, []string{"", "/f=", "/f=data"}},
		{"file synced, name not", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			h := create(t, c, "/f")
			mustWrite(t, h, []byte("data"), 0)
			must(t, h.Datasync())
		}, []string{"", "/f=data"}},
		{"file synced, with its name", vfs.CrashOptions{SyncEntry: true}, func(t *testing.T, c *vfs.Crash) {
			must(t, c.Mkdir("/d", 0o755))
			must(t, c.Mkdir("/d/e", 0o755))
			h := create(t, c, "/d/e/f")
			create(t, c, "/d/e/later")
			must(t, h.Sync())
		}, []string{"/d/ /d/e/ /d/e/f=", "/d/ /d/e/ /d/e/f= /d/e/later="}},
		{"name synced, file not", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			h := create(t, c, "/f")
			must(t, c.SyncDir("/"))
			mustWrite(t, h, []byte("data"), 0)
		}, []string{"/f=", "/f=data"}},
		{"torn write", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			h := create(t, c, "/f")
			mustWrite(t, h, sectors("aaa"), 0)
			must(t, h.Sync())
			must(t, c.SyncDir("/"))
			mustWrite(t, h, sectors("bbb"), 0)
		}, []string{"/f=aaa", "/f=aab", "/f=aba", "/f=abb", "/f=baa", "/f=bab", "/f=bba", "/f=bbb"}},
		{"torn extension", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			h := create(t, c, "/f")
			must(t, c.SyncDir("/"))
			mustWrite(t, h, sectors("bb"), 512)
		}, []string{"/f=", "/f=..b", "/f=.b", "/f=.bb"}},
		{"write not aligned to sectors", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			h := create(t, c, "/f")
			mustWrite(t, h, sectors("aa"), 0)
			must(t, h.Sync())
			must(t, c.SyncDir("/"))
			mustWrite(t, h, filled('b', 512), 256)
		}, []string{"/f=??", "/f=?a", "/f=a?", "/f=aa"}},
		{"truncation and allocation", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			h := create(t, c, "/f")
			mustWrite(t, h, sectors("aa"), 0)
			must(t, h.Sync())
			must(t, c.SyncDir("/"))
			must(t, h.Truncate(512))
			must(t, h.Allocate(0, 1536))
		}, []string{"/f=a", "/f=a..", "/f=aa", "/f=aa."}},
		{"two writes of one sector", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			h := create(t, c, "/f")
			must(t, c.SyncDir("/"))
			mustWrite(t, h, []byte("1"), 0)
			mustWrite(t, h, []byte("2"), 0)
		}, []string{"/f=", "/f=1", "/f=2"}},
		{"order in a directory", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			create(t, c, "/a")
			create(t, c, "/b")
			must(t, c.Unlink("/a"))
		}, []string{"", "/a=", "/a= /b=", "/b="}},
		{"rename over", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			for _, name := range []string{"old", "new"} {
				h := create(t, c, "/"+name)
				mustWrite(t, h, []byte(name), 0)
				must(t, h.Sync())
			}
			must(t, c.SyncDir("/"))
			must(t, c.Rename("/new", "/old"))
		}, []string{"/new=new /old=old", "/old=new"}},
		{"rename between directories", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			must(t, c.Mkdir("/a", 0o755))
			must(t, c.Mkdir("/b", 0o755))
			create(t, c, "/a/f")
			must(t, c.SyncDir("/"))
			must(t, c.SyncDir("/a"))
			must(t, c.Rename("/a/f", "/b/f"))
		}, []string{"/a/ /a/f= /b/", "/a/ /b/ /b/f="}},
		{"rename between directories, one synced", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			must(t, c.Mkdir("/a", 0o755))
			must(t, c.Mkdir("/b", 0o755))
			must(t, c.SyncDir("/"))
			create(t, c, "/a/f")
			must(t, c.Rename("/a/f", "/b/f"))
			must(t, c.SyncDir("/b"))
		}, []string{"/a/ /b/ /b/f="}},
		{"directory synced, its own name not", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			must(t, c.Mkdir("/d", 0o755))
			create(t, c, "/d/f")
			must(t, c.SyncDir("/d"))
		}, []string{"", "/d/ /d/f="}},
		{"directory renamed and removed", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			must(t, c.Mkdir("/d", 0o755))
			create(t, c, "/d/f")
			must(t, c.SyncDir("/d"))
			must(t, c.SyncDir("/"))
			must(t, c.Rename("/d", "/e"))
			must(t, c.Unlink("/e/f"))
			must(t, c.Rmdir("/e"))
			must(t, c.SyncDir("/"))
		}, []string{""}},
		{"unlink, then the name again", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			h := create(t, c, "/f")
			mustWrite(t, h, []byte("1"), 0)
			must(t, h.Sync())
			must(t, c.SyncDir("/"))
			must(t, c.Unlink("/f"))
			must(t, h.Close())
			h = create(t, c, "/f")
			mustWrite(t, h, []byte("2"), 0)
			must(t, h.Sync())
		}, []string{"", "/f=1", "/f=2"}},
		{"dropped sync", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			h := create(t, c, "/f")
			must(t, c.SyncDir("/"))
			c.DropSyncs(func(s vfs.SyncCall) bool { return s.Path == "/f" })
			mustWrite(t, h, []byte("data"), 0)
			must(t, h.Sync())
		}, []string{"/f=", "/f=data"}},
		{"put", vfs.CrashOptions{}, func(t *testing.T, c *vfs.Crash) {
			must(t, c.PutFile("/f", 0o600, []byte("data")))
		}, []string{"", "/f=data"}},
		{"written back", vfs.CrashOptions{WriteBack: 1}, func(t *testing.T, c *vfs.Crash) {
			h := create(t, c, "/f")
			must(t, c.SyncDir("/"))
			mustWrite(t, h, []byte("data"), 0)
		}, []string{"/f=data"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := newCrash(t, c.opts)
			c.do(t, disk)
			if got := outcomes(t, disk, 400); !slices.Equal(got, c.want) {
				t.Errorf("outcomes %q\nwant     %q", got, c.want)
			}
		})
	}
}

// TestCrashRepeats: the same changes and numbers leave the same tree, and a
// cut changes nothing for those after it.
func TestCrashRepeats(t *testing.T) {
	run := func() (trees []string) {
		c := newCrash(t, vfs.CrashOptions{})
		for i := range 20 {
			dir := fmt.Sprintf("/d%d", i%3)
			if i < 3 {
				must(t, c.Mkdir(dir, 0o755))
			}
			mustWrite(t, create(t, c, fmt.Sprintf("%s/f%d", dir, i)), filled('a'+byte(i), 3000), int64(i)*100)
			for seed := range uint64(3) {
				m := c.CrashClone(rand.New(rand.NewPCG(seed, 7)))
				trees = append(trees, tree(t, m, "/"))
				must(t, m.Close())
			}
		}
		return trees
	}
	if a, b := run(), run(); !slices.Equal(a, b) {
		t.Error("two runs differ")
	}
}

// store is a tiny database that is right about order: a log, and a snapshot
// that replaces the one before by rename.
type store struct {
	fs    vfs.FS
	log   vfs.File
	acked int
}

func (s *store) put(t testing.TB) {
	mustWrite(t, s.log, []byte{byte(s.acked + 1)}, int64(s.acked))
	must(t, s.log.Datasync())
	s.acked++
}

func (s *store) snapshot(t testing.TB) {
	h, err := s.fs.Open("/db/tmp", vfs.ReadWrite|vfs.Create|vfs.Truncate, 0o600)
	must(t, err)
	for i := range s.acked {
		mustWrite(t, h, []byte{byte(i + 1)}, int64(i))
	}
	must(t, h.Sync())
	must(t, h.Close())
	must(t, s.fs.Rename("/db/tmp", "/db/snapshot"))
	must(t, s.fs.SyncDir("/db"))
	must(t, s.log.Truncate(0)) // not synced: a log that is too long does no harm
}

// recovered is how many records a tree after a cut holds, in order.
func recovered(t testing.TB, f vfs.FS) int {
	read := func(name string) string {
		if _, err := f.Stat(name); err != nil {
			return ""
		}
		return content(t, f, name)
	}
	have := map[byte]bool{}
	for _, b := range []byte(read("/db/snapshot") + read("/db/log")) {
		have[b] = true
	}
	n := 0
	for have[byte(n+1)] {
		n++
	}
	return n
}

// runStore runs a store with one sync call taken out (0 for none), cuts the
// power after every step and returns how many cuts lost an acknowledged
// record, and how many syncs there were.
func runStore(t testing.TB, drop int64) (lost int, syncs int64) {
	c := newCrash(t, vfs.CrashOptions{})
	c.DropSync(drop)
	check := func(acked int) {
		for seed := range uint64(20) {
			m := c.CrashClone(rand.New(rand.NewPCG(seed, uint64(acked))))
			if recovered(t, m) < acked {
				lost++
			}
			must(t, m.Close())
		}
	}
	must(t, c.Mkdir("/db", 0o755))
	must(t, c.SyncDir("/"))
	s := &store{fs: c, log: create(t, c, "/db/log")}
	must(t, c.SyncDir("/db"))
	for range 3 {
		for range 2 {
			s.put(t)
			check(s.acked)
		}
		s.snapshot(t)
		check(s.acked)
	}
	if c.Dropped() != min(drop, 1) {
		t.Errorf("dropped %d syncs", c.Dropped())
	}
	return lost, c.Syncs()
}

// TestCrashFindsEveryMissingSync: a program that syncs rightly loses nothing,
// and loses something when any one sync is taken out.
func TestCrashFindsEveryMissingSync(t *testing.T) {
	lost, syncs := runStore(t, 0)
	if lost != 0 {
		t.Fatalf("%d cuts lost something though all was synced", lost)
	}
	for n := int64(1); n <= syncs; n++ {
		if lost, _ := runStore(t, n); lost == 0 {
			t.Errorf("taking out sync %d of %d lost nothing", n, syncs)
		}
	}
}
