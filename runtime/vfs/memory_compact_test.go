package vfs_test

import (
	"fmt"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// TestMemoryCompact merges files that are alike and changes one of them
// afterwards: the others stay as they were.
func TestMemoryCompact(t *testing.T) {
	const pages = 100
	m := newMemory(t)
	write := func(h vfs.File, first byte) {
		for i := range int64(pages) {
			mustWrite(t, h, append(fmt.Appendf(nil, "%c%d", first, i), filled('-', page-8)...), i*page)
		}
	}
	original, twin, other := create(t, m, "/original"), create(t, m, "/twin"), create(t, m, "/other")
	write(original, 'a')
	write(twin, 'a')
	write(other, 'b')
	must(t, m.PutFile("/borrowed", 0o600, filled('c', 3*page)))
	want := map[string]string{}
	for _, name := range []string{"/original", "/twin", "/other", "/borrowed"} {
		want[name] = content(t, m, name)
	}
	check := func(when string) {
		t.Helper()
		for name, was := range want {
			if content(t, m, name) != was {
				t.Errorf("%s: %s has changed", when, name)
			}
		}
	}
	if n := m.Compact(); n != pages*page {
		t.Errorf("merged %d bytes, want %d", n, pages*page)
	}
	check("compacted")
	if n := m.Compact(); n != 0 {
		t.Errorf("merged %d bytes more", n)
	}

	mustWrite(t, twin, []byte("changed"), 7*page+3)
	want["/twin"] = want["/twin"][:7*page+3] + "changed" + want["/twin"][7*page+10:]
	write(create(t, m, "/new"), 'd') // takes the blocks that were freed
	check("written")

	clone := m.Clone()
	defer clone.Close()
	write(twin, 'e')
	want["/twin"] = content(t, m, "/twin")
	m.Compact()
	check("beside a clone")
	if got := content(t, clone, "/original"); got != want["/original"] {
		t.Error("the clone's file has changed")
	}
}
