package linear

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// stored writes an image to a file, behind something else, and opens it.
func stored(t *testing.T, i *Image) (*os.File, []Run) {
	t.Helper()
	b, runs, err := i.Store(make([]byte, pageMultiple))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, runs
}

// TestStoredImage: memories from an image in a file are what its own are, and
// the file does not change with them.
func TestStoredImage(t *testing.T) {
	if !CanShare {
		t.Skip("this system can't map a file over a part of a reservation")
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	first := newMemory(t)
	first.Reallocate(120 * PageSize)
	was := fill(first, rnd, 12)
	i := newImage(t, first)
	f, runs := stored(t, i)
	open, err := OpenImage(f, i.Size(), runs)
	if err != nil {
		t.Fatal(err)
	}
	second := restored(t, open)
	check(t, "restored", second, was)
	isSecond := fill(second, rnd, 50)
	check(t, "restored after another was written to", restored(t, open), was)

	// An image of what came from a file is stored as any other.
	again := newImage(t, second)
	f, runs = stored(t, again)
	if open, err = OpenImage(f, again.Size(), runs); err != nil {
		t.Fatal(err)
	}
	check(t, "stored again", restored(t, open), isSecond)
	if err := open.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Stat(); err != nil {
		t.Errorf("the file went with its image: %v", err)
	}
}

func TestOpenImageRefuses(t *testing.T) {
	if !CanShare {
		t.Skip("this system can't map a file over a part of a reservation")
	}
	m := newMemory(t)
	m.Reallocate(120 * PageSize)
	fill(m, rand.New(rand.NewPCG(1, 2)), 3)
	f, _ := stored(t, newImage(t, m))
	const size, page = 120 * PageSize, PageSize
	for name, runs := range map[string][]Run{
		"no whole pages":       {{From: 100, To: page, At: page}},
		"empty":                {{From: page, To: page, At: page}},
		"backward":             {{From: 2 * page, To: page, At: page}},
		"beyond the memory":    {{From: size - page, To: size + page, At: page}},
		"beyond the file":      {{From: 0, To: page, At: 1 << 40}},
		"before the file":      {{From: 0, To: page, At: -page}},
		"one over the other":   {{From: 0, To: 2 * page, At: 0}, {From: page, To: 3 * page, At: 0}},
		"in no order":          {{From: 2 * page, To: 3 * page, At: 0}, {From: 0, To: page, At: 0}},
		"length out of bounds": {{From: 0, To: 1 << 63, At: 0}},
	} {
		if _, err := OpenImage(f, size, runs); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}
