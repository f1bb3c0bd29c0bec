package feed

import (
	"fmt"
	"sync"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/wal"
)

// ID says whose history a log holds: LSNs mean something only together with it.
type ID struct {
	System uint64 // the cluster's system identifier
	// Incarnation tells the histories of one cluster apart: it is another one after
	// the cluster has gone back in time, so that LSNs come again.
	Incarnation uint64
}

// Options say what a Log keeps.
type Options struct {
	ID ID
	// Start is the position after which the caller will append every set. If the log
	// is known to be complete only up to an earlier one, that is a gap.
	Start wal.LSN

	// RingBytes bounds what is kept in memory for subscribers that keep up, by the
	// size of the encoded sets, and RingSets their number; 0 is 4 MiB and 16384.
	RingBytes int
	RingSets  int
}

// Log is an ordered log of change sets. Append, Advance, Sync, Gap and Reset have
// one caller at a time; everything else may be called from any goroutine.
//
// Lock order: appending, then mu. mu is a leaf: it is held for memory only, never
// while a file is read or written.
type Log struct {
	o Options

	appending sync.Mutex

	mu struct {
		sync.Mutex
		closed bool
		id     ID
		epoch  uint64 // counts how often the log was begun anew
		// first is the position after which everything is kept, last the one up to
		// which everything has been appended.
		first, last wal.LSN
		pending     place  // of the newest set of a transaction that is not whole, or zero
		reason      string // why nothing is kept after an earlier position than first
		ring        ring
		recent      recent
		waiting     []*Subscription
	}
}

// Open opens a log that is kept in memory.
func Open(o Options) (*Log, error) {
	if o.RingBytes <= 0 {
		o.RingBytes = 4 << 20
	}
	if o.RingSets <= 0 {
		o.RingSets = 16384
	}
	l := &Log{o: o}
	l.mu.id = o.ID
	l.begin(o.Start, "the log begins there")
	return l, nil
}

// begin makes the log one that is empty and complete up to a position.
// REQUIRES: mu, or that nobody else has the log yet.
func (l *Log) begin(at wal.LSN, reason string) {
	l.mu.first, l.mu.last, l.mu.reason = at, at, reason
	l.mu.epoch++
	l.mu.pending = place{}
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
// appended. A set that is not above Last is ignored. If Append fails nothing of the
// set is there, and the same one may be appended again. A transaction that is not
// whole is dropped when part 0 comes again, or the set of another one.
func (l *Log) Append(s *change.Set) error {
	l.appending.Lock()
	defer l.appending.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return ErrClosed
	}
	if s.LSN <= l.mu.last {
		return nil
	}
	if s.Part == 0 {
		l.mu.ring.drop()
	} else if l.mu.pending != (place{s.LSN, s.Part - 1}) {
		return fmt.Errorf("%w: part %d of %v after part %d of %v", ErrOrder, s.Part, s.LSN, l.mu.pending.part, l.mu.pending.lsn)
	}
	l.mu.ring.push(s, len(s.Changes))
	l.mu.pending = placeOf(s)
	if s.More {
		return nil
	}
	l.mu.pending = place{}
	l.mu.last = s.LSN
	l.mu.recent.add(s)
	l.mu.ring.shrink(l.o.RingBytes, l.o.RingSets, behind(s.LSN))
	if first := l.mu.ring.after.lsn; first > l.mu.first {
		l.mu.first, l.mu.reason = first, "older sets were let go"
	}
	l.wake()
	return nil
}

// Advance says that every set up to a position has been appended. Subscribers that
// have had all of them may acknowledge it.
func (l *Log) Advance(lsn wal.LSN) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.last = max(l.mu.last, lsn)
}

// Sync makes what was appended durable, and the position last told to Advance. After
// it the caller need not keep its own log up to Last.
func (l *Log) Sync() error { return nil }

// Gap says that the caller has lost its place and appends what comes after at, which
// is not below Last. The log is empty then: subscribers and positions before at must
// refetch.
func (l *Log) Gap(at wal.LSN, why string) error {
	l.appending.Lock()
	defer l.appending.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return ErrClosed
	}
	if at < l.mu.last {
		return fmt.Errorf("%w: a gap up to %v, and the log is complete up to %v", ErrOrder, at, l.mu.last)
	}
	l.begin(at, why)
	return nil
}

// Reset begins another history, in which positions may come again: the log is empty
// then, and all subscriptions must refetch, whatever their positions.
func (l *Log) Reset(id ID, at wal.LSN, why string) error {
	l.appending.Lock()
	defer l.appending.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return ErrClosed
	}
	l.mu.id = id
	l.begin(at, why)
	return nil
}

// Close ends the log and all subscriptions.
func (l *Log) Close() error {
	l.appending.Lock()
	defer l.appending.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.closed = true
	l.wake()
	return nil
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
