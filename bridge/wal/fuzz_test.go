package wal

import (
	"errors"
	"slices"
	"testing"
)

// FuzzReader puts any bytes anywhere into a log and reads it at once and in pieces:
// the records are the same, and each is behind the one before it.
func FuzzReader(f *testing.F) {
	l := small()
	f.Add(uint32(2), []byte{9}, uint16(100))
	f.Add(uint32(5*PageSize), l.bytes[PageSize:PageSize+100], uint16(PageSize))
	f.Add(uint32(4*PageSize+2), []byte{pageOverwrite}, uint16(5000))
	f.Fuzz(func(t *testing.T, at uint32, change []byte, piece uint16) {
		b := slices.Clone(l.bytes)
		copy(b[at%uint32(len(b)):], change)
		r := NewReader(l.start, l.options())
		mustWrite(t, r, l.start, b)
		var last LSN
		var want []string
		for {
			rec, err := r.Next()
			if err != nil {
				if !errors.Is(err, ErrMore) && !errors.Is(err, ErrInvalid) {
					t.Fatal(err)
				}
				break
			}
			if rec.LSN <= last || rec.End <= rec.LSN || rec.LSN+LSN(rec.Length) > l.at {
				t.Fatalf("after %v comes %s", last, dump(rec))
			}
			last = rec.LSN
			want = append(want, dump(rec))
		}
		r = NewReader(l.start, l.options())
		var got []string
		for at := 0; at < len(b); at += int(piece) + 512 {
			mustWrite(t, r, l.start+LSN(at), b[at:min(len(b), at+int(piece)+512)])
			some, _ := drain(r)
			got = append(got, some...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pieces %q, at once %q", got, want)
		}
	})
}

// FuzzDecode reads any bytes as what follows the header of a record, which in a log
// a checksum keeps away.
func FuzzDecode(f *testing.F) {
	l := small()
	f.Add(l.bytes[longHeader+recordHeader : 200])
	f.Add([]byte("\x00\x10\x00\x00\x04\x00\x10\x00\x07\xfc\x1f\x7f\x06\x00\x00\x05\x00\x00\x00\x01\x40\x00\x00\x03\x00\x00\x00abcd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Record
		if r.decode(b) != nil {
			return
		}
		n := len(r.Data)
		for _, k := range r.Blocks {
			n += len(k.Data)
			if k.Image != nil {
				n += len(k.Image.Bytes)
			}
		}
		if n > len(b) {
			t.Errorf("%d bytes of data in %d", n, len(b))
		}
		restoreAll(&r)
	})
}

func restoreAll(r *Record) {
	var p [PageSize]byte
	for _, k := range r.Blocks {
		if k.Image != nil {
			_ = k.Image.Restore(&p) // an error is allowed, a panic is not
		}
	}
}
