package wal

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// PageSize is XLOG_BLCKSZ, and BLCKSZ as well: 8 KiB in every build of PGlite and
// in those of nearly all distributions.
const PageSize = 8192

const (
	pageMagic = 0xd118 // XLOG_PAGE_MAGIC of PostgreSQL 18

	// Flags of a page, XLP_….
	pageContinues = 1 // its first bytes belong to a record begun before it
	pageLong      = 2 // it has the long header
	pageRemovable = 4 // BKP_REMOVABLE; of no meaning to a reader
	pageOverwrite = 8 // recovery went on here and left the record before it unfinished
	pageFlags     = pageContinues | pageLong | pageRemovable | pageOverwrite

	shortHeader = 24
	longHeader  = 40

	defaultSegment = 16 << 20
	minSegment     = 1 << 20 // WalSegMinSize
	maxSegment     = 1 << 30 // WalSegMaxSize
)

var le = binary.LittleEndian

// page is what has been written of a page; bytes that have not are zero.
type page struct {
	bytes   [PageSize]byte
	written uint64 // a bit for each byte of the header that has been, the lowest for the first
	checked bool   // the header is right, and nothing was written since it was looked at
}

func (p *page) write(at int, b []byte) int {
	n := copy(p.bytes[at:], b)
	if at < longHeader {
		p.written |= 1<<min(at+n, longHeader) - 1<<at
	}
	p.checked = false
	return n
}

func (p *page) flags() uint16     { return le.Uint16(p.bytes[2:]) }
func (p *page) remaining() uint32 { return le.Uint32(p.bytes[16:]) }

func (p *page) header() int {
	if p.flags()&pageLong != 0 {
		return longHeader
	}
	return shortHeader
}

// page is the page at l, if its header says that it is that page of this log
// (XLogReaderValidatePageHeader).
func (r *Reader) page(l LSN) (*page, error) {
	p := r.pages[l]
	if p == nil {
		return nil, r.more(l, "the page is not written")
	}
	if p.checked {
		return p, nil
	}
	whole := uint64(1)<<p.header() - 1
	switch magic := le.Uint16(p.bytes[:]); {
	case magic == 0, p.written&whole != whole:
		return nil, r.more(l, "the page is not written")
	case magic != pageMagic:
		return nil, invalid(l, "page magic %04X, not %04X of PostgreSQL 18", magic, pageMagic)
	}
	// A file that has been another segment has pages of that one.
	if at := LSN(le.Uint64(p.bytes[8:])); at != l {
		return nil, r.more(l, "the page is one of a recycled segment")
	}
	flags := p.flags()
	if flags&^pageFlags != 0 {
		return nil, invalid(l, "page flags %04X", flags)
	}
	if flags&pageLong != 0 {
		if err := r.checkLong(l, p); err != nil {
			return nil, err
		}
	}
	if first := uint64(l)%uint64(r.segment) == 0; first != (flags&pageLong != 0) {
		return nil, invalid(l, "long page header: %t; segments have %d bytes", !first, r.segment)
	}
	tli := le.Uint32(p.bytes[4:])
	if tli == 0 || tli < r.timeline {
		return nil, invalid(l, "timeline %d after %d", tli, r.timeline)
	}
	r.timeline = tli
	p.checked = true
	return p, nil
}

// checkLong compares the long header with those seen before, and learns from the
// first one what the Reader was not told.
func (r *Reader) checkLong(l LSN, p *page) error {
	system, segment := le.Uint64(p.bytes[24:]), le.Uint32(p.bytes[32:])
	if size := le.Uint32(p.bytes[36:]); size != PageSize {
		return invalid(l, "pages of %d bytes, not %d", size, PageSize)
	}
	if bits.OnesCount32(segment) != 1 || segment < minSegment || segment > maxSegment {
		return invalid(l, "segments of %d bytes", segment)
	}
	if r.system != 0 && system != r.system {
		return invalid(l, "system identifier %d, not %d", system, r.system)
	}
	if r.segmentKnown && segment != r.segment {
		return invalid(l, "segments of %d bytes, not %d", segment, r.segment)
	}
	r.system, r.segment, r.segmentKnown = system, segment, true
	return nil
}

// dataBetween is how many bytes of a record that begins at start stand before the
// later page l: all but the page headers.
func (r *Reader) dataBetween(start, l LSN) uint64 {
	first := pageOf(start)
	headers := uint64(l-first)/PageSize - 1
	longs := uint64(l-1)/uint64(r.segment) - uint64(first)/uint64(r.segment)
	return uint64(l-start) - headers*shortHeader - longs*(longHeader-shortHeader)
}

func invalid(l LSN, format string, args ...any) error {
	return fmt.Errorf("%w at %v: %s", ErrInvalid, l, fmt.Sprintf(format, args...))
}

// IsPage tells whether b begins with a page written for position at, by its magic
// number and its own position. A segment that is used again has pages of another
// until they are written.
func IsPage(b []byte, at LSN) bool {
	return len(b) >= shortHeader && le.Uint16(b) == pageMagic && LSN(le.Uint64(b[8:])) == at
}
