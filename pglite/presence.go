package pglite

import (
	"encoding/binary"
	"time"
)

// A session is itself to others while it has no backend, as a client of a native
// server is. Its backend shows it for as long as it can: after a transaction the
// entry of pg_stat_activity and the pid stay, until another session needs the
// backend. From then on the host has both: readStatus adds the entry to those of
// the backends, standIn makes the pid known to who cancels or terminates by it,
// countOthers counts the session as a user of its database, and a timer of the
// host's is its idle_session_timeout.

// presence is how others see a session that no backend shows.
type presence struct {
	entry [beEntrySize]byte // PgBackendStatus as it was; its pointers mean nothing
	app   string            // what they pointed to
	query string

	timeout time.Duration // idle_session_timeout, 0 for none
	timer   *time.Timer   // nil without
	since   time.Time     // for how long it has been idle; guarded by Session.mu
}

// vacate leaves the backend nobody's in the eyes of others. The session that it
// shows they see from then on by what the host keeps. REQUIRES: entered, between
// messages, with what the session has set still in place.
func (b *backend) vacate() {
	s := b.last
	if s == nil || s.pid == 0 {
		return
	}
	if s.shownBy() == b {
		p := b.presence(b.entryAt())
		p.timeout = time.Duration(b.inst.Uint32(idleTimeoutAddr)) * time.Millisecond
		s.withdraw(p)
	}
	b.become(nil)
}

// entryAt is where the backend's entry of BackendStatusArray is. REQUIRES: entered.
func (b *backend) entryAt() uint32 { return b.inst.Uint32(beEntryAddr) }

// presence reads an entry of BackendStatusArray, any backend's. REQUIRES: entered.
func (b *backend) presence(at uint32) *presence {
	i := b.inst
	p := &presence{since: time.Now()}
	copy(p.entry[:], i.Bytes(at, beEntrySize))
	p.app = i.LongString(i.Uint32(at + beEntryNameAt))
	p.query = i.LongString(i.Uint32(at + beEntryQueryAt))
	if i.Uint32(at+beEntryStateAt) == stateIdle { // else activities are not tracked
		p.since = fromTimestamp(binary.LittleEndian.Uint64(p.entry[beEntrySinceAt:]))
	}
	return p
}

// show makes the backend's entry that of a session: what it was when the session
// was last shown, or one that has just begun. application_name has been set.
// REQUIRES: entered.
func (b *backend) show(s *Session) {
	i, at := b.inst, b.entryAt()
	entry := i.Bytes(at, beEntrySize)
	p := s.appear(b)
	if p == nil {
		clear(entry[beEntryStartAt : beEntrySinceAt+8])
		clear(entry[beEntryProgressAt:])
		i.PutUint64(at+beEntryStartAt, toTimestamp(s.began))
		i.PutUint64(at+beEntrySinceAt, toTimestamp(time.Now()))
		i.PutUint32(at+beEntryStateAt, stateIdle)
		b.showQuery("")
		return
	}
	b.restorePresence(p)
}

// restorePresence puts an entry back, but for its pid and application_name.
// REQUIRES: entered.
func (b *backend) restorePresence(p *presence) {
	entry := b.inst.Bytes(b.entryAt(), beEntrySize)
	copy(entry[beEntryTypeAt:beEntryHostAt], p.entry[beEntryTypeAt:])
	copy(entry[beEntryStateAt:beEntryNameAt], p.entry[beEntryStateAt:])
	copy(entry[beEntryProgressAt:], p.entry[beEntryProgressAt:])
	b.showQuery(p.query)
}

// showQuery writes st_activity_raw. REQUIRES: entered.
func (b *backend) showQuery(sql string) {
	text := b.inst.Bytes(b.inst.Uint32(b.entryAt()+beEntryQueryAt), uint32(len(sql)+1))
	text[copy(text, sql)] = 0
}

// unseen does something with queries of the host's own that others are not to see as
// the session's. REQUIRES: entered.
func (b *backend) unseen(do func() error) error {
	p := b.presence(b.entryAt())
	err := do()
	if !b.ended {
		b.restorePresence(p)
	}
	return err
}

// shownBy is the backend that shows the session, nil for none.
func (s *Session) shownBy() *backend {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.home
}

// withdraw takes the session from the backend that shows it. REQUIRES: the baton.
func (s *Session) withdraw(p *presence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.home = nil
	if !s.mu.closed {
		s.mu.away = p
		if !s.mu.wanting {
			s.watchIdle()
		}
	}
}

// appear gives the session to the backend that shows it from now on, and tells how
// it was seen until then; nil if it was not. When another shows it still, to which
// it will not come back, it no longer does. REQUIRES: the baton is b's.
func (s *Session) appear(b *backend) *presence {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.mu.away
	switch home := s.mu.home; {
	case p != nil:
		p.stop()
	case home != nil && home != b && home.alive():
		p = b.presence(home.shows)
		b.inst.PutUint32(home.shows+beEntryPIDAt, 0)
	}
	s.mu.home, s.mu.away = b, nil
	b.shows = b.entryAt()
	return p
}

// stirs notes that the session wants a backend. The error is FATAL when it is over.
func (s *Session) stirs() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.over != nil {
		return s.mu.over
	}
	if s.mu.away != nil {
		s.mu.away.stop()
	}
	select {
	case <-s.giveUp: // of old
	default:
	}
	s.mu.wanting, s.mu.since = true, time.Now()
	return nil
}

// calms notes that it has got one, or gives up.
func (s *Session) calms() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.wanting = false
	if p := s.mu.away; p != nil {
		p.since = time.Now()
		s.watchIdle()
	}
}

// interrupt ends the wait for a backend with an error. REQUIRES: mu.
func (s *Session) interrupt(err error) {
	if s.mu.wanting {
		select {
		case s.giveUp <- err:
		default:
		}
	}
}

// watchIdle has the session end when it has been idle for too long. REQUIRES: mu,
// and it is away.
func (s *Session) watchIdle() {
	p := s.mu.away
	if p.timeout > 0 {
		p.timer = time.AfterFunc(time.Until(p.since.Add(p.timeout)), func() { s.idledOut(p) })
	}
}

func (p *presence) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// idledOut ends the session unless it has stirred since p. It runs on the timer's
// goroutine, which Close waits for.
func (s *Session) idledOut(p *presence) {
	s.out.Lock()
	defer s.out.Unlock()
	s.mu.Lock()
	over := s.mu.away == p && !s.mu.wanting && !s.mu.closed
	if over && s.mu.over == nil {
		s.mu.over = idleTimeout()
	}
	s.mu.Unlock()
	if over {
		s.hangUpNow(idleTimeout().encode())
	}
}

// fromTimestamp and toTimestamp convert a TimestampTz: microseconds since 2000.
func fromTimestamp(us uint64) time.Time {
	return postgresEpoch.Add(time.Duration(int64(us)) * time.Microsecond)
}

func toTimestamp(t time.Time) uint64 { return uint64(t.Sub(postgresEpoch).Microseconds()) }
