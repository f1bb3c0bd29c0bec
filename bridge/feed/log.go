package feed

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/wal"
)

// Log is an ordered log of change sets. Append, Advance, Sync, Gap and Reset have
// one caller; everything else may be called from any goroutine.
//
// Lock order: appending, reading, mu. mu is a leaf: it is held for memory only, never
// while a file is read or written.
type Log struct {
	o     Options
	owned interface{ Close() error } // the file system, if Open has made it

	appending sync.Mutex
	w         *writer
	pending   place    // of the newest set of a transaction that is not whole, or zero
	doomed    []string // files that are not the log's any more

	unzip *zstd.Decoder

	// reading is held for reading by who reads files, and by Close.
	reading sync.RWMutex

	mu struct {
		sync.Mutex
		closed bool
		id     ID
		epoch  uint64 // counts how often the log was begun anew
		// first is the position after which everything is kept, last the one up to
		// which everything has been appended.
		first, last wal.LSN
		reason      string // why nothing is kept after an earlier position than first
		newest      place  // of what is shown: behind its newest set
		flushed     place  // of the newest set that is in a file
		segments    []*segment
		ring        ring
		recent      recent
		waiting     []*Subscription
	}
}

// Open opens a log, and begins it if there is none. What a crash has left unfinished
// is cut off. The database must not be running yet, or the log be new: snapshots are
// held to see all that was appended before Open.
func Open(o Options) (*Log, error) {
	o.fill()
	l := &Log{o: o}
	if err := l.place(); err != nil {
		return nil, err
	}
	if err := l.open(); err != nil {
		if l.w != nil {
			l.w.close()
		}
		return nil, errors.Join(err, l.release())
	}
	return l, nil
}

func (l *Log) open() error {
	var err error
	if l.w, err = newWriter(&l.o); err != nil {
		return err
	}
	if l.unzip, err = newUnzip(); err != nil {
		return err
	}
	segments, err := l.w.recover()
	if err != nil {
		return err
	}
	last, reason := l.w.at.last, "the log begins there"
	if len(segments) == 0 || last < l.o.Start {
		if len(segments) > 0 {
			reason = fmt.Sprintf("the log was complete up to %v only when it was opened", last)
		}
		for _, s := range segments {
			l.doomed = append(l.doomed, s.name)
		}
		segments, last = nil, l.o.Start
	}
	if len(segments) == 0 || l.w.file == nil {
		s, err := l.w.create(last)
		if err != nil {
			return err
		}
		segments = append(segments, s)
	}
	l.mu.id, l.mu.segments = l.o.ID, segments
	l.mu.first, l.mu.reason = segments[0].base, reason
	l.begin(last)
	return l.discard()
}

// begin makes the log one that is complete up to a position and has no set in memory.
// REQUIRES: mu, or that nobody else has the log yet.
func (l *Log) begin(at wal.LSN) {
	l.mu.last = at
	l.mu.newest, l.mu.flushed = behind(at), behind(at)
	l.mu.epoch++
	l.mu.ring.reset(behind(at))
	l.mu.recent.reset(at)
	l.wake()
}

// ID gives what the log was opened or reset with.
func (l *Log) ID() ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.id
}

// First is the oldest position that a subscription can begin after.
func (l *Log) First() wal.LSN {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.first
}

// Last is the position up to which the log is complete: every set up to there that
// was not taken away by retention is in it. It is that of the newest set, or the one
// told to Advance since.
func (l *Log) Last() wal.LSN {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.last
}

// Append adds a set, which must not be changed any more. It is with the subscribers
// when Append returns, or if it is one part of several, when the last one has been
// appended. A set that is not above Last is ignored. If Append fails, as for want of
// room, nothing of the set is there, and the same one may be appended again, unless
// the error is ErrOrder or ErrUnfit. A transaction that is not whole is dropped when
// part 0 comes again, or the set of another one.
func (l *Log) Append(s *change.Set) error {
	l.appending.Lock()
	defer l.appending.Unlock()
	seg, last, err := l.end()
	if err != nil || s.LSN <= last {
		return err
	}
	if s.Part > 0 && l.pending != (place{s.LSN, s.Part - 1}) {
		return fmt.Errorf("%w: part %d of %v after part %d of %v", ErrOrder, s.Part, s.LSN, l.pending.part, l.pending.lsn)
	}
	if s.Part == 0 {
		if err := l.abandon(seg); err != nil {
			return err
		}
		if l.w.at.offset+int64(len(l.w.block.b)) >= l.o.SegmentBytes || seg.sealed {
			if seg, err = l.roll(seg, last); err != nil {
				return err
			}
		}
	}
	size, err := l.w.add(s, seg, l)
	if err != nil {
		return fmt.Errorf("feed: append the set at %v: %w", s.LSN, err)
	}
	l.show(s, seg, size)
	return nil
}

// end gives the segment that is written and the position up to which the log is
// complete.
func (l *Log) end() (*segment, wal.LSN, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return nil, 0, ErrClosed
	}
	return l.mu.segments[len(l.mu.segments)-1], l.mu.last, l.w.err
}

// abandon drops a transaction that is not whole.
func (l *Log) abandon(s *segment) error {
	if l.pending == (place{}) {
		return nil
	}
	if err := l.w.abandon(s, l); err != nil {
		return err
	}
	l.pending = place{}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.ring.drop(l.mu.newest)
	l.mu.flushed = l.mu.newest
	return nil
}

// show lets subscribers see a set that was added, or what is whole with it.
func (l *Log) show(s *change.Set, seg *segment, size int) {
	l.pending = placeOf(s)
	if !s.More {
		l.pending, l.w.begun = place{}, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.ring.push(s, size)
	l.mu.ring.shrink(l.o.RingBytes, l.o.RingSets, l.mu.flushed)
	if s.More {
		return
	}
	seg.size = l.w.at.offset
	l.mu.last, l.mu.newest = s.LSN, behind(s.LSN)
	l.mu.recent.add(s)
	l.wake()
}

// roll ends a segment and begins the next one, which it may have failed to do before.
func (l *Log) roll(s *segment, last wal.LSN) (*segment, error) {
	if !s.sealed {
		if err := l.w.flush(s, l); err != nil {
			return nil, err
		}
		if err := l.w.mark(s, l, last); err != nil {
			return nil, err
		}
		if err := l.w.seal(s, l); err != nil {
			return nil, err
		}
	}
	next, err := l.w.create(s.end)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.mu.segments = append(l.mu.segments, next)
	l.mu.Unlock()
	l.retain()
	return next, nil
}

// Advance says that every set up to a position has been appended. Subscribers that
// have had all of them may acknowledge it.
func (l *Log) Advance(lsn wal.LSN) {
	l.appending.Lock()
	defer l.appending.Unlock()
	if l.pending != (place{}) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.last = max(l.mu.last, lsn)
}

// Sync makes what was appended durable, and the position last told to Advance. After
// it the caller need not keep its own log up to Last. After an error of the disk
// every call fails: what is on it can be told only by opening the log again.
func (l *Log) Sync() error {
	l.appending.Lock()
	defer l.appending.Unlock()
	s, last, err := l.end()
	if err != nil {
		return err
	}
	if s.sealed {
		if s, err = l.roll(s, last); err != nil {
			return err
		}
	}
	if err := l.w.flush(s, l); err != nil {
		return err
	}
	if l.pending == (place{}) {
		if err := l.w.mark(s, l, last); err != nil {
			return err
		}
	}
	if err := l.w.sync(); err != nil {
		return err
	}
	l.retain()
	return nil
}

// Close ends the log and all subscriptions. What was not synced is lost.
func (l *Log) Close() error {
	l.appending.Lock()
	defer l.appending.Unlock()
	l.mu.Lock()
	closed := l.mu.closed
	l.mu.closed = true
	l.wake()
	l.mu.Unlock()
	if closed {
		return nil
	}
	l.reading.Lock()
	defer l.reading.Unlock()
	l.w.close()
	l.unzip.Close()
	return l.release()
}

func (l *Log) release() error {
	if l.owned == nil {
		return nil
	}
	return l.owned.Close()
}

// wake tells those who wait for a set to look again. REQUIRES: mu.
func (l *Log) wake() {
	for _, s := range l.mu.waiting {
		s.queued = false
		s.notify()
	}
	clear(l.mu.waiting)
	l.mu.waiting = l.mu.waiting[:0]
}
