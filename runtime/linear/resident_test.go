package linear

import (
	"os"
	"runtime"
	"testing"
)

// TestResident: pages that were touched count, within the range only.
func TestResident(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only linux tells")
	}
	m, err := Reserve(256 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	const size = 130 << 20 // three portions
	b := m.Reallocate(size)
	page := uint64(os.Getpagesize())
	for _, at := range []uint64{0, 70 << 20, size - 1} {
		b[at] = 1
	}
	const huge = 4 << 20 // a page may come with those around it
	for _, c := range []struct{ from, to, touched uint64 }{
		{0, 1 << 62, 3}, {page, 1 << 62, 2}, {0, size - huge, 2}, {70 << 20, 70<<20 + page, 1}, {huge, 66 << 20, 0}, {size, 1 << 62, 0},
	} {
		if got := m.Resident(c.from, c.to); got < c.touched*page || got > (c.touched+1)*huge || c.touched == 0 && got != 0 {
			t.Errorf("[%#x, %#x): %d bytes, %d pages were touched", c.from, c.to, got, c.touched)
		}
	}
}
