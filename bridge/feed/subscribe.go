package feed

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/wal"
)

// SubscribeOptions say what a subscriber gets.
type SubscribeOptions struct {
	// Database is the one whose sets it gets.
	Database string
	From     Position
	// Snapshot, if there is one, is read first, and From is where it meets the
	// stream. Its rows come as inserts with Snapshot set, in sets that are parts of
	// one transaction without a number: they are complete with the last one. A
	// subscriber that comes again before that begins anew; later it gives the Join of
	// its subscription, until it has acknowledged Until.
	Snapshot Snapshotter
	// Join leaves out what a snapshot has seen that was read otherwise or before. A
	// subscription that begins with it has From After(Join.From), or a later one.
	Join Join

	Filter

	// Credit is how many changes may be delivered and not acknowledged: Next waits
	// before the transaction that comes beyond it. 0 is no bound.
	Credit int
}

// skippedSets is how many sets a filter may have taken out one after the other
// before a subscriber gets an empty one with their position.
const skippedSets = 1024

// Subscription is one subscriber's place in the log. Next has one caller at a time,
// the rest may be called from any goroutine. It has no goroutine of its own, and
// buffers nothing while it keeps up, else a chunk of the files.
type Subscription struct {
	log   *Log
	o     SubscribeOptions
	epoch uint64   // of the log when it began
	join  snapshot // what sees sets up to o.Join.Until

	snapshot *initial // nil without one

	// Of the caller of Next.
	initial *initial // the snapshot until it has been read
	reader  reader
	parts   int // of the transaction that is being delivered
	project projections

	wake   chan struct{} // has room for one: look again
	queued bool          // is in log.mu.waiting; guarded by log.mu

	mu struct {
		sync.Mutex
		closed bool
		at     place   // behind which the next set is
		passed wal.LSN // up to which all sets were delivered or left out
		owed   owed
	}
}

// Subscribe begins a subscription. Without From it gets what is appended from now
// on. ctx is that of Subscribe and of reading the snapshot.
func (l *Log) Subscribe(ctx context.Context, o SubscribeOptions) (*Subscription, error) {
	s := &Subscription{log: l, o: o, wake: make(chan struct{}, 1), epoch: l.epoch()}
	if err := s.o.Filter.compile(); err != nil {
		return nil, err
	}
	if o.Snapshot != nil {
		if err := s.open(ctx); err != nil {
			return nil, err
		}
	}
	if s.o.Join.Snapshot != "" {
		var err error
		if s.join, err = parseSnapshot(s.o.Join.Snapshot); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if err := s.begin(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// begin finds where the subscription is in the log.
func (s *Subscription) begin() error {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return ErrClosed
	}
	at := l.mu.last
	switch s.o.From.from {
	case fromStart:
		at = l.mu.first
	case fromAfter:
		at = s.o.From.after
	}
	if at < l.mu.first || s.epoch != l.mu.epoch {
		return l.refetch(at)
	}
	s.mu.at = behind(at)
	if s.snapshot == nil {
		s.mu.passed = at
	}
	return nil
}

// epoch counts how often the log was begun anew.
func (l *Log) epoch() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.epoch
}

// refetch tells why nothing can be had after a position. REQUIRES: mu.
func (l *Log) refetch(at wal.LSN) error {
	return &RefetchError{Position: at, First: l.mu.first, Reason: l.mu.reason}
}

// Next gives the next set of the subscriber's database with the changes that its
// filters leave, and waits for it. It is shared: it must not be changed. A set
// without changes comes now and then when the filters have left nothing for long: its
// position may be acknowledged. An error is ctx's, ErrClosed or ErrRefetch, or comes
// from the log's files or the database; after one of ctx, Next may be called again.
func (s *Subscription) Next(ctx context.Context) (*change.Set, error) {
	for skipped := 0; ; {
		raw, err := s.following(ctx)
		if err != nil {
			return nil, err
		}
		set := s.filtered(raw)
		// Of a transaction in parts those that are left are numbered anew, and the last
		// one comes in any case if another has.
		skipped++
		last := s.parts > 0 && !set.More
		if len(set.Changes) > 0 || last || !set.More && skipped >= skippedSets {
			s.delivered(raw, len(set.Changes))
			return set, nil
		}
		s.moveOn(raw)
	}
}

// sees tells whether the snapshot that the stream joins has the set already.
func (s *Subscription) sees(set *change.Set) bool {
	return set.LSN <= s.o.Join.Until && set.XID != 0 && s.o.Join.Snapshot != "" && s.join.sees(set.XID)
}

// following gives the set behind the place of the subscription, unfiltered, and waits
// for it.
func (s *Subscription) following(ctx context.Context) (*change.Set, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		at, open, err := s.place()
		if err != nil {
			return nil, err
		}
		if open {
			if s.initial != nil {
				return s.readSnapshot()
			}
			set, beyond, err := s.log.look(s, at)
			if beyond {
				if set, err = s.log.read(&s.reader, at); set == nil && err == nil {
					s.mu.Lock()
					s.mu.at, s.mu.passed = s.reader.at, s.reader.at.lsn
					s.mu.Unlock()
					continue
				}
			}
			if set != nil && !beyond {
				s.reader.release()
			}
			if set != nil || err != nil {
				return set, err
			}
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		}
	}
}

// readSnapshot gives the next set of the snapshot. An error ends the subscription:
// what follows would be the stream without the tables.
func (s *Subscription) readSnapshot() (*change.Set, error) {
	set, err := s.initial.read()
	switch {
	case err != nil:
		s.mu.Lock()
		s.mu.closed = true
		s.mu.Unlock()
	case !set.More:
		s.initial = nil
	}
	return set, err
}

// place gives where the subscription is, and whether its credit lets it go on.
func (s *Subscription) place() (at place, open bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return place{}, false, ErrClosed
	}
	within := s.mu.at.lsn != s.mu.passed
	return s.mu.at, within || s.o.Credit <= 0 || s.mu.owed.changes < s.o.Credit, nil
}

// look gives the set behind a place, and none if there is none yet: then s is told
// when there is. beyond says that the ring does not reach back to it.
func (l *Log) look(s *Subscription, at place) (set *change.Set, beyond bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.mu.closed:
		return nil, false, ErrClosed
	case s.epoch != l.mu.epoch:
		return nil, false, l.refetch(at.lsn)
	case at.before(l.mu.newest):
		set, in := l.mu.ring.find(at)
		return set, !in, nil
	}
	if !s.queued {
		s.queued = true
		l.mu.waiting = append(l.mu.waiting, s)
	}
	return nil, false, nil
}

// forget takes a subscription that has ended off the list of those who wait.
func (l *Log) forget(s *Subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := slices.Index(l.mu.waiting, s); k >= 0 {
		l.mu.waiting = slices.Delete(l.mu.waiting, k, k+1)
	}
	s.queued = true // a Next that is about to wait does not get on it again
}

// notify makes who waits look again.
func (s *Subscription) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// moveOn goes on behind a set.
func (s *Subscription) moveOn(raw *change.Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if raw.More {
		s.mu.at = placeOf(raw)
		return
	}
	s.mu.at, s.mu.passed = behind(raw.LSN), raw.LSN
}

// delivered goes on behind a set that the subscriber gets.
func (s *Subscription) delivered(raw *change.Set, changes int) {
	s.moveOn(raw)
	s.parts++
	if !raw.More {
		s.parts = 0
	}
	if s.o.Credit > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mu.owed.add(raw.LSN, max(1, changes))
	}
}

// All gives the sets that Next gives, until the subscription or the log is closed or
// an error has come.
func (s *Subscription) All(ctx context.Context) iter.Seq2[*change.Set, error] {
	return func(yield func(*change.Set, error) bool) {
		for {
			set, err := s.Next(ctx)
			if errors.Is(err, ErrClosed) || !yield(set, err) || err != nil {
				return
			}
		}
	}
}

// Ack says that the subscriber is done with all sets up to a position, which gives
// it credit for others. A position below an earlier one changes nothing.
func (s *Subscription) Ack(lsn wal.LSN) {
	s.mu.Lock()
	s.mu.owed.ack(lsn)
	s.mu.Unlock()
	s.notify()
}

// Position is the one that a subscriber may acknowledge once it is done with what
// Next has given it: up to there it has had everything, or its filters have left it
// out. It moves on without sets, too.
func (s *Subscription) Position() wal.LSN {
	s.mu.Lock()
	at, passed := s.mu.at, s.mu.passed
	s.mu.Unlock()
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.epoch == l.mu.epoch && at.lsn == passed && !at.before(l.mu.newest) {
		return max(passed, l.mu.last)
	}
	return passed
}

// Join is where the subscription's snapshot meets the stream, if it has one.
func (s *Subscription) Join() Join { return s.o.Join }

// Close ends the subscription: Next returns ErrClosed. It waits for nothing but the
// end of the snapshot's transaction.
func (s *Subscription) Close() error {
	s.mu.Lock()
	closed := s.mu.closed
	s.mu.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	s.notify()
	s.log.forget(s)
	if s.snapshot == nil {
		return nil
	}
	if err := s.snapshot.close(); err != nil {
		return fmt.Errorf("feed: end the snapshot: %w", err)
	}
	return nil
}

// owed is what was delivered and not acknowledged.
type owed struct {
	sets    []owes
	changes int
}

type owes struct {
	lsn     wal.LSN
	changes int
}

func (o *owed) add(lsn wal.LSN, changes int) {
	o.changes += changes
	if n := len(o.sets); n > 0 && o.sets[n-1].lsn == lsn {
		o.sets[n-1].changes += changes
		return
	}
	o.sets = append(o.sets, owes{lsn, changes})
}

func (o *owed) ack(lsn wal.LSN) {
	for len(o.sets) > 0 && o.sets[0].lsn <= lsn {
		o.changes -= o.sets[0].changes
		o.sets = o.sets[1:]
	}
}
