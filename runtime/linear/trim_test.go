package linear

import (
	"bytes"
	"os"
	"runtime"
	"testing"
)

func TestTrim(t *testing.T) {
	const size = 64 * PageSize
	m, err := Reserve(2 * size)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	b := m.Reallocate(size)
	page := os.Getpagesize()
	if page > PageSize {
		t.Skip("pages of ", page)
	}
	clear(b[:size/2]) // brings the pages in
	b[0], b[5*PageSize+17], b[size/2] = 1, 2, 3
	want := bytes.Clone(b)
	freed := m.Trim()
	if !bytes.Equal(b, want) {
		t.Error("the contents have changed")
	}
	if runtime.GOOS != "linux" {
		return
	}
	if freed < size/2-PageSize { // more when the system's pages are huge
		t.Errorf("freed %d bytes, want nearly %d", freed, size/2)
	}
}
