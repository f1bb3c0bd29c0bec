package vfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

func TestMakeDirs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "c")
	if err := vfs.MakeDir(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("MakeDir without its parent: %v", err)
	}
	for range 2 {
		if err := vfs.MakeDirs(dir); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("%v, %v", info, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := vfs.MakeDirs(filepath.Join(file, "d")); err == nil {
		t.Error("a directory was made in a file")
	}
}
