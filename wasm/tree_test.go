package wasm

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

const smallTree = "howdah tree 1\n" +
	"755 3 /pglite/lib/postgresql/a.so\n" +
	"600 0 /home/postgres/.pgpass\n" +
	"644 4 /pglite/a b\n" +
	"\nABC\n\nZ\n"

func TestTree(t *testing.T) {
	want := []File{
		{"/pglite/lib/postgresql/a.so", 0o755, []byte("ABC")},
		{"/home/postgres/.pgpass", 0o600, []byte{}},
		{"/pglite/a b", 0o644, []byte("\n\nZ\n")},
	}
	got, err := parseTree([]byte(smallTree))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, %v", got, err)
	}
	var out bytes.Buffer
	if err := writeTree(&out, want); err != nil || out.String() != smallTree {
		t.Fatalf("wrote %q, %v", out.String(), err)
	}

	out.Reset()
	if err := writeTree(&out, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := parseTree(out.Bytes()); err != nil || len(got) != 0 {
		t.Fatalf("empty tree: %v, %v", got, err)
	}
	if err := writeTree(&out, []File{{Path: "../a"}}); err == nil {
		t.Error("wrote a relative path")
	}
}

func TestTreeRefuses(t *testing.T) {
	for _, tt := range []struct{ name, tree, want string }{
		{"empty", "", "bad first line"},
		{"other version", "howdah tree 2\n\n", "bad first line"},
		{"no end of index", "howdah tree 1\n644 0 /a\n", "without end of index"},
		{"cut", "howdah tree 1\n644 5 /a\n\nabc", "ends inside /a"},
		{"too long", "howdah tree 1\n644 1 /a\n\nabc", "2 bytes after"},
		{"relative", "howdah tree 1\n644 0 a\n\n", "not a clean absolute path"},
		{"dots", "howdah tree 1\n644 0 /a/../b\n\n", "not a clean absolute path"},
		{"mode", "howdah tree 1\n1777 0 /a\n\n", "bad index line"},
		{"size", "howdah tree 1\n644 -1 /a\n\n", "bad index line"},
		{"two fields", "howdah tree 1\n644 /a\n\n", "bad index line"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parseTree([]byte(tt.tree)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// FuzzTree: what is accepted is written back so that it reads the same.
func FuzzTree(f *testing.F) {
	f.Add([]byte(smallTree))
	f.Add([]byte("howdah tree 1\n\n"))
	f.Fuzz(func(t *testing.T, tree []byte) {
		files, err := parseTree(tree)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := writeTree(&out, files); err != nil {
			t.Fatal(err)
		}
		again, err := parseTree(out.Bytes())
		if err != nil || !reflect.DeepEqual(again, files) {
			t.Fatalf("read %v, then %v, %v", files, again, err)
		}
	})
}
