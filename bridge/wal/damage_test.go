package wal

import (
	"errors"
	"slices"
	"testing"
)

// TestDamage: no page that is missing at the end of a log is damage, and every byte
// that is wrong well before the last page is, if it matters.
func TestDamage(t *testing.T) {
	l := newLog(minSegment - 3*PageSize)
	for i, n := range []int{100, 3 * PageSize, 9000, 40, PageSize - 200, 24, 2 * PageSize, 500, 7000} {
		l.record(Heap, 0, data(pattern(n, i)))
	}
	l.append(make([]byte, -l.at&(PageSize-1)))
	want := l.records(t)
	last := l.at - PageSize
	for n := PageSize; n <= len(l.bytes); n += PageSize {
		r := NewReader(l.start, l.options())
		mustWrite(t, r, l.start, l.bytes[:n])
		if _, err := drain(r); !errors.Is(err, ErrMore) {
			t.Fatal(err)
		}
		if err := r.Damage(l.start + LSN(n) - PageSize); err != nil {
			t.Fatalf("%d pages of %d: %v", n/PageSize, len(l.bytes)/PageSize, err)
		}
	}
	named := 0
	// A record that goes on into the last page may be one that is not whole yet.
	for at := 0; l.start+LSN(at) < last-PageSize; at += 7 {
		b := slices.Clone(l.bytes)
		b[at] ^= 0x10
		r := NewReader(l.start, l.options())
		mustWrite(t, r, l.start, b)
		got, err := drain(r)
		damaged := errors.Is(err, ErrInvalid) || errors.Is(r.Damage(last), ErrInvalid)
		switch {
		case len(got) > len(want) || !slices.Equal(got, want[:len(got)]):
			t.Fatalf("with byte %d changed there are other records", at)
		case damaged:
			named++
		case r.Position() < last && len(got) < len(want):
			t.Errorf("byte %d of %d is changed, and after %d records of %d %v", at, len(l.bytes), len(got), len(want), err)
		}
	}
	if named == 0 {
		t.Error("nothing was named")
	}
}
