package heap

import "fmt"

// Pointer says where a value is that is kept out of line (varatt_external in
// src/include/varatt.h).
type Pointer struct {
	RawSize  uint32 // of the value without compression, with a header of 4 bytes
	Info     uint32 // size as it is kept; compression method in the highest two bits
	Value    uint32 // chunk_id
	Relation uint32 // oid of the toast table
}

func parsePointer(b []byte) Pointer {
	return Pointer{le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:])}
}

// Size is how many bytes are kept.
func (p Pointer) Size() int { return int(p.Info & rawSizeMask) }

// Compressed is whether what is kept is compressed (VARATT_EXTERNAL_IS_COMPRESSED).
func (p Pointer) Compressed() bool { return int64(p.Size()) < int64(p.RawSize)-varHeader }

// chunkColumns are those of every toast table: chunk_id, chunk_seq, chunk_data.
var chunkColumns = []Column{{4, 'i'}, {4, 'i'}, {-1, 'i'}}

// Toast collects the chunks that a transaction inserts until the row comes that
// points to them. The zero value is empty. A value is known by its chunk_id alone,
// as in Postgres (ReorderBufferToastAppendChunk): chunks are forgotten with each row
// that may have used them, and all of a row are in one toast table.
type Toast struct {
	values map[uint32]*chunks
	row    []Datum
}

// chunks are a value as far as it has come.
type chunks struct {
	bytes []byte
	next  uint32 // chunk_seq
}

// Add takes a row of a toast table, and copies it.
func (t *Toast) Add(row *Tuple) error {
	d, err := row.Deform(t.row[:0], chunkColumns)
	if err != nil {
		return fmt.Errorf("heap: a row of a toast table: %w", err)
	}
	t.row = d
	for i := range d {
		if d[i].Kind != Inline {
			return fmt.Errorf("%w: a row of a toast table without column %d", ErrCorrupt, i+1)
		}
	}
	id, seq, data := le.Uint32(d[0].Bytes), le.Uint32(d[1].Bytes), d[2].Bytes
	v := t.values[id]
	if v == nil {
		v = &chunks{}
		if t.values == nil {
			t.values = map[uint32]*chunks{}
		}
		t.values[id] = v
	}
	if seq != v.next {
		return fmt.Errorf("%w: chunk %d of value %d where %d was due", ErrCorrupt, seq, id, v.next)
	}
	v.next++
	v.bytes = append(v.bytes, data...)
	return nil
}

// Value is what a pointer points to, in the form of Datum.Bytes. Not ok: none of it
// has been added, so the row's transaction has not changed the value. It is valid
// after Clear too.
func (t *Toast) Value(p Pointer) (b []byte, ok bool, err error) {
	v := t.values[p.Value]
	if v == nil {
		return nil, false, nil
	}
	b = v.bytes
	if len(b) != p.Size() {
		return nil, true, fmt.Errorf("%w: value %d has %d bytes of %d", ErrCorrupt, p.Value, len(b), p.Size())
	}
	if p.Compressed() {
		if b, err = decompress(b); err != nil {
			return nil, true, fmt.Errorf("value %d: %w", p.Value, err)
		}
	}
	if int64(len(b)) != int64(p.RawSize)-varHeader {
		return nil, true, fmt.Errorf("%w: value %d has %d bytes without compression, not %d", ErrCorrupt, p.Value, len(b), int64(p.RawSize)-varHeader)
	}
	return b[:len(b):len(b)], true, nil
}

// Empty is whether there are no chunks.
func (t *Toast) Empty() bool { return len(t.values) == 0 }

// Clear forgets all chunks.
func (t *Toast) Clear() { clear(t.values) }
