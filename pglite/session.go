package pglite

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"
)

// Client is the byte stream of a connected client after its startup. Read and
// Buffered are called by the goroutine that serves the session; Write and Flush
// one at a time by that and others. Who ends an idle session calls Close if there
// is one: it makes Read fail and lets what was written out, within a bounded time.
type Client interface {
	io.Reader // frontend messages; blocks
	io.Writer // backend messages, buffered
	Flush() error
	// Buffered is how many bytes Read gives without blocking.
	Buffered() int
}

// SessionOptions is what a client asks for in its startup packet.
type SessionOptions struct {
	User     string
	Database string    // "" is the user's name
	Params   []Setting // startup parameters in order, options among them
}

// Session is one client's Postgres session.
type Session struct {
	c       *Cluster
	pid     uint32
	began   time.Time
	want    login
	startup []Setting
	params  []Setting
	told    map[string]string // reported parameters as the client knows them

	// What the serving goroutine knows.
	cl       Client
	in       inbound
	b        *backend  // held, nil between transactions
	pinned   bool      // something lives in b that can't be carried over
	status   byte      // last ReadyForQuery: 'I', 'T', 'E'; 0 within a batch
	skipping bool      // refused; messages are dropped up to Sync, without a backend
	aborted  bool      // an error came in a batch: the guest skips up to Sync
	left     bool      // the client has left in the middle of a message or a COPY
	fatal    bool      // the guest has said FATAL
	urgent   bool      // what was written last does not wait for the rest
	flushed  time.Time // when the client's buffer was last
	answer   []byte    // what the guest has written and the client's buffer has not yet
	split    splitter  // follows what the guest answers
	pending  []pendingStatement
	giveUp   chan error // 1 deep: ends the wait for a backend
	carried

	out struct { // what goes to the client; the idle pump writes, too (never held by who has the baton)
		sync.Mutex
		err  error
		last bool        // FATAL was said
		soon bool        // late is running
		late *time.Timer // flushes, see flushSoon
	}

	mu struct {
		sync.Mutex
		running    *backend // whose statement is ours right now
		raised     bool     // Cancel or terminate has set a flag of running's
		terminated bool
		closed     bool
		over       *Error    // its end, which is being told: no backend works for it any more
		wanting    bool      // waits for a backend,
		since      time.Time // from this time on
		home       *backend  // which others see it in
		away       *presence // how others see it without one; nil before the first
	}
}

// NewSession checks role and database as Postgres does when a connection
// starts, and applies the startup parameters. It may wait for a backend. The
// error is an *Error of severity FATAL, or tells that the cluster has ended.
func (c *Cluster) NewSession(ctx context.Context, o SessionOptions) (_ *Session, err error) {
	defer func() { c.counters.login(err) }()
	s := &Session{c: c, pid: newPID(), began: time.Now(), giveUp: make(chan error, 1), startup: o.Params, status: 'I'}
	s.split.keep = func(t byte) bool {
		return t == '1' || t == '3' || t == 'E' || t == 'Z' || t == 'C' || t == 'N' || t == 'A'
	}
	s.split.handle = s.answered
	s.split.mayDrop, s.split.drop = 'S', s.known
	s.split.pass = func(p []byte) { s.answer = append(s.answer, p...) }
	s.carried.init()
	var events bool
	var own limits
	s.want, own, events, err = c.checkLogin(ctx, truncateName(o.User), truncateName(cmp.Or(o.Database, o.User)))
	if err != nil {
		return nil, err
	}
	for {
		if err := s.acquire(ctx); err != nil {
			return nil, asFatal(err)
		}
		srv := s.b.srv
		err := s.begin(events, own)
		if err == nil {
			break
		}
		if srv.crashedNow() && lostBackend(err) { // somebody else's doing, and nobody has been told anything yet
			s.release()
			continue
		}
		s.mu.Lock()
		s.mu.closed = true // what it has left in its backend is nobody's
		s.mu.Unlock()
		s.release()
		if errors.Is(err, errExited) { // a login trigger has ended it
			err = adminShutdown()
		}
		return nil, asFatal(err)
	}
	if !s.pinned {
		s.release()
	}
	return s, nil
}

// lostBackend tells whether an error means that the backend is gone, and another
// may do.
func lostBackend(err error) bool { return errors.Is(err, errExited) || errors.Is(err, errCrashed) }

// begin is what happens between the startup parameters and the first
// ReadyForQuery.
func (s *Session) begin(events bool, own limits) error {
	if events {
		if err := s.b.greetSession(s); err != nil {
			return err
		}
	}
	p, err := s.b.reported()
	if err != nil {
		return err
	}
	s.params, s.told = p, map[string]string{}
	for _, x := range p {
		s.told[x.Name] = x.Value
	}
	return s.c.enter(s, own)
}

// asFatal raises an error to what ends a connection.
func asFatal(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Severity != "FATAL" {
		f := *e
		f.Severity = "FATAL"
		return &f
	}
	return err
}

// Parameters are the ParameterStatus values that the session starts with.
func (s *Session) Parameters() []Setting { return s.params }

// PID is the process id of the session, as its client and pg_backend_pid know
// it.
func (s *Session) PID() uint32 { return s.pid }

// Serve runs the session: it says ReadyForQuery and passes messages between
// client and backend until Terminate, the end of the stream, a FATAL error
// (both nil), or the end of the cluster. When ctx ends, the running statement
// ends, the client is told FATAL 57P01 and Serve returns ctx's error.
func (s *Session) Serve(ctx context.Context, cl Client) error {
	s.out.Lock()
	s.cl = cl
	s.out.Unlock()
	s.in = newInbound(cl)
	stop := context.AfterFunc(ctx, s.terminate)
	defer stop()
	err := s.serve(ctx)
	exited := errors.Is(err, errExited)
	if errors.Is(err, errGone) || exited {
		_ = s.flush() // also waits for the pump, which may be saying why
		err = nil
	}
	if ctx.Err() != nil {
		if !exited { // else Postgres has said so itself
			_ = s.tell(adminShutdown())
		}
		err = ctx.Err()
	}
	return errors.Join(err, s.Close())
}

// errGone ends a session whose client has left.
var errGone = errors.New("pglite: the client is gone")

func (s *Session) serve(ctx context.Context) error {
	if err := s.send(message('Z', []byte{'I'})); err != nil {
		return err
	}
	for {
		if s.in.buffered() == 0 || s.in.typ == 'H' {
			if err := s.flush(); err != nil {
				return err
			}
		} else {
			s.flushSoon()
		}
		if err := s.in.next(); err != nil {
			return errGone // an invalid length, too: Postgres hangs up without a word
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := s.message(ctx); err != nil {
			return err
		}
	}
}

// message handles the frontend message that s.in has begun.
func (s *Session) message(ctx context.Context) error {
	typ := s.in.typ
	if typ == 'X' {
		return errGone
	}
	if s.skipping {
		return s.skip(typ)
	}
	if typ == 'd' || typ == 'c' || typ == 'f' {
		return s.ignore() // of a COPY that has failed; Postgres drops them, too
	}
	if s.b == nil {
		switch {
		case s.in.size() > 0:
		case typ == 'S':
			if err := s.ignore(); err != nil {
				return err
			}
			return s.send(message('Z', []byte{'I'}))
		case typ == 'H':
			if err := s.ignore(); err != nil {
				return err
			}
			return s.flush()
		}
		// What is short is here before it takes a backend from others.
		if _, err := s.in.prefix(maxName); err != nil {
			return err
		}
		err := s.acquireFor(ctx, typ)
		if err == errDeferred {
			return nil
		}
		if err != nil {
			return s.refuse(typ, err)
		}
	}
	err := s.readAhead()
	if err == nil {
		s.pinned, err = s.b.run(s)
	}
	if err == errAnswered {
		err = s.ignore()
	}
	if err == errCondemned {
		err = s.awaitEnd()
	}
	if derr := s.drain(); err == nil {
		err = derr
	}
	if err != nil {
		return s.failed(err)
	}
	if s.left {
		return errGone
	}
	if s.status == 'I' {
		s.idle()
	}
	return nil
}

// advance goes on to the next message if it is of the same batch and all here,
// and tells whether it is. After a Flush the client is answered first.
func (s *Session) advance() (bool, error) {
	if s.status != 0 || s.left || s.in.typ == 'H' {
		return false, nil
	}
	typ, ok := s.in.follows()
	if !ok || strings.IndexByte("PBDECHS", typ) < 0 {
		return false, nil
	}
	if err := s.in.next(); err != nil {
		return false, errGone
	}
	return true, s.readAhead()
}

// awaitEnd waits until nobody can connect to the session's server any more, and
// tells why that is so.
func (s *Session) awaitEnd() error {
	select {
	case <-s.b.srv.dead:
		return s.b.srv.reason()
	case <-s.c.done:
		return s.c.stopped()
	}
}

// idle gives the backend back after a transaction, unless it holds what can't
// be carried over.
func (s *Session) idle() {
	if s.pinned || s.in.buffered() > 0 && !s.c.pool.wanted() {
		return // or more is coming, and nobody waits
	}
	s.release()
}

// refuse answers a message that found no backend, as an error of the
// statement: an extended query is skipped up to its Sync.
func (s *Session) refuse(typ byte, err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Severity == "FATAL" {
		return s.failed(err)
	}
	if err := s.ignore(); err != nil {
		return err
	}
	if err := s.send(e.encode()); err != nil {
		return err
	}
	if typ == 'Q' || typ == 'F' {
		return s.send(message('Z', []byte{'I'}))
	}
	s.skipping = true
	return nil
}

// skip drops a message after refuse.
func (s *Session) skip(typ byte) error {
	if err := s.ignore(); err != nil {
		return err
	}
	if typ == 'S' {
		s.skipping = false
		return s.send(message('Z', []byte{'I'}))
	}
	return nil
}

// ignore drops the current message.
func (s *Session) ignore() error {
	if err := s.in.discard(); err != nil {
		return errGone
	}
	return nil
}

// failed handles an error that ends the session, and tells the client unless
// Serve or the guest does.
func (s *Session) failed(err error) error {
	if errors.Is(err, errExited) || errors.Is(err, errGone) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var e *Error
	var r rewound
	switch {
	case errors.As(err, &e):
		_ = s.tell(asFatal(e).(*Error))
	case errors.As(err, &r):
		_ = s.tell(r.farewell())
	case errors.Is(err, ErrClosed):
		_ = s.tell(adminShutdown())
	default:
		_ = s.tell(crashShutdown())
	}
	return err
}

// Close ends the session: an open transaction is rolled back, what the
// session has left in a backend is discarded, the backend goes back to the pool.
func (s *Session) Close() error {
	s.mu.Lock()
	closed := s.mu.closed
	s.mu.closed = true
	if s.mu.away != nil {
		s.mu.away.stop()
		s.mu.away = nil
	}
	s.mu.Unlock()
	if closed {
		return nil
	}
	s.c.leave(s)
	s.flushNoMore()
	if s.b == nil {
		s.b = s.c.pool.reclaim(s)
	}
	if s.b == nil {
		return nil
	}
	err := s.b.discard(s)
	if lostBackend(err) {
		err = nil
	}
	s.release()
	return err
}
