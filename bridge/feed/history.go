package feed

import (
	"errors"
	"fmt"
	"time"

	"github.com/howdahdb/howdah/bridge/wal"
)

// Gap says that the caller has lost its place and appends what comes after at, which
// is not below Last. The log is empty then: subscribers and positions before at must
// refetch.
func (l *Log) Gap(at wal.LSN, why string) error {
	l.appending.Lock()
	defer l.appending.Unlock()
	seg, last, err := l.end()
	if errors.Is(err, ErrClosed) {
		return err
	}
	if at < last {
		return fmt.Errorf("%w: a gap up to %v, and the log is complete up to %v", ErrOrder, at, last)
	}
	if seg.base == at && l.w.at.offset == segmentHeader && l.w.err == nil {
		return l.restart(seg, why)
	}
	s, err := l.w.create(at)
	if err != nil {
		return err
	}
	return l.restart(s, why)
}

// Reset begins another history, in which positions may come again: the log is empty
// then, and all subscriptions must refetch, whatever their positions. If that fails
// nothing can be appended until it is done again. After a crash in the midst of it
// the log may be ErrForeign: then it is to be removed.
func (l *Log) Reset(id ID, at wal.LSN, why string) error {
	l.appending.Lock()
	defer l.appending.Unlock()
	if _, _, err := l.end(); errors.Is(err, ErrClosed) {
		return err
	}
	l.w.id = id
	s, err := l.w.create(at)
	if err != nil {
		// It may have had the name of a segment that is in use.
		l.w.err = err
		return err
	}
	return l.restart(s, why)
}

// restart makes an empty segment the only one.
func (l *Log) restart(s *segment, why string) error {
	l.w.err = nil
	l.pending = place{}
	l.w.block, l.w.begun = block{}, nil
	l.mu.Lock()
	for _, old := range l.mu.segments {
		if old.name != s.name {
			l.doomed = append(l.doomed, old.name)
		}
	}
	l.mu.id, l.mu.segments = l.w.id, []*segment{s}
	l.mu.first, l.mu.reason = s.base, why
	l.begin(s.base)
	l.mu.Unlock()
	return l.discard()
}

// retain removes the oldest segments as far as the bounds ask for it. A file that
// can't be removed is tried again the next time.
func (l *Log) retain() {
	l.mu.Lock()
	var total int64
	for _, s := range l.mu.segments {
		total += s.bytes
	}
	oldest := int64(0)
	if l.o.MaxAge > 0 {
		oldest = time.Now().Add(-l.o.MaxAge).UnixMicro()
	}
	for len(l.mu.segments) > 1 {
		s := l.mu.segments[0]
		aged := s.newest != 0 && s.newest < oldest
		if total <= l.o.MaxBytes && !aged {
			break
		}
		total -= s.bytes
		l.doomed = append(l.doomed, s.name)
		l.mu.segments = l.mu.segments[1:]
		l.mu.first, l.mu.reason = l.mu.segments[0].base, "older sets were beyond the size that is kept"
		if aged {
			l.mu.reason = "older sets were beyond the age that is kept"
		}
	}
	l.mu.Unlock()
	_ = l.discard()
}

// discard removes files that are not the log's any more, the oldest first.
func (l *Log) discard() error {
	for len(l.doomed) > 0 {
		if err := l.w.remove(l.doomed[0]); err != nil {
			return err
		}
		l.doomed = l.doomed[1:]
	}
	return nil
}
