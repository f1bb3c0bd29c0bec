package pglite

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// rowType is what a prepared statement gives, or rather what Postgres compares
// of it before it runs the statement again (equalRowTypes in
// src/backend/access/common/tupdesc.c): a client that knows one row type gets
// 0A000 "cached plan must not change result type" instead of another. "" is a
// row type that is not known; what else there is begins with the number of
// columns, which noRows says there are none of.
//
// A statement that is prepared once more, in another backend, gets the row type
// that its client knows, and Postgres compares.
type rowType string

const noRows rowType = "-"

// columnSize is that of a column in a rowType behind its name and a NUL, in bytes:
// type, modifier and collation, and how values of the type are stored (length,
// by value, alignment, storage), which follows from the type.
const columnSize = 17

// rowTypeOf reads the row type of a named statement out of the guest, and where
// its CachedPlanSource is. Both are zero when there is no such statement.
// REQUIRES: entered.
func (b *backend) rowTypeOf(name string) (rows rowType, source uint32, err error) {
	i := b.inst
	table := i.Uint32(preparedQueriesAddr)
	if table == 0 || name == "" {
		return "", 0, nil
	}
	sp := i.StackPointer()
	defer i.SetStackPointer(sp)
	key, err := i.PushString(name)
	if err != nil {
		return "", 0, err
	}
	const find = 0 // HASH_FIND
	entry, err := i.Call("hash_search", uint64(table), uint64(key), find, 0)
	if err != nil || entry == 0 {
		return "", 0, err
	}
	source = i.Uint32(uint32(entry) + preparedSourceAt)
	if i.Uint32(source) != sourceMagic {
		return "", 0, fmt.Errorf("pglite: the prepared statement %q is none", name)
	}
	desc := i.Uint32(source + sourceRowsAt)
	if desc == 0 {
		return noRows, source, nil
	}
	n := i.Uint32(desc)
	out := binary.LittleEndian.AppendUint32(nil, n)
	out = binary.LittleEndian.AppendUint32(out, i.Uint32(desc+4)) // tdtypeid
	for k := range n {
		a := i.Bytes(desc+rowHeader+n*rowCompact+k*rowAttr, rowAttr)
		col := a[rowNameAt : rowNameAt+nameSize+1]
		out = append(out, col[:bytes.IndexByte(col, 0)+1]...)
		out = append(out, a[rowTypeAt:rowTypeAt+4]...)
		out = append(out, a[rowModAt:rowModAt+4]...)
		out = append(out, a[rowCollAt:rowCollAt+4]...)
		out = append(out, a[rowLenAt:rowLenAt+2]...)
		out = append(out, a[rowByValAt:rowByValAt+3]...)
	}
	return rowType(out), source, nil
}

// keepRowType makes a statement that has just been prepared once more fail as
// soon as it is used, if it would give other rows than known. It returns the
// row type that the statement has now. REQUIRES: entered.
func (b *backend) keepRowType(name string, known rowType) (rowType, error) {
	now, source, err := b.rowTypeOf(name)
	if err != nil || source == 0 || known == "" || known == now {
		return now, err
	}
	desc := uint32(0)
	if known != noRows {
		if desc, err = b.newRowType(b.inst.Uint32(source+sourceContextAt), known); err != nil {
			return "", err
		}
	}
	b.inst.PutUint32(source+sourceRowsAt, desc)
	b.inst.Bytes(source+sourceValidAt, 1)[0] = 0
	return known, nil
}

// newRowType makes a TupleDesc in a memory context. It is for equalRowTypes, and
// stays the statement's when that finds it equal: EXECUTE reads rows by a copy.
func (b *backend) newRowType(context uint32, rows rowType) (uint32, error) {
	le := binary.LittleEndian
	in := []byte(rows)
	n := le.Uint32(in)
	p, err := b.inst.Call("MemoryContextAllocZero", uint64(context), uint64(rowHeader+n*(rowCompact+rowAttr)))
	if err != nil {
		return 0, err
	}
	desc := b.inst.Bytes(uint32(p), rowHeader+n*(rowCompact+rowAttr))
	copy(desc, in[:8])
	le.PutUint32(desc[8:], ^uint32(0))  // tdtypmod
	le.PutUint32(desc[12:], ^uint32(0)) // tdrefcount: not counted
	in = in[8:]
	attrs := desc[rowHeader+n*rowCompact:]
	for k := uint16(1); len(in) > 0; k++ {
		end := bytes.IndexByte(in, 0)
		copy(attrs[rowNameAt:], in[:end])
		in = in[end+1:]
		copy(attrs[rowTypeAt:], in[:4])
		copy(attrs[rowModAt:], in[4:8])
		copy(attrs[rowCollAt:], in[8:12])
		copy(attrs[rowLenAt:], in[12:14])
		copy(attrs[rowByValAt:], in[14:columnSize])
		le.PutUint16(attrs[rowNumAt:], k)
		in, attrs = in[columnSize:], attrs[rowAttr:]
	}
	return uint32(p), nil
}
