package vfs_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

func BenchmarkPage(b *testing.B) {
	for _, c := range []struct {
		name string
		fs   func() vfs.FS
	}{
		{"memory", func() vfs.FS { return newMemory(b) }},
		{"dir", func() vfs.FS { return newDir(b) }},
		{"namespace", func() vfs.FS { return vfs.NewNamespace(newMemory(b)) }},
		{"observed", func() vfs.FS {
			n := vfs.NewNamespace(newMemory(b))
			n.SetObserver(&watcher{})
			return n
		}},
	} {
		const pages = 1024
		p := filled('p', page)
		b.Run(c.name+"/write", func(b *testing.B) {
			h := create(b, c.fs(), "/file")
			b.SetBytes(page)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				mustWrite(b, h, p, int64(i%pages)*page)
			}
		})
		b.Run(c.name+"/read", func(b *testing.B) {
			h := create(b, c.fs(), "/file")
			for i := range int64(pages) {
				mustWrite(b, h, p, i*page)
			}
			b.SetBytes(page)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if n, err := h.ReadAt(p, int64(i%pages)*page); n != page || err != nil {
					b.Fatal(n, err)
				}
			}
		})
		b.Run(c.name+"/stat", func(b *testing.B) {
			h := create(b, c.fs(), "/file")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.Stat(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// cluster fills a file system as initdb does: 1,000 files, 40 MB.
func cluster(b *testing.B, f vfs.FS) {
	for d := range 10 {
		must(b, f.Mkdir(fmt.Sprintf("/%d", d), 0o700))
		for i := range 100 {
			h := create(b, f, fmt.Sprintf("/%d/%d", d, i))
			mustWrite(b, h, filled('c', 5*page), 0)
			must(b, h.Close())
		}
	}
}

func BenchmarkClone(b *testing.B) {
	m := newMemory(b)
	cluster(b, m)
	b.Run("only", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			must(b, m.Clone().Close())
		}
	})
	b.Run("first write of a page", func(b *testing.B) {
		p := filled('w', page)
		b.ReportAllocs()
		for b.Loop() {
			c := m.Clone()
			h, err := c.Open("/3/33", vfs.ReadWrite, 0)
			must(b, err)
			mustWrite(b, h, p, page)
			must(b, h.Close())
			must(b, c.Close())
		}
	})
}

// BenchmarkCrash cuts the power of a cluster with 8 MB of changes that were
// not synced.
func BenchmarkCrash(b *testing.B) {
	m := vfs.NewMemory(vfs.MemoryOptions{})
	cluster(b, m)
	c := vfs.NewCrash(m, vfs.CrashOptions{})
	b.Cleanup(func() { c.Close() })
	h := create(b, c, "/5/55")
	b.Run("commit", func(b *testing.B) {
		p := filled('w', page)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			mustWrite(b, h, p, int64(i%2048)*page)
			must(b, h.Datasync())
		}
	})
	for i := range int64(1024) {
		mustWrite(b, h, filled(byte(i), page), i%100*page)
	}
	b.Run("cut", func(b *testing.B) {
		b.ReportAllocs()
		for seed := uint64(0); b.Loop(); seed++ {
			must(b, c.CrashClone(rand.New(rand.NewPCG(seed, 0))).Close())
		}
	})
}
