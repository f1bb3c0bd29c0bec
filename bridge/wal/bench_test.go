package wal

import "testing"

// BenchmarkRead reads a segment of records of usual sizes: of 100 bytes, of 8 KB
// with an image, and as they come in an insert-only load.
func BenchmarkRead(b *testing.B) {
	for name, sizes := range map[string][]int{"small": {70}, "large": {8000}, "mixed": {60, 34, 70, 120, 60, 8000, 54, 64}} {
		b.Run(name, func(b *testing.B) {
			l := newLog(defaultSegment)
			l.segment = defaultSegment
			for i := 0; len(l.bytes) < defaultSegment-2*PageSize; i++ {
				l.record(Heap, 0, data(pattern(sizes[i%len(sizes)], i)))
			}
			b.SetBytes(int64(len(l.bytes)))
			b.ReportAllocs()
			for b.Loop() {
				r := NewReader(l.start, Options{})
				records := 0
				for at := 0; at < len(l.bytes); at += 8 * PageSize {
					if err := r.Write(l.start+LSN(at), l.bytes[at:min(len(l.bytes), at+8*PageSize)]); err != nil {
						b.Fatal(err)
					}
					for {
						if _, err := r.Next(); err != nil {
							break
						}
						records++
					}
				}
				if r.Position() != l.at {
					b.Fatalf("%d records, to %v of %v", records, r.Position(), l.at)
				}
			}
		})
	}
}

// BenchmarkCommit writes the last page again for each transaction of three records,
// as Postgres does: what the log of a small commit costs.
func BenchmarkCommit(b *testing.B) {
	l := newLog(defaultSegment)
	l.segment = defaultSegment
	type write struct {
		at    LSN
		pages []byte
	}
	var writes []write
	from := l.start
	for i := 0; len(l.bytes) < 16*PageSize; i++ {
		for _, size := range []int{71, 64, 34} {
			l.record(Heap, 0, data(pattern(size, i)))
		}
		pages := append([]byte{}, l.bytes[from-l.start:]...)
		writes = append(writes, write{from, append(pages, make([]byte, -l.at&(PageSize-1))...)})
		from = pageOf(l.at)
	}
	b.ReportAllocs()
	for {
		r := NewReader(l.start, Options{})
		for _, w := range writes {
			if !b.Loop() {
				return
			}
			if err := r.Write(w.at, w.pages); err != nil {
				b.Fatal(err)
			}
			for range 3 {
				if _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := r.Next(); err == nil {
				b.Fatal("a fourth record")
			}
		}
	}
}
