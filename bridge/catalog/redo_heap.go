package catalog

import (
	"github.com/howdahdb/howdah/bridge/heap"
	"github.com/howdahdb/howdah/bridge/wal"
)

// The functions here follow those of the same names in
// src/backend/access/heap/heapam_xlog.c.

// redoInsert: 0 offset number u16 · 2 flags u8.
func (c *Catalogs) redoInsert(r *wal.Record) error {
	if len(r.Data) < 3 {
		return corrupt("%d bytes", len(r.Data))
	}
	t, err := c.target(r, 0)
	if err != nil || t.page == nil {
		return err
	}
	return c.insert(r, t, le.Uint16(r.Data), func() (heap.Tuple, error) { return heap.ParseTuple(t.block.Data) })
}

// insert puts a tuple where it belongs, if it isn't there, and makes an Op of it.
func (c *Catalogs) insert(r *wal.Record, t target, offset uint16, parse func() (heap.Tuple, error)) error {
	if t.redo {
		row, err := parse()
		if err != nil {
			return err
		}
		if err := t.set(offset, inserted(r, row)); err != nil {
			return err
		}
	}
	return c.setAt(r, t, offset)
}

// setAt makes an Op of the tuple at an offset number, which the record has put there.
func (c *Catalogs) setAt(r *wal.Record, t target, offset uint16) error {
	if !t.known {
		return nil // what is there has been seen with its page
	}
	tuple := t.get(offset)
	if tuple == nil {
		return corrupt("no tuple at (%d,%d) of %v", t.block.Number, offset, t.file.kind)
	}
	return c.set(r, t, tuple)
}

// redoMultiInsert: 0 flags u8 · 2 number of tuples u16 · 4 offset numbers u16 each,
// left out if the page is new.
func (c *Catalogs) redoMultiInsert(r *wal.Record) error {
	if len(r.Data) < 4 {
		return corrupt("%d bytes", len(r.Data))
	}
	n, offsets := int(le.Uint16(r.Data[2:])), r.Data[4:]
	if r.Info&initPage == 0 && len(offsets) < 2*n {
		return corrupt("%d bytes for %d tuples", len(r.Data), n)
	}
	t, err := c.target(r, 0)
	if err != nil || t.page == nil {
		return err
	}
	tuples := heap.Multi{Rest: t.block.Data}
	for i := range n {
		offset := uint16(i + 1)
		if r.Info&initPage == 0 {
			offset = le.Uint16(offsets[2*i:])
		}
		if err := c.insert(r, t, offset, tuples.Next); err != nil {
			return err
		}
	}
	return nil
}

// redoDelete: 0 xmax u32 · 4 offset number u16 · 6 infobits u8 · 7 flags u8.
func (c *Catalogs) redoDelete(r *wal.Record) error {
	if len(r.Data) < 8 {
		return corrupt("%d bytes", len(r.Data))
	}
	offset := le.Uint16(r.Data[4:])
	old := c.before(r, 0, offset)
	t, err := c.target(r, 0)
	if err != nil || t.page == nil {
		return err
	}
	if t.redo {
		tuple := t.get(offset)
		if tuple == nil {
			return corrupt("no tuple at (%d,%d) of %v to delete", t.block.Number, offset, t.file.kind)
		}
		tuple.setXmax(le.Uint32(r.Data), r.Data[6], r.XID)
	}
	t.removed(r, offset)
	if old == nil {
		if c.reading != nil {
			return nil
		}
		return corrupt("no tuple at (%d,%d) of %v was there to delete", t.block.Number, offset, t.file.kind)
	}
	return c.remove(r, t, old)
}

// removed says who has removed a tuple of a page that was restored from an image.
func (t *target) removed(r *wal.Record, offset uint16) {
	if t.page == nil || !t.known {
		return
	}
	if tuple := t.get(offset); tuple != nil && tuple.updatedByMulti() {
		tuple.updater = r.XID
	}
}

// before is a copy of the tuple at an offset number of a record's block, as it is
// before the record; nil if there is none.
func (c *Catalogs) before(r *wal.Record, id uint8, offset uint16) *tuple {
	for i := range r.Blocks {
		b := &r.Blocks[i]
		if b.ID != id {
			continue
		}
		if f := c.files[b.Relation]; f != nil {
			if p := f.at(b.Number); p != nil {
				if t := p.get(offset); t != nil {
					old := *t
					return &old
				}
			}
		}
	}
	return nil
}

// redoUpdate: 0 xmax of the old tuple u32 · 4 its offset number u16 · 6 its infobits
// u8 · 7 flags u8 · 8 xmax of the new tuple u32 · 12 its offset number u16. Block 0 is
// the new tuple's page, and 1 the old one's if it is another; those behind, if any,
// are of the visibility map.
func (c *Catalogs) redoUpdate(r *wal.Record) error {
	if len(r.Data) < 14 {
		return corrupt("%d bytes", len(r.Data))
	}
	oldOffset, offset := le.Uint16(r.Data[4:]), le.Uint16(r.Data[12:])
	oldID := uint8(0)
	for i := range r.Blocks {
		if b := &r.Blocks[i]; b.ID == 1 && b.Fork == wal.MainFork {
			oldID = 1
		}
	}
	old := c.before(r, oldID, oldOffset)
	var from target
	var err error
	if oldID == 1 {
		if from, err = c.target(r, 1); err != nil {
			return err
		}
	}
	t, err := c.target(r, 0)
	if err != nil {
		return err
	}
	if oldID == 0 {
		from = t
	}
	if from.page != nil && from.redo {
		tuple := from.get(oldOffset)
		if tuple == nil {
			return corrupt("no tuple at (%d,%d) of %v to update", from.block.Number, oldOffset, from.file.kind)
		}
		tuple.setXmax(le.Uint32(r.Data), r.Data[6], r.XID)
	}
	from.removed(r, oldOffset)
	if t.page == nil {
		return nil
	}
	if t.redo {
		n, err := updated(r, t.block.Data, old)
		if err != nil {
			return err
		}
		if err := t.set(offset, n); err != nil {
			return err
		}
	}
	if err := c.setAt(r, t, offset); err != nil || old == nil || !t.known || c.reading != nil {
		return err
	}
	was, now := old.row(), t.get(offset).row()
	wasKey, err := keyOf(t.file.kind, &was)
	if err != nil {
		return err
	}
	if nowKey, err := keyOf(t.file.kind, &now); err != nil || nowKey == wasKey {
		return err
	}
	return c.remove(r, t, old)
}

// updated makes the new tuple of an update: what is logged of it, and what it has of
// the old one,
//
//	length of the beginning u16, of the end u16, if the flags say so
//	infomask2 u16 · infomask u16 · hoff u8 · null bitmap and padding · columns
//
// where the beginning is of the columns, and not of what is in front of them.
func updated(r *wal.Record, b []byte, old *tuple) (tuple, error) {
	const prefixed, suffixed = 0x20, 0x40 // XLH_UPDATE_PREFIX_FROM_OLD, …SUFFIX…
	flags := r.Data[7]
	length := func(flag uint8) int {
		if flags&flag == 0 || len(b) < 2 {
			return 0
		}
		n := int(le.Uint16(b))
		b = b[2:]
		return n
	}
	prefix, suffix := length(prefixed), length(suffixed)
	row, err := heap.ParseTuple(b)
	if err != nil {
		return tuple{}, err
	}
	t := inserted(r, row)
	t.xmax = le.Uint32(r.Data[8:])
	if prefix == 0 && suffix == 0 {
		return t, nil
	}
	if old == nil {
		return tuple{}, corrupt("the tuple that the new one takes a part from is not there")
	}
	begin := int(old.hoff) - heap.HeaderSize
	if begin < 0 || begin+prefix > len(old.body) || suffix > len(old.body) {
		return tuple{}, corrupt("a tuple of %d bytes has no beginning of %d and end of %d", len(old.body), prefix, suffix)
	}
	front := int(row.Hoff) - heap.HeaderSize
	body := make([]byte, 0, len(row.Body)+prefix+suffix)
	body = append(body, row.Body[:front]...)
	body = append(body, old.body[begin:begin+prefix]...)
	body = append(body, row.Body[front:]...)
	t.body = append(body, old.body[len(old.body)-suffix:]...)
	return t, nil
}

// redoLock is for LOCK and LOCK_UPDATED: 0 xmax u32 · 4 offset number u16 · 6
// infobits u8 · 7 flags u8.
func (c *Catalogs) redoLock(r *wal.Record) error {
	if len(r.Data) < 8 {
		return corrupt("%d bytes", len(r.Data))
	}
	t, err := c.target(r, 0)
	if err != nil || t.page == nil || !t.redo {
		return err
	}
	if tuple := t.get(le.Uint16(r.Data[4:])); tuple != nil {
		tuple.setXmax(le.Uint32(r.Data), r.Data[6], tuple.remover())
		return nil
	}
	return corrupt("no tuple to lock in block %d of %v", t.block.Number, t.file.kind)
}

// redoInplace: 0 offset number u16, then what others are told. It overwrites a tuple
// whatever becomes of the transaction, in columns that make no difference here.
func (c *Catalogs) redoInplace(r *wal.Record) error {
	if len(r.Data) < 2 {
		return corrupt("%d bytes", len(r.Data))
	}
	t, err := c.target(r, 0)
	if err != nil || t.page == nil || !t.redo {
		return err
	}
	tuple := t.get(le.Uint16(r.Data))
	if tuple == nil {
		return corrupt("no tuple to overwrite in block %d of %v", t.block.Number, t.file.kind)
	}
	front := int(tuple.hoff) - heap.HeaderSize
	if front < 0 || front+len(t.block.Data) != len(tuple.body) {
		return corrupt("%d bytes overwrite a tuple of %d", len(t.block.Data), len(tuple.body))
	}
	body := make([]byte, 0, len(tuple.body))
	tuple.body = append(append(body, tuple.body[:front]...), t.block.Data...)
	return nil
}
