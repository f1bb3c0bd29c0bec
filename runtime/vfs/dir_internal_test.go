package vfs

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestWriteZeros runs the stand-in for fallocate also where it isn't needed.
func TestWriteZeros(t *testing.T) {
	for _, c := range []struct{ have, off, n, want int }{
		{0, 0, 10, 10},
		{5, 0, 3, 5},
		{5, 0, 10, 10},
		{5, 20, 10, 30},
		{5, 0, 3 << 20, 3 << 20},
	} {
		f, err := os.Create(filepath.Join(t.TempDir(), "file"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		data := bytes.Repeat([]byte("x"), c.have)
		if _, err := f.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := writeZeros(f, int64(c.off), int64(c.n)); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		want := append(data, make([]byte, c.want-c.have)...)
		if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%+v: %d bytes, %v", c, len(got), err)
		}
	}
}
