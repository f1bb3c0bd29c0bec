package capture

import (
	"path"
	"strings"
	"sync"
	"syscall"

	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// segmentSize is initdb's default (wal_segment_size), as everywhere in Howdah.
const segmentSize = 16 << 20

// tap listens where Postgres writes its log, and knows how far the log is durable
// and how much of it must stay.
//
// Pages are written whole, and the last one again and again, each time with more
// records in it. A sync covers what was written before it began; so the last page
// is copied when a sync begins, and with the sync's end that copy is what is
// durable, whatever the file has there by then. All pages before it do not change
// any more.
type tap struct {
	durable bool   // a write counts when it is synced, not at once
	dir     string // of the segments, with a slash

	mu struct {
		sync.Mutex
		written tail
		synced  tail
		// low is the lowest position written since a sync began last, and rewritten
		// that of what is durable since the last take: after a crash Postgres goes
		// on where the last whole record ended, in pages that had been written.
		low, rewritten wal.LSN
		writes         uint64
		unsynced       map[wal.LSN]uint64 // segments, with their last write, if durable
		syncing        map[*vfs.Change]*begun
		free           []*begun // to be used again
		version        uint64   // of synced: the same page is the last one again and again
		need           wal.LSN  // segments that end behind this must stay
		most           wal.LSN  // bytes that may have to stay; 0: any number
		lost           bool     // more had to, and they are gone
		held           bool     // everything must stay, for now
	}
	news chan struct{} // one waits while there is something to take
}

// tail is how far the log goes.
type tail struct {
	end wal.LSN
	// page is the one that ends at end, if it is copied; else the files have it.
	page   [wal.PageSize]byte
	copied bool
}

// begun is a sync under way: of which segment, and what it covers.
type begun struct {
	segment, low wal.LSN
	writes       uint64
	tail
}

func newTap(dir string, durable bool, most int64) *tap {
	t := &tap{durable: durable, dir: path.Join(dir, "pg_wal") + "/", news: make(chan struct{}, 1)}
	t.mu.unsynced, t.mu.syncing = map[wal.LSN]uint64{}, map[*vfs.Change]*begun{}
	t.mu.low, t.mu.rewritten = endless, endless
	t.mu.most = wal.LSN(most)
	return t
}

const endless = ^wal.LSN(0)

// segment is the position that the segment of this name begins at.
func (t *tap) segment(name string) (wal.LSN, bool) {
	if rest, ok := strings.CutPrefix(name, t.dir); ok {
		return segmentStart(rest)
	}
	return 0, false
}

// segmentStart is where the segment of this name begins.
func segmentStart(name string) (wal.LSN, bool) {
	start, _, ok := wal.ParseSegment(name, segmentSize)
	return start, ok
}

// before notes what a sync is going to cover, and keeps segments that are needed.
func (t *tap) before(c *vfs.Change) error {
	switch c.Op {
	case vfs.OpSync:
		if s, ok := t.segment(c.Path); ok && t.durable {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.mu.syncing[c] = t.begin(s)
		}
	case vfs.OpUnlink, vfs.OpRename:
		if s, ok := t.segment(c.Path); ok && t.keeps(s+segmentSize) {
			return syscall.EBUSY
		}
	}
	return nil
}

// begin notes what a sync of a segment covers. REQUIRES: mu.
func (t *tap) begin(segment wal.LSN) *begun {
	b := &begun{}
	if n := len(t.mu.free); n > 0 {
		b, t.mu.free = t.mu.free[n-1], t.mu.free[:n-1]
	}
	b.segment, b.writes, b.tail = segment, t.mu.writes, t.mu.written
	b.low, t.mu.low = t.mu.low, endless
	return b
}

// keeps tells whether the segment that ends at end has to stay.
func (t *tap) keeps(end wal.LSN) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.held {
		return true
	}
	if end <= t.mu.need || t.mu.lost {
		return false
	}
	if t.mu.most > 0 && t.mu.written.end > t.mu.need+t.mu.most {
		t.mu.lost = true
		t.tell()
		return false
	}
	return true
}

// after follows what was written and what was synced.
func (t *tap) after(c *vfs.Change, err error) {
	switch c.Op {
	case vfs.OpWrite:
		if s, ok := t.segment(c.Path); ok && c.N > 0 {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.wrote(s, c.Off, c.Data[:c.N])
		}
	case vfs.OpUnlink, vfs.OpRename:
		if s, ok := t.segment(c.Path); ok && err == nil { // it needs no sync any more
			t.mu.Lock()
			defer t.mu.Unlock()
			delete(t.mu.unsynced, s)
		}
	case vfs.OpSync:
		if !t.durable {
			return
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if b, ok := t.mu.syncing[c]; ok {
			delete(t.mu.syncing, c)
			if err == nil {
				t.sync(b)
			} else {
				t.mu.low = min(t.mu.low, b.low)
			}
			t.mu.free = append(t.mu.free, b)
		}
	}
}

// wrote books bytes of a segment. REQUIRES: mu.
func (t *tap) wrote(segment wal.LSN, off int64, b []byte) {
	at := segment + wal.LSN(off)
	end := at + wal.LSN(len(b))
	t.mu.low = min(t.mu.low, at)
	if t.mu.writes++; t.durable {
		t.mu.unsynced[segment] = t.mu.writes
	}
	// It is less than before when recovery goes on in pages that a crash has left
	// unfinished: what is durable ends there, then.
	if end%wal.PageSize == 0 && len(b) >= wal.PageSize {
		t.mu.written.end, t.mu.written.copied = end, true
		copy(t.mu.written.page[:], b[len(b)-wal.PageSize:])
		if at+wal.PageSize < t.mu.synced.end {
			t.mu.synced = tail{end: at}
		}
	}
	if !t.durable {
		t.mu.synced = t.mu.written
		t.mu.rewritten, t.mu.low = min(t.mu.rewritten, t.mu.low), endless
		t.tell()
	}
}

// sync moves the end of what is durable to what a sync has covered, or to the first
// segment that still needs one. REQUIRES: mu.
func (t *tap) sync(b *begun) {
	t.mu.rewritten = min(t.mu.rewritten, b.low)
	if t.mu.unsynced[b.segment] <= b.writes {
		delete(t.mu.unsynced, b.segment)
	}
	to := b.end
	for s := range t.mu.unsynced {
		if s != b.segment {
			to = min(to, s)
		}
	}
	switch {
	case to <= t.mu.synced.end && to != b.end:
		return
	case to == b.end && to >= t.mu.synced.end:
		t.mu.synced = b.tail
	default:
		// A segment's beginning: whoever reads up to it needs no copy of a page.
		t.mu.synced = tail{end: to}
	}
	t.tell()
}

// tell says that there is something to take. REQUIRES: mu.
func (t *tap) tell() {
	t.mu.version++
	select {
	case t.news <- struct{}{}:
	default:
	}
}

// take gives what is durable now, and the lowest position written since it was
// called before.
func (t *tap) take(into *tail) (low wal.LSN, version uint64, lost bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*into = t.mu.synced
	low, t.mu.rewritten = t.mu.rewritten, endless
	return low, t.mu.version, t.mu.lost
}

// gone tells whether the log was let go before it was read.
func (t *tap) gone() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.lost
}

// hold keeps all segments, until goOn.
func (t *tap) hold() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.lost, t.mu.held = false, true
}

// goOn keeps those from l on, within the bound.
func (t *tap) goOn(l wal.LSN) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.held, t.mu.need = false, l
	t.tell()
}

// version tells what take would give from others.
func (t *tap) version() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.version
}

// start says that the log goes to end when nothing is written, and what must stay.
func (t *tap) start(end, need wal.LSN) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.written, t.mu.synced = tail{end: end}, tail{end: end}
	t.mu.need = need
	t.tell()
}

// release gives up what is before l.
func (t *tap) release(l wal.LSN) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.need = max(t.mu.need, l)
}

// writtenTo is how far the log is written, and needed what must stay of it.
func (t *tap) writtenTo() wal.LSN {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.written.end
}

func (t *tap) needed() wal.LSN {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.need
}
