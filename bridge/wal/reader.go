package wal

import (
	"errors"
	"fmt"
)

var (
	// ErrMore says that there is no whole record at the Reader's position, and why.
	// It is how a log ends; bytes that are written later can go on from there.
	ErrMore = errors.New("wal: no whole record yet")
	// ErrInvalid says that what is there is no log that this package reads: of
	// another system or version, or a record with a right checksum and no sense.
	ErrInvalid = errors.New("wal: not a valid log")
)

const (
	// window is how far bytes may be ahead of the record to read: the largest
	// record, its page headers, and a segment.
	window = maxRecord + maxRecord/PageSize*longHeader + defaultSegment

	maxFree = 128 // pages kept for reuse: 1 MiB
	// keepBuffer is the largest buffer kept for records of several pages; few are
	// larger than their 33 page images.
	keepBuffer = 1 << 20
)

// Options say what a Reader knows beforehand; the zero value is nothing.
type Options struct {
	// SystemID is the system identifier; 0 takes the one that comes first.
	SystemID uint64
	// SegmentSize is in bytes; 0 is 16 MiB or what the first page says, if the
	// first one that is read is that of a segment.
	SegmentSize uint32
}

// Reader gives the records of a log in order. It holds copies of the pages that
// were written and not read yet, and no others. It is not safe for concurrent use.
type Reader struct {
	next    LSN  // where the next record begins, or the page whose header precedes it
	prev    LSN  // the record before it; 0 at first
	seeking bool // next is a page in which no record may begin
	// seen is up to where pages are known to continue the record at next, if it is
	// behind next.
	seen LSN
	// stop is what Next said last, if nothing has been written since.
	stop error

	pages  map[LSN]*page // by position; none below low
	low    LSN
	free   []*page
	buf    []byte // a record of several pages
	record Record

	system       uint64
	segment      uint32
	segmentKnown bool
	timeline     uint32
}

// NewReader reads from position start on: the beginning of a record, as Position
// gives it, or of a page, from where it takes the first record that begins there
// or later.
func NewReader(start LSN, o Options) *Reader {
	r := &Reader{
		next: start, low: pageOf(start), seeking: start == pageOf(start),
		pages:  map[LSN]*page{},
		system: o.SystemID, segment: o.SegmentSize, segmentKnown: o.SegmentSize != 0,
	}
	if r.segment == 0 {
		r.segment = defaultSegment
	}
	return r
}

// Position is where the next record begins, or the header of the page that precedes
// it: where a new Reader goes on.
func (r *Reader) Position() LSN { return r.next }

// SystemID is the system identifier, 0 if it is not known yet.
func (r *Reader) SystemID() uint64 { return r.system }

// Timeline is that of the page read last, 0 before the first.
func (r *Reader) Timeline() uint32 { return r.timeline }

// Write says that b stands at position at. It copies b, over what was written
// there before; what has been read already it ignores. It fails, and takes nothing,
// if b goes so far beyond Position that no record could need it: let Next come to
// ErrMore before.
func (r *Reader) Write(at LSN, b []byte) error {
	end := at + LSN(len(b))
	if end < at || end > r.low+window {
		return fmt.Errorf("wal: %d bytes at %v are too far ahead of %v", len(b), at, r.next)
	}
	if at < r.low {
		b = b[min(LSN(len(b)), r.low-at):]
		at = r.low
	}
	if len(b) == 0 {
		return nil
	}
	r.stop = nil
	r.seen = min(r.seen, pageOf(at))
	for len(b) > 0 {
		p := r.pages[pageOf(at)]
		if p == nil {
			p = r.newPage()
			r.pages[pageOf(at)] = p
		}
		n := p.write(int(at-pageOf(at)), b)
		at, b = at+LSN(n), b[n:]
	}
	return nil
}

func (r *Reader) newPage() *page {
	n := len(r.free)
	if n == 0 {
		return &page{}
	}
	p := r.free[n-1]
	r.free = r.free[:n-1]
	*p = page{}
	return p
}

// release forgets the pages that precede next's.
func (r *Reader) release() {
	for ; r.low < pageOf(r.next) && len(r.pages) > 0; r.low += PageSize {
		if p := r.pages[r.low]; p != nil {
			delete(r.pages, r.low)
			if len(r.free) < maxFree {
				r.free = append(r.free, p)
			}
		}
	}
	r.low = pageOf(r.next)
	if cap(r.buf) > keepBuffer {
		r.buf = nil
	}
}

// Next is the next record, the Reader's until the next call of Next or Write. Its
// error is ErrMore or ErrInvalid, and stays until something is written.
func (r *Reader) Next() (*Record, error) {
	if r.stop == nil {
		r.stop = r.read()
	}
	if r.stop != nil {
		return nil, r.stop
	}
	return &r.record, nil
}

// more is an ErrMore: one for each commit, so its text is made only if it is asked for.
type more struct {
	next, at LSN
	until    LSN // it is about bytes that precede this
	why      string
}

func (e *more) Error() string {
	return fmt.Sprintf("%v at %v: %s (%v)", ErrMore, e.next, e.why, e.at)
}

func (e *more) Unwrap() error { return ErrMore }

func (r *Reader) more(at LSN, why string) error {
	return &more{r.next, at, pageOf(at) + PageSize, why}
}

// Damage is an ErrInvalid if there is no record at Position and there won't be, since
// all that stands before end is as it will remain: why. Whether a log ends at
// Position or is damaged there, only its writer knows, and so end.
func (r *Reader) Damage(end LSN) error {
	var m *more
	if errors.As(r.stop, &m) && m.until <= end {
		return invalid(m.at, "%s", m.why)
	}
	return nil
}

// read puts the record at next into r.record, and next behind it.
func (r *Reader) read() error {
	for {
		r.release()
		p, err := r.page(pageOf(r.next))
		if err != nil {
			return err
		}
		if r.seeking {
			r.seek(p)
			continue
		}
		at := r.next
		if at == pageOf(at) {
			if p.flags()&pageContinues != 0 {
				return r.more(at, "the page continues a record, and none is begun")
			}
			at += LSN(p.header())
		}
		b, end, err := r.gather(p, at)
		if err != nil {
			return err
		}
		if b == nil { // abandoned
			continue
		}
		return r.take(at, end, b)
	}
}

// seek goes behind what page p, at next, has of a record begun before it.
func (r *Reader) seek(p *page) {
	n := uint64(p.header())
	if p.flags()&pageContinues != 0 {
		n += uint64(p.remaining())
	}
	if r.seeking = n >= PageSize; r.seeking {
		n = PageSize
	}
	r.next += LSN(n+alignment-1) &^ (alignment - 1)
}

// gather gives the bytes of the record that begins at at, in page p, and where they
// end. They are nil if recovery has abandoned the record; next is then where it
// went on.
func (r *Reader) gather(p *page, at LSN) (b []byte, end LSN, err error) {
	off := int(at - pageOf(at))
	size := int(le.Uint32(p.bytes[off:]))
	switch {
	case size == 0:
		return nil, 0, r.more(at, "nothing is written")
	case size < recordHeader || size > maxRecord:
		return nil, 0, r.more(at, "length out of bounds")
	case off+size <= PageSize:
		return p.bytes[off : off+size], at + LSN(size), nil
	}
	// Look whether all pages are there before anything is copied, and at none twice
	// while they come one by one.
	l := max(pageOf(at)+PageSize, r.seen)
	for ; ; l += PageSize {
		r.seen = l
		c, err := r.page(l)
		if err != nil {
			return nil, 0, err
		}
		if c.flags()&pageOverwrite != 0 {
			r.next = l
			return nil, 0, nil
		}
		left := size - int(r.dataBetween(at, l))
		if c.flags()&pageContinues == 0 || int(c.remaining()) != left {
			return nil, 0, r.more(l, "the page does not continue the record")
		}
		if left <= PageSize-c.header() {
			end = l + LSN(c.header()+left)
			break
		}
	}
	if cap(r.buf) < size {
		r.buf = make([]byte, 0, size)
	}
	b = append(r.buf[:0], p.bytes[off:]...)
	for q := pageOf(at) + PageSize; q <= l; q += PageSize {
		c := r.pages[q]
		b = append(b, c.bytes[c.header():min(LSN(PageSize), end-q)]...)
	}
	r.buf = b
	return b, end, nil
}

// take makes b, the bytes from at to end, the record. What is wrong before the
// checksum is right can be the rest of something, and what is wrong after is not.
func (r *Reader) take(at, end LSN, b []byte) error {
	rec := &r.record
	rec.readHeader(at, b)
	if !rec.RM.valid() {
		return &more{r.next, at, end, "no such resource manager"}
	}
	if rec.Prev != r.prev && (r.prev != 0 || rec.Prev >= at) {
		return &more{r.next, at, end, "it does not follow the record before"}
	}
	if checksum(b) != le.Uint32(b[20:]) {
		return &more{r.next, at, end, "the checksum is wrong"}
	}
	if err := rec.decode(b[recordHeader:]); err != nil {
		return invalid(at, "%v record of %d bytes: %v", rec.RM, rec.Length, err)
	}
	end = (end + alignment - 1) &^ (alignment - 1)
	if rec.RM == XLOG && rec.Op() == xlogSwitch {
		end += LSN(r.segment) - 1
		end -= end % LSN(r.segment)
	}
	rec.End = end
	r.prev, r.next = at, end
	return nil
}
