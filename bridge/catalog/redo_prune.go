package catalog

import "github.com/howdahdb/howdah/bridge/wal"

// Which parts the data of a prune record has (xl_heap_prune in
// src/include/access/heapam_xlog.h), XLHP_HAS_….
const (
	pruneFreezes    = 0x10
	pruneRedirected = 0x20
	pruneDead       = 0x40
	pruneUnused     = 0x80
)

// redoPrune takes tuples away and freezes others. Main data: 0 reason u8 · 1 flags u8.
// Block data, of which the flags say what there is:
//
//	plans       number u16 · padding 2 · each: xmax u32 · infomask2 u16 · infomask u16
//	            · flags u8 · padding 1 · number of tuples u16
//	redirected  number u16 · each: from u16 · to u16
//	dead        number u16 · offset numbers u16
//	unused      number u16 · offset numbers u16
//	the offset numbers of the plans' tuples u16
func (c *Catalogs) redoPrune(r *wal.Record) error {
	if len(r.Data) < 2 {
		return corrupt("%d bytes", len(r.Data))
	}
	t, err := c.target(r, 0)
	if err != nil || t.page == nil || !t.redo {
		return err
	}
	flags, b := r.Data[1], cursor{rest: t.block.Data}
	var plans []byte
	const planSize = 12
	if flags&pruneFreezes != 0 {
		n := int(b.u16())
		b.take(2)
		plans = b.take(n * planSize)
	}
	if flags&pruneRedirected != 0 {
		for n := b.u16(); n > 0 && !b.short; n-- {
			t.remove(b.u16())
			b.u16()
		}
	}
	for _, part := range [...]uint8{pruneDead, pruneUnused} {
		if flags&part != 0 {
			for n := b.u16(); n > 0 && !b.short; n-- {
				t.remove(b.u16())
			}
		}
	}
	for ; len(plans) >= planSize; plans = plans[planSize:] {
		for n := le.Uint16(plans[10:]); n > 0 && !b.short; n-- {
			offset := b.u16()
			tuple := t.get(offset)
			if tuple == nil {
				return corrupt("no tuple at (%d,%d) of %v to freeze", t.block.Number, offset, t.file.kind)
			}
			tuple.xmax = le.Uint32(plans)
			tuple.infomask2, tuple.infomask = le.Uint16(plans[4:]), le.Uint16(plans[6:])
		}
	}
	if b.short || len(b.rest) != 0 {
		return corrupt("the data of a prune record has another length than its flags %02X", flags)
	}
	return nil
}

// cursor reads bytes; after their end it gives zeros, and short is set.
type cursor struct {
	rest  []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.rest) {
		c.rest, c.short = nil, true
		return make([]byte, min(max(n, 0), 8))
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) u8() uint8   { return c.take(1)[0] }
func (c *cursor) u16() uint16 { return le.Uint16(c.take(2)) }
func (c *cursor) u32() uint32 { return le.Uint32(c.take(4)) }
func (c *cursor) u64() uint64 { return le.Uint64(c.take(8)) }
