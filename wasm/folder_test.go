package wasm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func put(t *testing.T, f *Folder, name, text string) {
	t.Helper()
	err := f.Write(t.Context(), name, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func take(f *Folder, name string) (string, error) {
	file, err := f.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	return string(data), err
}

// TestFolderBound: what was not used for longest goes, by number and by size.
func TestFolderBound(t *testing.T) {
	dir := t.TempDir()
	f, err := OpenFolder(dir, "things", Bound{Files: 3, Bytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	left := func(want string) {
		t.Helper()
		entries, err := os.ReadDir(filepath.Join(dir, "things"))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("left are %s, want %s", got, want)
		}
	}
	for k, name := range []string{"a", "b", "c"} {
		put(t, f, name, name)
		then := time.Now().Add(time.Duration(k-10) * time.Minute)
		if err := os.Chtimes(filepath.Join(dir, "things", name), then, then); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := take(f, "a"); err != nil || text != "a" {
		t.Fatalf("a is %q, %v", text, err)
	}
	put(t, f, "d", "d")
	left("a c d")
	put(t, f, "e", strings.Repeat("e", 99))
	left("d e")
	put(t, f, "f", strings.Repeat("f", 200)) // more than there is room for
	left("f")
	if _, err := take(f, "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is gone gives %v", err)
	}
}

// TestFolderWriteFails: a file is whole or not there.
func TestFolderWriteFails(t *testing.T) {
	f, err := OpenFolder(t.TempDir(), "things", Bound{Files: 3, Bytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, "a", "before")
	failure := errors.New("no more")
	err = f.Write(t.Context(), "a", func(w io.Writer) error {
		return errors.Join(failure, func() error { _, err := fmt.Fprint(w, "half"); return err }())
	})
	if !errors.Is(err, failure) {
		t.Errorf("the error is %v", err)
	}
	if text, err := take(f, "a"); err != nil || text != "before" {
		t.Errorf("a is %q, %v", text, err)
	}
}

func TestFolderLock(t *testing.T) {
	f, err := OpenFolder(t.TempDir(), "things", Bound{})
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := f.Lock(t.Context(), "abc")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := f.Lock(ctx, "abc"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a lock that another has gives %v", err)
	}
	unlock()
	again, err := f.Lock(t.Context(), "abc")
	if err != nil {
		t.Fatal(err)
	}
	again()
}

// TestFolderIsPrivate: what others could have written is refused, aloud.
func TestFolderIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("access lists decide there")
	}
	dir := t.TempDir()
	f, err := OpenFolder(dir, "things", Bound{Files: 3, Bytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, "a", "a")
	name := filepath.Join(dir, "things", "a")
	st, err := os.Stat(name)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("made with %v, %v", st.Mode(), err)
	}
	if err := os.Chmod(name, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := take(f, "a"); err == nil || !strings.Contains(err.Error(), "can be written by others") {
		t.Errorf("a file that others can write gives %v", err)
	}
	if err := os.Chmod(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFolder(dir, "things", Bound{}); err == nil || errors.Is(err, ErrUnusable) {
		t.Errorf("a folder that others can write gives %v", err)
	}
}

// TestFolderUnusable: a cache that can't be is told from one that must not be.
func TestFolderUnusable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFolder(filepath.Join(file, "cache"), "things", Bound{}); !errors.Is(err, ErrUnusable) {
		t.Errorf("below a file: %v", err)
	}
}

func TestIdentity(t *testing.T) {
	id := func(names ...string) string {
		s, err := Identity(names)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if id("pgvector", "pg_uuidv7") != id("pg_uuidv7", "pgvector", "pgvector") {
		t.Error("the order of extensions makes a difference")
	}
	if id() != id("hstore") {
		t.Error("an extension that is there anyway makes a difference")
	}
	if id() == id("pgvector") {
		t.Error("an extension makes none")
	}
	if _, err := Identity([]string{"nothing"}); err == nil {
		t.Error("an unknown extension has an identity")
	}
}
