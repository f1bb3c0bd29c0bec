package capture

import (
	"encoding/binary"

	"github.com/howdahdb/howdah/bridge/heap"
)

// A heap.Row as an entry:
//
//	0 kind u8 · 1 flags u8 · 2 tablespace u32 · 6 database u32 · 10 relation u32
//	14 number of relids u32, and they · length of the new tuple u32, and it as it is
//	logged · the old tuple to the end, likewise
const rowHeader = 14

const (
	rowHasOld = 1 << iota
	rowOldIsKey
	rowOfToast
	rowClearsToast
	rowMoves
	rowCascades
	rowRestarts
)

// rowFlags are the flags of a row in the order of their bits.
func rowFlags(r *heap.Row) [7]*bool {
	return [...]*bool{&r.HasOld, &r.OldIsKey, &r.Toast, &r.ClearToast, &r.PartitionMove, &r.Cascade, &r.Restart}
}

// appendRow writes r behind b.
func appendRow(b []byte, r *heap.Row) []byte {
	var flags byte
	for bit, set := range rowFlags(r) {
		if *set {
			flags |= 1 << bit
		}
	}
	b = append(b, byte(r.Kind), flags)
	for _, n := range [...]uint32{r.Relation.Tablespace, r.Relation.Database, r.Relation.Number, uint32(len(r.Relids))} {
		b = le.AppendUint32(b, n)
	}
	for _, relid := range r.Relids {
		b = le.AppendUint32(b, relid)
	}
	size := len(b)
	b = le.AppendUint32(b, 0)
	if hasNew(r.Kind) {
		b = r.New.Append(b)
		le.PutUint32(b[size:], uint32(len(b)-size-4))
	}
	if r.HasOld {
		b = r.Old.Append(b)
	}
	return b
}

func hasNew(k heap.RowKind) bool {
	return k == heap.Insert || k == heap.Speculative || k == heap.Update
}

// readRow reads what appendRow has written; the row's tuples alias b.
func readRow(r *heap.Row, b []byte) error {
	if len(b) < rowHeader+8 {
		return errPending
	}
	*r = heap.Row{Kind: heap.RowKind(b[0]), Relids: r.Relids[:0]}
	for bit, set := range rowFlags(r) {
		*set = b[1]>>bit&1 != 0
	}
	r.Relation.Tablespace, r.Relation.Database, r.Relation.Number = le.Uint32(b[2:]), le.Uint32(b[6:]), le.Uint32(b[10:])
	n := uint64(le.Uint32(b[rowHeader:]))
	if b = b[rowHeader+4:]; n*4+4 > uint64(len(b)) {
		return errPending
	}
	for range n {
		r.Relids = append(r.Relids, le.Uint32(b))
		b = b[4:]
	}
	size := uint64(le.Uint32(b))
	if b = b[4:]; size > uint64(len(b)) {
		return errPending
	}
	var err error
	if hasNew(r.Kind) {
		r.New, err = heap.ParseTuple(b[:size])
	}
	if err == nil && r.HasOld {
		r.Old, err = heap.ParseTuple(b[size:])
	}
	return err
}

// A message as an entry is its prefix, with a uvarint of its length before it, and
// its content.
func appendMessage(b []byte, prefix string, content []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(prefix)))
	return append(append(b, prefix...), content...)
}

func readMessage(b []byte) (prefix string, content []byte, err error) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return "", nil, errPending
	}
	b = b[k:]
	return string(b[:n]), b[n:], nil
}
