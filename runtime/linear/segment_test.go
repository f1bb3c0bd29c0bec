package linear

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
)

const testPages = 64 // of every Memory of these tests

func newMemory(t testing.TB) *Memory {
	t.Helper()
	m, err := Reserve(2 * testPages * PageSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	m.Reallocate(testPages * PageSize)
	return m
}

func newSegment(t testing.TB, pages uint64) *Segment {
	t.Helper()
	s, err := NewSegment(pages * PageSize)
	if !CanShare {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Fatalf("segment: %v", err)
		}
		t.Skip("no segments on ", runtime.GOOS)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestMap: what one memory stores the other has, at another offset, and the
// pages beside the segment are nobody else's.
func TestMap(t *testing.T) {
	s := newSegment(t, 4)
	a, b := newMemory(t), newMemory(t)
	for k := range a.Bytes() {
		a.Bytes()[k] = 1
	}
	must(t, a.Map(8*PageSize, s))
	must(t, b.Map(16*PageSize, s))
	must(t, s.Close()) // mappings stay
	if !bytes.Equal(a.Bytes()[8*PageSize:12*PageSize], make([]byte, 4*PageSize)) {
		t.Error("a new segment is not zero")
	}
	copy(a.Bytes()[8*PageSize+100:], "from a")
	copy(b.Bytes()[20*PageSize-6:], "from b")
	a.StoreUint32(9*PageSize, 77)
	if got := string(b.Bytes()[16*PageSize+100:][:6]); got != "from a" {
		t.Errorf("b has %q", got)
	}
	if got := string(a.Bytes()[12*PageSize-6:][:6]); got != "from b" {
		t.Errorf("a has %q", got)
	}
	if got := b.LoadUint32(17 * PageSize); got != 77 {
		t.Errorf("b has %d", got)
	}
	if a.Bytes()[8*PageSize-1] != 1 || a.Bytes()[12*PageSize] != 1 || b.Bytes()[16*PageSize-1] != 0 {
		t.Error("the pages beside the segment have changed")
	}
	must(t, a.Unmap(8*PageSize, 4*PageSize))
	if !bytes.Equal(a.Bytes()[8*PageSize:12*PageSize], make([]byte, 4*PageSize)) {
		t.Error("not zero after Unmap")
	}
	a.Bytes()[8*PageSize+100] = 'x'
	a.Free()
	if got := string(b.Bytes()[16*PageSize+100:][:6]); got != "from a" {
		t.Errorf("b has %q after a is gone", got)
	}
	if err := b.Map(0, s); err == nil {
		t.Error("a closed segment was mapped")
	}
}

func TestMapErrors(t *testing.T) {
	s := newSegment(t, 4)
	m := newMemory(t)
	const end = 2 * testPages * PageSize
	for _, c := range []struct {
		name string
		err  error
	}{
		{"map between pages", m.Map(1, s)},
		{"map over the end", m.Map(end-3*PageSize, s)},
		{"unmap nothing", m.Unmap(0, 0)},
		{"unmap half a page", m.Unmap(0, PageSize/2)},
		{"unmap over the end", m.Unmap(end, PageSize)},
	} {
		if !errors.Is(c.err, errSpan) {
			t.Errorf("%s: %v", c.name, c.err)
		}
	}
	for _, n := range []uint32{0, 1, PageSize + 1} {
		if _, err := m.Share(0, n); !errors.Is(err, errSpan) {
			t.Errorf("share %d bytes: %v", n, err)
		}
		if s, err := NewSegment(uint64(n)); err == nil {
			s.Close()
			t.Errorf("a segment of %d bytes", n)
		}
	}
	must(t, m.Map(end-4*PageSize, s))
}

// TestSegmentReadWrite: by offset and by a mapping it is the same bytes.
func TestSegmentReadWrite(t *testing.T) {
	s := newSegment(t, 2)
	m := newMemory(t)
	must(t, m.Map(0, s))
	b := m.Bytes()[:2*PageSize]
	for _, c := range []struct {
		off int64
		p   string
		ok  bool
	}{
		{0, "at the start", true}, {PageSize - 3, "between", true}, {2*PageSize - 4, "last", true},
		{2*PageSize - 3, "last", false}, {2 * PageSize, "x", false}, {-1, "x", false}, {1 << 62, "x", false},
	} {
		n, err := s.WriteAt([]byte(c.p), c.off)
		if (err == nil) != c.ok {
			t.Errorf("write at %d: %d, %v", c.off, n, err)
		}
		if c.ok && string(b[c.off:][:len(c.p)]) != c.p {
			t.Errorf("the memory has %q at %d", b[c.off:][:len(c.p)], c.off)
		}
	}
	copy(b[100:], "stored")
	got := make([]byte, 6)
	if n, err := s.ReadAt(got, 100); n != 6 || err != nil || string(got) != "stored" {
		t.Errorf("read %q, %v", got[:n], err)
	}
	if n, err := s.ReadAt(got, 2*PageSize-4); n != 4 || err != io.EOF || string(got[:n]) != "last" {
		t.Errorf("read %q, %v", got[:n], err)
	}
}

// TestShare: the contents stay, in what is touched and in what is not, and are
// shared from then on.
func TestShare(t *testing.T) {
	newSegment(t, 1) // skips
	const from, n = 8 * PageSize, 32 * PageSize
	m, other := newMemory(t), newMemory(t)
	page := os.Getpagesize()
	rng := rand.New(rand.NewPCG(1, 2))
	b := m.Bytes()
	for range 40 { // single bytes, in whichever pages
		b[from-PageSize+rng.IntN(n+2*PageSize)] = byte(1 + rng.IntN(255))
	}
	clear(b[from+10*PageSize : from+14*PageSize]) // touched and zero
	for k := range 3 * page {                     // a run
		b[from+20*PageSize+k] = 7
	}
	b[from], b[from+n-1] = 1, 2
	want := bytes.Clone(b)
	s, err := m.Share(from, n)
	must(t, err)
	defer s.Close()
	if s.Size() != n {
		t.Errorf("a segment of %d bytes", s.Size())
	}
	if !bytes.Equal(m.Bytes(), want) {
		t.Error("the contents have changed")
	}
	must(t, other.Map(0, s))
	if !bytes.Equal(other.Bytes()[:n], want[from:from+n]) {
		t.Error("the segment has other contents")
	}
	copy(other.Bytes()[5*PageSize:], "seen")
	if got := string(m.Bytes()[from+5*PageSize:][:4]); got != "seen" {
		t.Errorf("a later store is %q", got)
	}
}

// TestTrimShared: Trim and Discard keep off segments, also where several lie
// side by side or were cut.
func TestTrimShared(t *testing.T) {
	s, two := newSegment(t, 4), newSegment(t, 2)
	m, other := newMemory(t), newMemory(t)
	clear(m.Bytes()) // brings the pages in
	must(t, m.Map(20*PageSize, s))
	must(t, m.Map(8*PageSize, s))
	must(t, m.Map(12*PageSize, two))
	must(t, m.Map(21*PageSize, two))
	must(t, m.Map((testPages-1)*PageSize, two)) // over the end of what the guest has
	must(t, m.Unmap(9*PageSize, PageSize))
	must(t, other.Map(0, s))
	clear(m.Bytes())
	other.Bytes()[0], other.Bytes()[3*PageSize] = 1, 2
	want := bytes.Clone(m.Bytes())
	freed := m.Trim()
	if !bytes.Equal(m.Bytes(), want) {
		t.Error("the contents have changed")
	}
	// Private: 8 pages, page 9, 14 to 20, 24 to the last.
	const private = (8 + 1 + 6 + (testPages - 1 - 24)) * PageSize
	if runtime.GOOS == "linux" && freed > private {
		t.Errorf("freed %d bytes, only %d are private", freed, private)
	}
	for _, c := range []struct {
		page, pages uint32
		ok          bool
	}{
		{0, 8, true}, {7, 2, false}, {8, 1, false}, {9, 1, true}, {10, 1, false}, {13, 2, false},
		{14, 6, true}, {14, 7, false}, {22, 1, false}, {23, 1, false}, {24, testPages - 25, true},
	} {
		if err := m.Discard(c.page*PageSize, c.pages*PageSize); (err == nil) != c.ok {
			t.Errorf("discard of %d pages at %d: %v", c.pages, c.page, err)
		}
	}
	if m.Bytes()[8*PageSize] != 1 || m.Bytes()[23*PageSize] != 2 {
		t.Error("the segment has lost what it had")
	}
}

// BenchmarkShare is a range of the size of Postgres' shared memory with as
// much of it in use as after a boot.
func BenchmarkShare(b *testing.B) {
	const size, touched = 150 << 20, 4 << 20
	newSegment(b, 1) // skips
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		m, err := Reserve(1 << 30)
		must(b, err)
		m.Reallocate(2 * size)
		page := os.Getpagesize()
		for k := range touched / page {
			m.Bytes()[size/2+18*k*page] = 1 // scattered
		}
		b.StartTimer()
		s, err := m.Share(16*PageSize, size)
		must(b, err)
		b.StopTimer()
		must(b, s.Close())
		m.Free()
		b.StartTimer()
	}
}
