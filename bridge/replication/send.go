package replication

import (
	"context"
	"errors"
	"time"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/wal"
)

// send sends sets as they come, until ctx ends.
func (s *stream) send(ctx context.Context) error {
	if err := s.keepalive(false); err != nil {
		return err
	}
	for {
		set, err := s.next(ctx)
		if err != nil {
			return err
		}
		if set == nil {
			if err := s.idle(); err != nil {
				return err
			}
			continue
		}
		before := s.sent
		if err := s.enc.encode(ctx, set, s.gather); err != nil {
			return err
		}
		if s.sent > before && !set.More {
			s.told = set.LSN
		}
	}
}

// next gives the next set, or nil if there was none for a while. What was gathered
// goes out before it waits.
func (s *stream) next(ctx context.Context) (*change.Set, error) {
	within := idleAfter
	switch {
	case s.wants():
		if err := s.keepalive(false); err != nil {
			return nil, err
		}
	case s.sub.Position() < s.c.srv.o.Log.Last():
		if len(s.out) > 0 {
			within = time.Millisecond // what is left in the log may not be for this subscriber
		}
	case time.Since(s.kept) > keepAfter:
		if err := s.keepalive(false); err != nil {
			return nil, err
		}
	default:
		if err := s.flush(); err != nil {
			return nil, err
		}
	}
	wait, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	set, err := s.sub.Next(wait)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, nil
	}
	return set, err
}

// gather appends a payload to what is to be sent, as an XLogData message.
func (s *stream) gather(at wal.LSN, payload []byte) error {
	n := len(s.out)
	s.sent++
	b := append(begin(s.out, 'd'), 'w')
	b = appendLSN(appendLSN(b, at), at)
	s.out = end(append(appendTime(b, time.Now()), payload...), n)
	if len(s.out) < sendAfter {
		return nil
	}
	return s.flush()
}

func (s *stream) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	err := s.c.b.say(s.out)
	s.out = s.out[:0]
	if cap(s.out) > 4*sendAfter {
		s.out = nil
	}
	return err
}

// wants tells, once, whether the subscriber has asked for an answer.
func (s *stream) wants() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := s.mu.wanted
	s.mu.wanted = false
	return wanted
}

// idle is for when there was nothing for a while. It lets the subscriber know how far
// the stream has come, so that it can acknowledge that, and its slot does not stay
// behind while others write to what is not published. And it looks whether the
// subscriber is still there (WalSndKeepaliveIfNecessary and WalSndCheckTimeOut).
func (s *stream) idle() error {
	if s.reached() > s.told {
		if err := s.keepalive(false); err != nil {
			return err
		}
	}
	if err := s.flush(); err != nil {
		return err
	}
	if s.timeout <= 0 {
		return nil
	}
	s.mu.Lock()
	silent, asked := time.Since(s.mu.heard), s.mu.asked
	s.mu.Unlock()
	switch {
	case silent >= s.timeout:
		return errTimeout
	case silent >= s.timeout/2 && !asked:
		return s.keepalive(true)
	}
	return nil
}

// reached is up to where the subscriber has had everything: the log's whole reach when
// it has had the last set.
func (s *stream) reached() wal.LSN {
	o := &s.c.srv.o
	whole := o.Position() // asked first: what comes later may be below it no more
	at := s.sub.Position()
	if at >= o.Log.Last() {
		at = max(at, whole)
	}
	return max(s.told, at)
}

var errTimeout = errors.New("replication: the subscriber does not answer")

func (s *stream) keepalive(reply bool) error {
	s.told, s.kept = s.reached(), time.Now()
	n := len(s.out)
	b := appendLSN(append(begin(s.out, 'd'), 'k'), s.told)
	b = appendTime(b, time.Now())
	if reply {
		b = append(b, 1)
		s.mu.Lock()
		s.mu.asked = true
		s.mu.Unlock()
	} else {
		b = append(b, 0)
	}
	s.out = end(b, n)
	return s.flush()
}
