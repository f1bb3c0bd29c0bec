package catalog

import (
	"fmt"

	"github.com/howdahdb/howdah/bridge/heap"
	"github.com/howdahdb/howdah/bridge/wal"
)

// file is one that is, was or may become a catalog's.
type file struct {
	kind  kind
	pages []*page // by block number; nil where none was written
}

// page has the tuples of a page. Line pointers without a tuple, as those that lead to
// another one, need not be told from each other.
type page struct {
	lsn    wal.LSN // of the last record that has changed it
	tuples []tuple // by offset number − 1
	// bad is why the page was not readable; recovery replaces such ones before it
	// looks at them.
	bad error
}

// tuple is a tuple of a page; body nil: none. Bodies are never changed.
type tuple struct {
	xmin, xmax          uint32
	infomask2, infomask uint16
	hoff                uint8
	body                []byte
	// updater is who has removed it, if xmax is a multixact that has not only locked
	// it; 0 if that is not known.
	updater uint32
}

func (t *tuple) row() heap.Tuple {
	return heap.Tuple{Infomask2: t.infomask2, Infomask: t.infomask, Hoff: t.hoff, Body: t.body}
}

// get is the tuple at an offset number, nil if there is none.
func (p *page) get(offset uint16) *tuple {
	if offset == 0 || int(offset) > len(p.tuples) || p.tuples[offset-1].body == nil {
		return nil
	}
	return &p.tuples[offset-1]
}

// maxOffset is more than there are on any page (MaxOffsetNumber).
const maxOffset = wal.PageSize / 4

func (p *page) set(offset uint16, t tuple) error {
	if offset == 0 || offset > maxOffset {
		return fmt.Errorf("%w: offset number %d", ErrCorrupt, offset)
	}
	for int(offset) > len(p.tuples) {
		p.tuples = append(p.tuples, tuple{})
	}
	p.tuples[offset-1] = t
	return nil
}

func (p *page) remove(offset uint16) {
	if t := p.get(offset); t != nil {
		*t = tuple{}
	}
}

// keepUpdaters takes over from the page as it was before what an image doesn't say.
func (p *page) keepUpdaters(before *page) {
	for i := range p.tuples {
		t := &p.tuples[i]
		if t.body == nil || !t.updatedByMulti() {
			continue
		}
		if old := before.get(uint16(i + 1)); old != nil && old.xmin == t.xmin {
			t.updater = old.remover()
		}
	}
}

// at is a page, nil if it was not written.
func (f *file) at(block uint32) *page {
	if uint64(block) < uint64(len(f.pages)) {
		return f.pages[block]
	}
	return nil
}

// maxBlocks bounds what a damaged record can make of a file: 32 GiB of a catalog.
const maxBlocks = 1 << 22

func (f *file) put(block uint32, p *page) error {
	if block >= maxBlocks {
		return fmt.Errorf("%w: block %d of %v", ErrCorrupt, block, f.kind)
	}
	for uint32(len(f.pages)) <= block {
		f.pages = append(f.pages, nil)
	}
	f.pages[block] = p
	return nil
}

// tuples calls do for all tuples.
func (f *file) tuples(do func(*tuple) error) error {
	for _, p := range f.pages {
		if p == nil {
			continue
		}
		for i := range p.tuples {
			if t := &p.tuples[i]; t.body != nil {
				if err := do(t); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// A heap page (src/include/storage/bufpage.h, itemid.h, src/include/access/
// htup_details.h):
//
//	 0 LSN, its halves: high u32, low u32 · 8 checksum u16 · 10 flags u16
//	12 lower u16 · 14 upper u16 · 16 special u16 · 18 size and version u16 · 20 xid u32
//	24 line pointers, each offset 15 bits, state 2 bits, length 15 bits; up to lower
//	tuple  0 xmin u32 · 4 xmax u32 · 8 command u32 · 12 ctid 6 bytes
//	      18 infomask2 u16 · 20 infomask u16 · 22 hoff u8 · 23 body
const (
	pageHeader   = 24
	pageVersion  = wal.PageSize | 4 // PG_PAGE_LAYOUT_VERSION
	stateNormal  = 1                // LP_NORMAL
	tupleHeader  = heap.HeaderSize
	maxPageItems = (wal.PageSize - pageHeader) / 4
)

// parsePage takes a page as it is on disk, nil if it is new; its tuples alias b.
func parsePage(b []byte) *page {
	p := &page{lsn: wal.LSN(le.Uint32(b))<<32 | wal.LSN(le.Uint32(b[4:]))}
	lower := int(le.Uint16(b[12:]))
	if upper := le.Uint16(b[14:]); upper == 0 { // PageIsNew
		for _, c := range b {
			if c != 0 {
				p.bad = corrupt("a page is neither new nor in use")
				return p
			}
		}
		return nil
	}
	if version := le.Uint16(b[18:]); version != pageVersion || lower < pageHeader || lower > len(b) {
		p.bad = fmt.Errorf("%w: a page of version %04X whose line pointers end at %d", ErrCorrupt, version, lower)
		return p
	}
	p.tuples = make([]tuple, (lower-pageHeader)/4)
	for i := range p.tuples {
		item := le.Uint32(b[pageHeader+4*i:])
		if item>>15&3 != stateNormal {
			continue
		}
		begin, size := int(item&0x7fff), int(item>>17)
		if begin+size > len(b) || size < tupleHeader {
			p.tuples, p.bad = nil, fmt.Errorf("%w: tuple %d of a page has %d bytes at %d", ErrCorrupt, i+1, size, begin)
			return p
		}
		t := b[begin : begin+size : begin+size]
		p.tuples[i] = tuple{
			xmin: le.Uint32(t), xmax: le.Uint32(t[4:]),
			infomask2: le.Uint16(t[18:]), infomask: le.Uint16(t[20:]), hoff: t[22], body: t[tupleHeader:],
		}
	}
	return p
}
