package linear

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// fill writes noise to pages of m here and there, and returns what it has then.
func fill(m *Memory, rnd *rand.Rand, n int) []byte {
	b := m.Bytes()
	for range n {
		at := rnd.IntN(len(b) - 100)
		for k := range 1 + rnd.IntN(100) {
			b[at+k] = byte(rnd.Uint32())
		}
	}
	return bytes.Clone(b)
}

func check(t *testing.T, what string, m *Memory, want []byte) {
	t.Helper()
	if !bytes.Equal(m.Bytes()[:len(want)], want) {
		t.Errorf("%s: the contents differ", what)
	}
}

func newImage(t testing.TB, m *Memory) *Image {
	t.Helper()
	i, err := m.Image()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

func restored(t testing.TB, i *Image) *Memory {
	t.Helper()
	m := newMemory(t)
	if m.Reallocate(i.Size()) == nil {
		t.Fatal("no room")
	}
	if err := m.Restore(i); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestImage(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	first := newMemory(t)
	first.Reallocate(120 * PageSize)
	was := fill(first, rnd, 12)
	i := newImage(t, first)
	if i.Size() != 120*PageSize || i.Held() > i.Size()/2 || i.Held() == 0 {
		t.Errorf("size %d, held %d", i.Size(), i.Held())
	}
	second, third := restored(t, i), newMemory(t)
	// What third had before is gone, but for what is beyond the image.
	third.Reallocate(128 * PageSize)
	dirt := fill(third, rnd, 100)
	if err := third.Restore(i); err != nil {
		t.Fatal(err)
	}
	check(t, "restored", second, was)
	check(t, "restored over others", third, was)
	if !bytes.Equal(third.Bytes()[120*PageSize:], dirt[120*PageSize:]) {
		t.Error("what is beyond the image has changed")
	}

	// From here on each is alone.
	isFirst, isSecond := fill(first, rnd, 50), fill(second, rnd, 50)
	check(t, "another was written to", third, was)
	check(t, "restored later", restored(t, i), was)

	// An image of what came from an image, most of which nobody has touched.
	again := newImage(t, restored(t, i))
	check(t, "image of an image", restored(t, again), was)
	of := newImage(t, second)
	second.Bytes()[0]++
	isSecond, changed := bytes.Clone(isSecond), isSecond
	changed[0]++
	check(t, "image of a changed one", restored(t, of), isSecond)
	check(t, "changed", second, changed)
	check(t, "first", first, isFirst)

	// Without the image's file they go on.
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	check(t, "image of one whose image is closed", restored(t, newImage(t, third)), was)
	third.Trim()
	check(t, "trimmed", third, was)
}

// TestDiscardImaged: discarded pages of an image are zeros, not the image's
// again.
func TestDiscardImaged(t *testing.T) {
	m := newMemory(t)
	m.Reallocate(8 * PageSize)
	for k := range m.Bytes() {
		m.Bytes()[k] = 1
	}
	c := restored(t, newImage(t, m))
	if err := c.Discard(2*PageSize, 3*PageSize); err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(m.Bytes())
	clear(want[2*PageSize : 5*PageSize])
	check(t, "discarded", c, want)
	check(t, "the other", m, bytes.Repeat([]byte{1}, 8*PageSize))
	check(t, "image of it", restored(t, newImage(t, c)), want)
}

func TestShareImaged(t *testing.T) {
	if !CanShare {
		t.Skip("memory can't be mapped twice here")
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	first := newMemory(t)
	first.Reallocate(100 * PageSize)
	was := fill(first, rnd, 40)
	c := restored(t, newImage(t, first))
	s, err := c.Share(20*PageSize, 60*PageSize)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	check(t, "shared", c, was)
	other := newMemory(t)
	other.Reallocate(100 * PageSize)
	if err := other.Map(20*PageSize, s); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(other.Bytes()[20*PageSize:80*PageSize], was[20*PageSize:80*PageSize]) {
		t.Error("the segment's contents differ")
	}
	// What another has written to the segment is in an image, too, although
	// this one has never touched it.
	other.Bytes()[50*PageSize+1] = 77
	want := bytes.Clone(c.Bytes())
	if want[50*PageSize+1] != 77 {
		t.Error("the segment is not shared")
	}
	check(t, "image with a segment", restored(t, newImage(t, c)), want)
	if err := c.Restore(newImage(t, first)); err == nil {
		t.Error("restored over a segment")
	}
}

func TestRestoreRefuses(t *testing.T) {
	m := newMemory(t)
	m.Reallocate(4 * PageSize)
	m.Bytes()[5] = 1
	i := newImage(t, m)
	small := newMemory(t)
	small.Reallocate(PageSize)
	if err := small.Restore(i); err == nil {
		t.Error("restored in a memory that is too small")
	}
}
