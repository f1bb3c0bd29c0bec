package vfs_test

import (
	"math/rand/v2"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
	"github.com/howdahdb/howdah/runtime/vfs/vfstest"
)

func newMemory(t testing.TB) *vfs.Memory {
	m := vfs.NewMemory(vfs.MemoryOptions{})
	t.Cleanup(func() { m.Close() })
	return m
}

func newDir(t testing.TB) *vfs.Dir {
	d, err := vfs.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// watcher lets everything happen, so that the observed paths are taken.
type watcher struct{ log []string }

func (w *watcher) Before(c *vfs.Change) error     { return nil }
func (w *watcher) After(c *vfs.Change, err error) {}

func TestSuite(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) vfs.FS{
		"memory": func(t *testing.T) vfs.FS { return newMemory(t) },
		"limited memory": func(t *testing.T) vfs.FS {
			m := vfs.NewMemory(vfs.MemoryOptions{Limit: 8 << 20})
			t.Cleanup(func() { m.Close() })
			return m
		},
		"clone": func(t *testing.T) vfs.FS {
			m := newMemory(t)
			c := m.Clone()
			t.Cleanup(func() { c.Close() })
			return c
		},
		"dir":                 func(t *testing.T) vfs.FS { return newDir(t) },
		"namespace of memory": func(t *testing.T) vfs.FS { return vfs.NewNamespace(newMemory(t)) },
		"namespace of dir":    func(t *testing.T) vfs.FS { return vfs.NewNamespace(newDir(t)) },
		"observed namespace": func(t *testing.T) vfs.FS {
			n := vfs.NewNamespace(newMemory(t))
			n.SetObserver(&watcher{})
			return n
		},
		"crash": func(t *testing.T) vfs.FS {
			c := vfs.NewCrash(vfs.NewMemory(vfs.MemoryOptions{}), vfs.CrashOptions{})
			t.Cleanup(func() { c.Close() })
			return c
		},
		"after a crash": func(t *testing.T) vfs.FS {
			c := vfs.NewCrash(vfs.NewMemory(vfs.MemoryOptions{}), vfs.CrashOptions{})
			t.Cleanup(func() { c.Close() })
			m := c.CrashClone(rand.New(rand.NewPCG(1, 1)))
			t.Cleanup(func() { m.Close() })
			return m
		},
		"shared": func(t *testing.T) vfs.FS {
			s := vfs.NewShared()
			t.Cleanup(func() { s.Close() })
			return s
		},
		"fault": func(t *testing.T) vfs.FS { return vfs.NewFault(newMemory(t)) },
	} {
		t.Run(name, func(t *testing.T) { vfstest.TestFS(t, open) })
	}
}
