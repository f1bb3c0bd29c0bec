package pglite

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// acquire takes a backend from the pool and makes it this session's.
func (s *Session) acquire(ctx context.Context) error {
	if err := s.stirs(); err != nil {
		return err
	}
	defer s.calms()
	for {
		b, err := s.c.pool.acquire(ctx, s)
		if err != nil {
			return err
		}
		s.b = b
		b.user.Store(s)
		if err = b.adopt(s); err == nil {
			return nil
		}
		s.release()
		// Else a time-out of its last session's was faster, or another crashed.
		if !lostBackend(err) {
			return fmt.Errorf("pglite: prepare the backend: %w", err)
		}
	}
}

// parseGrace is how long a Parse waits for a backend before it is deferred.
const parseGrace = 50 * time.Millisecond

// errDeferred means that a Parse was answered without a backend.
var errDeferred = errors.New("pglite: parse deferred")

// acquireFor is acquire for a message of this type.
func (s *Session) acquireFor(ctx context.Context, typ byte) error {
	if typ != 'P' {
		return s.acquire(ctx)
	}
	grace, cancel := context.WithTimeout(ctx, parseGrace)
	err := s.acquire(grace)
	cancel()
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return err
	}
	deferred, err := s.deferParse()
	if err != nil {
		return err
	}
	if deferred {
		return errDeferred
	}
	return s.acquire(ctx)
}

// release gives the backend back to the pool.
func (s *Session) release() {
	if b := s.b; b != nil {
		s.b, s.pinned = nil, false
		b.user.Store(nil)
		s.c.pool.release(b)
	}
}
