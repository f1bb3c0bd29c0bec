package wire

import (
	"sync/atomic"
	"time"
)

// tracer tells Options.Trace of the first client that has logged in: of its
// login, and of its first query.
type tracer struct {
	tell  func(step string, began time.Time)
	first atomic.Pointer[stream]
}

// tracing is what a stream keeps for a tracer. Guarded by stream.mu.
type tracing struct {
	*tracer           // nil: nothing is told any more
	began   time.Time // the present step
}

// trace follows a new stream, unless the first client is known.
func (t *tracer) trace(s *stream) {
	if t.tell != nil && t.first.Load() == nil {
		s.mu.tracing = tracing{t, time.Now()}
	}
}

// asked notes that the client of an idle stream has sent something.
func (t *tracing) asked() {
	if t.tracer != nil {
		t.began = time.Now()
	}
}

// answered notes that ReadyForQuery has been sent.
func (t *tracing) answered(s *stream) {
	switch {
	case t.tracer == nil:
	case t.first.CompareAndSwap(nil, s):
		t.tell("first login", t.began)
	default:
		if t.first.Load() == s {
			t.tell("first query", t.began)
		}
		t.tracer = nil
	}
}
