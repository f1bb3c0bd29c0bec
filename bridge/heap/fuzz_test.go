package heap

import (
	"testing"

	"github.com/howdahdb/howdah/bridge/wal"
)

// FuzzDeform cuts any bytes into columns of any kinds: what comes out is no more
// than went in, compression aside, and walking again gives the same.
func FuzzDeform(f *testing.F) {
	f.Add([]byte("\x03\x00\x02\x00\x18\x00\x01\x00\x00\x00\x07abx"), []byte("\x04i\xffix\x01c"))
	f.Add([]byte("\x01\x00\x06\x00\x18\x00\x01\x12\x04\x08\x00\x00\x00\x08\x00\x00\x01\x40\x00\x00\x05\x40\x00\x00"), []byte("\xffi"))
	f.Add([]byte("\x01\x00\x02\x00\x18\x00\x3a\x00\x00\x00\x06\x00\x00\x00\x08abc\x00\x03"), []byte("\xffi"))
	f.Fuzz(func(t *testing.T, b, kinds []byte) {
		tuple, err := ParseTuple(b)
		if err != nil {
			return
		}
		var cols []Column
		for ; len(kinds) > 1; kinds = kinds[2:] {
			cols = append(cols, Column{int16(int8(kinds[0])), kinds[1]})
		}
		d, err := tuple.Deform(nil, cols)
		if err != nil {
			return
		}
		if len(d) != len(cols) {
			t.Fatalf("%d columns of %d", len(d), len(cols))
		}
		again, err := tuple.Deform(d[:0:0], cols)
		for i := range d {
			if err != nil || d[i].Kind != again[i].Kind || string(d[i].Bytes) != string(again[i].Bytes) {
				t.Fatalf("column %d: %v and then %v (%v)", i, d[i], again[i], err)
			}
		}
	})
}

// FuzzRows takes any bytes for a record of Heap or Heap2.
func FuzzRows(f *testing.F) {
	tuple := []byte("\x01\x00\x00\x00\x18\x00\x01\x00\x00\x00")
	f.Add(uint8(wal.Heap), uint8(opInsert), []byte("\x01\x00\x08"), tuple)
	f.Add(uint8(wal.Heap), uint8(opUpdate), append([]byte("\x01\x00\x00\x00\x01\x00\x00\x14\x00\x00\x00\x00\x02\x00"), tuple...), tuple)
	f.Add(uint8(wal.Heap), uint8(opDelete), append([]byte("\x01\x00\x00\x00\x01\x00\x00\x02"), tuple...), tuple)
	f.Add(uint8(wal.Heap), uint8(opTruncate), []byte("\x05\x00\x00\x00\x01\x00\x00\x00\x03\x00\x00\x00\x01\x40\x00\x00"), tuple)
	f.Add(uint8(wal.Heap2), uint8(opMultiInsert), []byte("\x0a\x00\x01\x00\x01\x00"), []byte("\x05\x00\x01\x00\x00\x00\x18\x00\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, rm, info uint8, data, block []byte) {
		r := wal.Record{RM: wal.RM(rm), Info: info, Data: data, Blocks: []wal.Block{{Data: block}}}
		rows, err := Rows(&r, nil)
		if err != nil && len(rows) != 0 {
			t.Errorf("%d rows and %v", len(rows), err)
		}
		cols := []Column{int4Column, textColumn}
		for i := range rows {
			for _, tuple := range []*Tuple{&rows[i].New, &rows[i].Old} {
				if len(tuple.Body) > len(data)+len(block) {
					t.Errorf("a tuple of %d bytes", len(tuple.Body))
				}
				_, _ = tuple.Deform(nil, cols) // an error is allowed, a panic is not
			}
		}
	})
}

// FuzzToast takes any bytes for the rows of a toast table.
func FuzzToast(f *testing.F) {
	f.Add(chunkRow(7, 0, "abc").Append(nil), chunkRow(7, 1, "def").Append(nil), uint32(10), uint32(6))
	f.Add(chunkRow(7, 0, "\x06\x00\x00\x00\x08abc\x00\x03").Append(nil), []byte{}, uint32(10), uint32(10))
	f.Fuzz(func(t *testing.T, a, b []byte, raw, info uint32) {
		var toast Toast
		for _, x := range [][]byte{a, b} {
			if tuple, err := ParseTuple(x); err == nil {
				_ = toast.Add(&tuple) // an error is allowed, a panic is not
			}
		}
		got, ok, err := toast.Value(Pointer{RawSize: raw, Info: info, Value: 7})
		if ok && err == nil && uint32(len(got))+4 != raw {
			t.Errorf("%d bytes of %d", len(got), raw)
		}
	})
}
