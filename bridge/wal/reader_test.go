package wal

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: %d records, not %d:\n%s\nnot\n%s", what, len(got), len(want), strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRead(t *testing.T) {
	l := small()
	r := NewReader(l.start, l.options())
	mustWrite(t, r, l.start, l.bytes)
	all, err := drain(r)
	if len(all) != 18 || !errors.Is(err, ErrMore) {
		t.Fatalf("%d records and %v", len(all), err)
	}
	if r.Position() != l.at || r.SystemID() != testSystem || r.Timeline() != 1 {
		t.Errorf("at %v of system %d, timeline %d; the log ends at %v", r.Position(), r.SystemID(), r.Timeline(), l.at)
	}
	if len(r.pages) > 1 {
		t.Errorf("%d pages are kept", len(r.pages))
	}
}

// TestSegments has records that go on for pages in the next segment, and over more
// than one. The memory that they took is given back.
func TestSegments(t *testing.T) {
	l := newLog(2*minSegment - 2*PageSize)
	sizes := []int{5 * PageSize, 3*minSegment + 500, 100, minSegment - 9*PageSize}
	for i, n := range sizes {
		l.record(Heap, 0, data(pattern(n, i)))
	}
	r := NewReader(l.start, l.options())
	mustWrite(t, r, l.start, l.bytes)
	for i, n := range sizes {
		rec, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(rec.Data, pattern(n, i)) {
			t.Errorf("record %d has other data", i)
		}
	}
	if _, err := r.Next(); !errors.Is(err, ErrMore) || r.Position() != l.at {
		t.Errorf("at %v of %v: %v", r.Position(), l.at, err)
	}
	if len(r.pages) > 1 || len(r.free) > maxFree || cap(r.buf) > keepBuffer {
		t.Errorf("%d pages, %d free ones and a buffer of %d bytes are kept", len(r.pages), len(r.free), cap(r.buf))
	}
}

// TestPrefix writes the log byte by byte: at each the Reader has given what is whole
// of it, and stops.
func TestPrefix(t *testing.T) {
	l := small()
	want := l.records(t)
	r := NewReader(l.start, l.options())
	var all []string
	for n := range l.bytes {
		mustWrite(t, r, l.start+LSN(n), l.bytes[n:n+1])
		some, err := drain(r)
		if !errors.Is(err, ErrMore) {
			t.Fatalf("with %d bytes: %v", n+1, err)
		}
		all = append(all, some...)
	}
	equal(t, "byte by byte", all, want)
}

// TestTail cuts the log, and then writes the last page again, as Postgres does,
// with all that follows.
func TestTail(t *testing.T) {
	l := small()
	want := l.records(t)
	for cut := 0; cut < len(l.bytes); cut += 61 {
		r := NewReader(l.start, l.options())
		mustWrite(t, r, l.start, l.bytes[:cut])
		first, err := drain(r)
		if !errors.Is(err, ErrMore) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		page := cut &^ (PageSize - 1)
		mustWrite(t, r, l.start+LSN(page), l.bytes[page:])
		rest, _ := drain(r)
		equal(t, "cut", append(first, rest...), want)
	}
}

// TestPieces writes the log in pieces of any size, in any order, some of them
// again, and reads in between.
func TestPieces(t *testing.T) {
	l := small()
	want := l.records(t)
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 40 {
		type piece struct{ from, to int }
		var pieces []piece
		for at := 0; at < len(l.bytes); {
			to := min(len(l.bytes), at+1+rnd.IntN(1+rnd.IntN(20*PageSize)))
			pieces = append(pieces, piece{at, to}, piece{max(0, at-rnd.IntN(PageSize)), to})
			at = to
		}
		// In batches, so that the Reader does not only wait for the first one.
		for batch := range slices.Chunk(pieces, 8) {
			rnd.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
		}
		r := NewReader(l.start, l.options())
		var all []string
		for _, p := range pieces {
			mustWrite(t, r, l.start+LSN(p.from), l.bytes[p.from:p.to])
			some, err := drain(r)
			if !errors.Is(err, ErrMore) {
				t.Fatal(err)
			}
			all = append(all, some...)
		}
		equal(t, "pieces", all, want)
	}
}

// TestFlips flips single bits: the Reader gives records of the log and stops, or
// says that something is wrong.
func TestFlips(t *testing.T) {
	l := small()
	want := l.records(t)
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	silent := 0
	for range 1000 {
		bit := rnd.IntN(8 * len(l.bytes))
		l.bytes[bit/8] ^= 1 << (bit % 8)
		r := NewReader(l.start, l.options())
		mustWrite(t, r, l.start, l.bytes)
		all, err := drain(r)
		if !errors.Is(err, ErrMore) && !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
		if len(all) > len(want) {
			t.Fatalf("bit %d: %d records", bit, len(all))
		}
		equal(t, "flip", all, want[:len(all)])
		if len(all) == len(want) {
			silent++
		}
		l.bytes[bit/8] ^= 1 << (bit % 8)
	}
	if silent == 1000 {
		t.Error("no flip was seen")
	}
}

// TestSeek begins at each page: the first record is the first that begins there.
func TestSeek(t *testing.T) {
	l := small()
	want := l.records(t)
	for at := l.start; at < l.at; at += PageSize {
		if le.Uint16(l.bytes[at-l.start:]) == 0 { // left empty by the switch
			continue
		}
		r := NewReader(at, l.options())
		mustWrite(t, r, l.start, l.bytes)
		all, _ := drain(r)
		equal(t, at.String(), all, want[len(want)-len(all):])
		if len(all) < len(want) {
			// The one before the first begins earlier.
			begin, _, _ := strings.Cut(want[len(want)-len(all)-1], "–")
			if before, err := ParseLSN(begin); err != nil || before >= at {
				t.Errorf("from %v on %s is left out (%v)", at, begin, err)
			}
		}
	}
}

// TestResume begins where another Reader stands, at each record.
func TestResume(t *testing.T) {
	l := small()
	want := l.records(t)
	r := NewReader(l.start, l.options())
	mustWrite(t, r, l.start, l.bytes)
	for n := range want {
		again := NewReader(r.Position(), l.options())
		mustWrite(t, again, l.start, l.bytes)
		all, _ := drain(again)
		equal(t, r.Position().String(), all, want[n:])
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAbandoned: recovery goes on at the page that a record has not reached, or
// whose bytes a crash has lost after the Reader had them.
func TestAbandoned(t *testing.T) {
	for _, c := range []struct{ pages, lost int }{{1, 0}, {2, 0}, {5, 0}, {1, 1}, {1, 3}, {3, 2}} {
		l := newLog(minSegment)
		l.record(Heap, 0, data(pattern(100, 1)))
		before := l.at
		prev := l.prev
		l.record(Heap, 0, data(pattern(8*PageSize, 2)))
		long := l.bytes
		l.at = minSegment + LSN(c.pages)*PageSize
		l.bytes = slices.Clone(long[:l.at-l.start])
		l.prev = prev
		l.page(pageOverwrite, 0)
		body := make([]byte, 16)
		le.PutUint64(body, uint64(before))
		l.record(XLOG, 0xd0, data(body)) // XLOG_OVERWRITE_CONTRECORD
		l.record(Heap, 0, data(pattern(50, 3)))
		l.fill(pageOf(l.at) + PageSize)

		r := NewReader(l.start, l.options())
		mustWrite(t, r, l.start, long[:(c.pages+c.lost)*PageSize])
		all, err := drain(r)
		if len(all) != 1 || !errors.Is(err, ErrMore) {
			t.Fatalf("%d records and %v", len(all), err)
		}
		page := c.pages * PageSize
		mustWrite(t, r, l.start+LSN(page), l.bytes[page:])
		rest, err := drain(r)
		if len(rest) != 2 || !errors.Is(err, ErrMore) {
			t.Fatalf("%+v: %q and %v", c, rest, err)
		}
		// A Reader that begins amid the abandoned one goes on there, too.
		r = NewReader(l.start+PageSize, l.options())
		mustWrite(t, r, l.start, l.bytes)
		all, _ = drain(r)
		equal(t, "from the middle", all, rest)
	}
}

// TestPredecessor: a record whose checksum is right is of another log if it does
// not follow the record read last.
func TestPredecessor(t *testing.T) {
	l := newLog(minSegment)
	first := l.record(Heap, 0, data(pattern(100, 1)))
	l.record(Heap, 0, data(pattern(100, 2)))
	l.prev = first
	l.record(Heap, 0, data(pattern(100, 3)))
	r := NewReader(l.start, l.options())
	mustWrite(t, r, l.start, l.bytes)
	all, err := drain(r)
	if len(all) != 2 || !errors.Is(err, ErrMore) || !strings.Contains(err.Error(), "follow") {
		t.Errorf("%q and %v", all, err)
	}
}

// TestTimelines: a log goes to a later timeline, and never back.
func TestTimelines(t *testing.T) {
	for next, want := range map[uint32]error{1: ErrInvalid, 2: ErrMore, 3: ErrMore} {
		l := newLog(minSegment)
		l.timeline = 2
		l.record(Heap, 0, data(pattern(PageSize-longHeader-recordHeader-5, 1)))
		l.timeline = next
		l.record(Heap, 0, data(pattern(100, 2)))
		r := NewReader(l.start, l.options())
		mustWrite(t, r, l.start, l.bytes)
		all, err := drain(r)
		if !errors.Is(err, want) || r.Timeline() != max(2, next) {
			t.Errorf("timeline %d after 2: %d records on %d, %v", next, len(all), r.Timeline(), err)
		}
	}
}

// TestNotTheLog has pages at which a Reader stops, or that it refuses.
func TestNotTheLog(t *testing.T) {
	const second = PageSize
	for name, c := range map[string]struct {
		change func(b []byte)
		want   error
		says   string
	}{
		"no page":        {func(b []byte) { clear(b[second:]) }, ErrMore, "not written"},
		"recycled":       {func(b []byte) { b[second+10]++ }, ErrMore, "recycled"},
		"not continued":  {func(b []byte) { b[second+2] = 0 }, ErrMore, "does not continue"},
		"continued else": {func(b []byte) { b[second+16]++ }, ErrMore, "does not continue"},
		"checksum":       {func(b []byte) { b[second+100]++ }, ErrMore, "checksum"},
		"length":         {func(b []byte) { le.PutUint32(b[longHeader:], 23) }, ErrMore, "length"},
		"long length":    {func(b []byte) { b[longHeader+3] = 0x40 }, ErrMore, "length"},
		"manager":        {func(b []byte) { b[longHeader+17] = 22 }, ErrMore, "manager"},
		"predecessor":    {func(b []byte) { b[longHeader+14] = 1 }, ErrMore, "follow"},
		"version 17":     {func(b []byte) { le.PutUint16(b[second:], 0xd116) }, ErrInvalid, "D116"},
		"flags":          {func(b []byte) { b[second+3] = 1 }, ErrInvalid, "flags"},
		"timeline":       {func(b []byte) { b[second+4] = 0 }, ErrInvalid, "timeline 0 after 1"},
		"long header":    {func(b []byte) { copy(b[second+24:], b[24:40]); b[second+2] |= pageLong }, ErrInvalid, "long page header"},
		"short header":   {func(b []byte) { b[2] &^= pageLong }, ErrInvalid, "long page header"},
		"other system":   {func(b []byte) { b[24]++ }, ErrInvalid, "system identifier"},
		"segment size":   {func(b []byte) { b[33]++ }, ErrInvalid, "segments of"},
		"large segment":  {func(b []byte) { le.PutUint32(b[32:], 1<<31) }, ErrInvalid, "segments of"},
		"small segment":  {func(b []byte) { le.PutUint32(b[32:], 1<<19) }, ErrInvalid, "segments of"},
		"page size":      {func(b []byte) { b[37] = 0x40 }, ErrInvalid, "pages of 16384"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(defaultSegment)
			l.record(Heap, 0, data(pattern(2*PageSize, 1)))
			whole := slices.Clone(l.bytes)
			c.change(l.bytes)
			// They are there from the start, or written where the right ones were read.
			for _, before := range [][]byte{nil, whole[:2*PageSize]} {
				r := NewReader(l.start, Options{SystemID: testSystem})
				mustWrite(t, r, l.start, before)
				_, _ = r.Next()
				mustWrite(t, r, l.start, l.bytes)
				all, err := drain(r)
				if len(all) != 0 || !errors.Is(err, c.want) {
					t.Fatalf("%q and %v", all, err)
				}
				if !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v does not say %s", err, c.says)
				}
				if _, again := r.Next(); again != err {
					t.Errorf("then %v", again)
				}
				// All is well when the right bytes come.
				mustWrite(t, r, l.start, whole)
				if all, err := drain(r); len(all) != 1 {
					t.Errorf("of the right bytes %d records and %v", len(all), err)
				}
			}
		})
	}
}

// TestContinuesNothing: a record ends with its page, and the next page has the rest
// of another.
func TestContinuesNothing(t *testing.T) {
	l := newLog(minSegment)
	l.record(Heap, 0, data(pattern(PageSize-longHeader-recordHeader-5, 1)))
	l.page(0, 100)
	r := NewReader(l.start, l.options())
	mustWrite(t, r, l.start, l.bytes)
	all, err := drain(r)
	if len(all) != 1 || !errors.Is(err, ErrMore) || !strings.Contains(err.Error(), "none is begun") {
		t.Errorf("%q and %v", all, err)
	}
}

func TestWindow(t *testing.T) {
	r := NewReader(minSegment, Options{})
	if err := r.Write(minSegment+window-8, make([]byte, 8)); err != nil {
		t.Error(err)
	}
	if err := r.Write(minSegment+window-8, make([]byte, 9)); err == nil {
		t.Error("bytes beyond the window are taken")
	}
	if err := r.Write(^LSN(0)-3, make([]byte, 9)); err == nil {
		t.Error("bytes beyond the end of all logs are taken")
	}
	mustWrite(t, r, 0, make([]byte, 3*PageSize)) // long read
	if len(r.pages) != 1 {
		t.Errorf("%d pages are kept", len(r.pages))
	}
}

func TestLSN(t *testing.T) {
	for l, s := range map[LSN]string{0: "0/0", 0x15d6b20: "0/15D6B20", 1<<32 | 1: "1/1", ^LSN(0): "FFFFFFFF/FFFFFFFF"} {
		if got := l.String(); got != s {
			t.Errorf("%d is %s, not %s", uint64(l), got, s)
		}
		if got, err := ParseLSN(strings.ToLower(s)); err != nil || got != l {
			t.Errorf("%s is %v (%v)", s, got, err)
		}
	}
	for _, s := range []string{"", "/", "1", "1/", "/1", "1/2/3", "1/123456789", "x/1", "-1/1", "+1/1", " 1/1", "0x1/1", "1_0/1"} {
		if l, err := ParseLSN(s); err == nil {
			t.Errorf("%q is %v", s, l)
		}
	}
}
