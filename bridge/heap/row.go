package heap

import (
	"fmt"

	"github.com/howdahdb/howdah/bridge/wal"
)

// RowKind is what a record does to a row.
type RowKind uint8

const (
	Insert RowKind = iota + 1
	// Speculative is the insert of INSERT … ON CONFLICT, of which Confirm makes an
	// insert and SpeculativeAbort, or another Speculative, makes nothing. The chunks
	// that its row points to come after it, too.
	Speculative
	Confirm
	SpeculativeAbort
	Update
	Delete
	Truncate
)

func (k RowKind) String() string {
	return [...]string{"none", "insert", "speculative insert", "confirm", "speculative abort", "update", "delete", "truncate"}[k&7]
}

// Row is what a record means for one row, or for the tables of a TRUNCATE. It
// aliases the record.
type Row struct {
	Kind     RowKind
	Relation wal.Relation // only its Database for Truncate
	New      Tuple        // of Insert, Speculative and Update
	Old      Tuple        // if HasOld
	// HasOld says that the replica identity has had the old row logged: whole, or
	// with OldIsKey its columns and nulls for the others.
	HasOld, OldIsKey bool
	// Toast says that the table is a toast table: the row is a chunk.
	Toast bool
	// ClearToast says that no chunk which came before is needed after this row.
	ClearToast bool
	// PartitionMove is of a Delete whose row is inserted into another partition.
	PartitionMove bool

	Relids           []uint32 // of a Truncate: pg_class.oid of all its tables
	Cascade, Restart bool
}

// What the records of Heap and Heap2 do, and their flags
// (src/include/access/heapam_xlog.h).
const (
	opMask = 0x70

	opInsert    = 0x00
	opDelete    = 0x10
	opUpdate    = 0x20
	opTruncate  = 0x30
	opHotUpdate = 0x40
	opConfirm   = 0x50

	opMultiInsert = 0x50 // of Heap2

	insertLastInMulti = 0x02
	insertSpeculative = 0x04
	insertNewTuple    = 0x08
	insertToast       = 0x10

	updateOldTuple = 0x04
	updateOldKey   = 0x08
	updateNewTuple = 0x10
	updatePrefix   = 0x20
	updateSuffix   = 0x40

	deleteOldTuple = 0x02
	deleteOldKey   = 0x04
	deleteIsSuper  = 0x08
	deleteMove     = 0x10

	truncateCascade = 0x01
	truncateRestart = 0x02
)

// Rows appends what a record of Heap or Heap2 means for rows
// (heap_decode and heap2_decode in src/backend/replication/logical/decode.c).
// Other records mean nothing, as do those of rows that are not logged whole, which
// are the catalogs'.
func Rows(r *wal.Record, dst []Row) ([]Row, error) {
	var err error
	n := len(dst)
	switch {
	case r.RM == wal.Heap2 && r.Info&opMask == opMultiInsert:
		dst, err = multiInsert(r, dst)
	case r.RM == wal.Heap:
		dst, err = row(r, dst)
	}
	if err != nil {
		return dst[:n], fmt.Errorf("heap: record at %v: %w", r.LSN, err)
	}
	return dst, nil
}

func row(r *wal.Record, dst []Row) ([]Row, error) {
	op := r.Info & opMask
	size := mainSize[op>>4]
	switch {
	case size == 0:
		return dst, nil
	case len(r.Data) < size:
		return dst, fmt.Errorf("%w: %d bytes", ErrCorrupt, len(r.Data))
	}
	if op == opTruncate {
		return truncate(r.Data, dst)
	}
	if len(r.Blocks) == 0 {
		return dst, fmt.Errorf("%w: no block", ErrCorrupt)
	}
	block := &r.Blocks[0]
	w := Row{Relation: block.Relation}
	var err error
	switch op {
	case opInsert:
		flags := r.Data[2]
		if flags&insertNewTuple == 0 {
			return dst, nil
		}
		w.Kind = Insert
		if flags&insertSpeculative != 0 {
			w.Kind = Speculative
		}
		w.Toast = flags&insertToast != 0
		w.ClearToast = !w.Toast
		w.New, err = ParseTuple(block.Data)
	case opUpdate, opHotUpdate:
		flags := r.Data[7]
		switch {
		case flags&updateNewTuple == 0:
			return dst, nil
		case flags&(updatePrefix|updateSuffix) != 0:
			return dst, fmt.Errorf("%w: the update of a logged row takes a part from the old one", ErrCorrupt)
		}
		w.Kind, w.ClearToast = Update, true
		if w.New, err = ParseTuple(block.Data); err == nil {
			err = w.readOld(r.Data[size:], flags&updateOldTuple != 0, flags&updateOldKey != 0)
		}
	case opDelete:
		flags := r.Data[7]
		w.Kind, w.ClearToast = Delete, true
		if flags&deleteIsSuper != 0 {
			w.Kind = SpeculativeAbort
		}
		w.PartitionMove = flags&deleteMove != 0
		err = w.readOld(r.Data[size:], flags&deleteOldTuple != 0, flags&deleteOldKey != 0)
	case opConfirm:
		w.Kind = Confirm
	}
	return append(dst, w), err
}

// mainSize is how long the fixed part of a record's main data is, by its operation;
// 0 for those that mean nothing for rows.
var mainSize = [8]int{opInsert >> 4: 3, opDelete >> 4: 8, opUpdate >> 4: 14, opTruncate >> 4: 12, opHotUpdate >> 4: 14, opConfirm >> 4: 2}

func (w *Row) readOld(b []byte, whole, key bool) (err error) {
	if !whole && !key {
		return nil
	}
	w.HasOld, w.OldIsKey = true, key
	w.Old, err = ParseTuple(b)
	return err
}

// truncate takes an xl_heap_truncate.
func truncate(b []byte, dst []Row) ([]Row, error) {
	n := uint64(le.Uint32(b[4:]))
	if uint64(len(b)) != 12+4*n {
		return dst, fmt.Errorf("%w: TRUNCATE of %d tables in %d bytes", ErrCorrupt, n, len(b))
	}
	w := Row{
		Kind:     Truncate,
		Relation: wal.Relation{Database: le.Uint32(b)},
		Relids:   make([]uint32, n),
		Cascade:  b[8]&truncateCascade != 0,
		Restart:  b[8]&truncateRestart != 0,
	}
	for i := range w.Relids {
		w.Relids[i] = le.Uint32(b[12+4*i:])
	}
	return append(dst, w), nil
}

// multiInsert takes an xl_heap_multi_insert, and its tuples.
func multiInsert(r *wal.Record, dst []Row) ([]Row, error) {
	if len(r.Data) < 4 || len(r.Blocks) == 0 {
		return dst, fmt.Errorf("%w: %d bytes, %d blocks", ErrCorrupt, len(r.Data), len(r.Blocks))
	}
	flags, n := r.Data[0], int(le.Uint16(r.Data[2:]))
	if flags&insertNewTuple == 0 {
		return dst, nil
	}
	tuples := Multi{r.Blocks[0].Data}
	for i := range n {
		t, err := tuples.Next()
		if err != nil {
			return dst, fmt.Errorf("tuple %d of %d: %w", i+1, n, err)
		}
		dst = append(dst, Row{
			Kind: Insert, Relation: r.Blocks[0].Relation, New: t,
			Toast:      flags&insertToast != 0,
			ClearToast: flags&insertLastInMulti != 0 && i == n-1,
		})
	}
	if len(tuples.Rest) != 0 {
		return dst, fmt.Errorf("%w: %d bytes behind %d tuples", ErrCorrupt, len(tuples.Rest), n)
	}
	return dst, nil
}

// Multi is the block data of a MULTI_INSERT, whose tuples are one behind the other.
type Multi struct{ Rest []byte }

// multiHeader is SizeOfMultiInsertTuple.
const multiHeader = 7

// Next takes the next tuple, an xl_multi_insert_tuple, which begins at a multiple of
// two bytes:
//
//	0 length of the body u16 · 2 infomask2 u16 · 4 infomask u16 · 6 hoff u8 · 7 body
func (m *Multi) Next() (Tuple, error) {
	b := m.Rest
	if len(b) < multiHeader {
		return Tuple{}, fmt.Errorf("%w: %d bytes are left", ErrCorrupt, len(b))
	}
	size := int(le.Uint16(b)) + multiHeader
	if size > len(b) {
		return Tuple{}, fmt.Errorf("%w: %d bytes are left of %d", ErrCorrupt, len(b), size)
	}
	t := Tuple{le.Uint16(b[2:]), le.Uint16(b[4:]), b[6], b[multiHeader:size:size]}
	m.Rest = b[min(len(b), size+size&1):]
	return t, t.check()
}
