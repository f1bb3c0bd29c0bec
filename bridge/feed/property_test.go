package feed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// modelled is a log beside a model of it: the sets that were appended, whole
// transactions only, and a position up to which a crash must not take them.
type modelled struct {
	t    *rapid.T
	fs   *vfs.Crash
	log  *feed.Log
	rng  *rand.Rand
	subs []*subscriber

	segment int64 // bytes

	sets   []*change.Set // what the log is to hold, and what it has forgotten
	next   wal.LSN
	last   wal.LSN // complete up to there
	synced wal.LSN
	open   bool // a transaction is not whole
}

type subscriber struct {
	*feed.Subscription
	next int // index in sets
	at   wal.LSN
}

func (m *modelled) options() feed.Options {
	return feed.Options{FS: m.fs, Dir: "/feed", ID: feed.ID{System: 7}, Start: m.synced,
		SegmentBytes: m.segment, MaxBytes: 4 * m.segment, RingSets: 8, RingBytes: 64 << 10}
}

func (m *modelled) start() {
	l, err := feed.Open(m.options())
	if err != nil {
		m.t.Fatal(err)
	}
	m.log = l
}

// set makes one of random bytes, which do not compress.
func (m *modelled) set(part int, more bool) *change.Set {
	content := make([]byte, m.rng.IntN(1<<m.rng.IntN(15)))
	for k := range content {
		content[k] = byte(m.rng.Uint32())
	}
	return &change.Set{Database: "app", LSN: m.next, Commit: m.next - 8, XID: uint32(m.next), Part: part, More: more,
		Changes: []change.Change{{Kind: change.Message, XID: uint32(m.next), Message: &change.EmittedMessage{Prefix: "m", Content: content}}}}
}

func (m *modelled) append(s *change.Set) {
	if err := m.log.Append(s); err != nil {
		m.t.Fatalf("append %v part %d: %v", s.LSN, s.Part, err)
	}
}

// Append adds a transaction of one set or several.
func (m *modelled) Append(t *rapid.T) {
	m.next += wal.LSN(rapid.IntRange(1, 100).Draw(t, "step"))
	parts := rapid.SampledFrom([]int{1, 1, 1, 1, 2, 12}).Draw(t, "parts")
	for k := range parts {
		s := m.set(k, k < parts-1)
		m.append(s)
		m.sets = append(m.sets, s)
	}
	m.last, m.open = m.next, false
}

// Abandon adds a transaction that never ends.
func (m *modelled) Abandon(t *rapid.T) {
	m.next++
	for k := range rapid.IntRange(1, 12).Draw(t, "parts") {
		m.append(m.set(k, true))
	}
	m.open = true
}

// Repeat appends again what is there.
func (m *modelled) Repeat(t *rapid.T) {
	if len(m.sets) == 0 {
		t.Skip()
	}
	m.append(m.sets[rapid.IntRange(0, len(m.sets)-1).Draw(t, "which")])
	m.check()
}

func (m *modelled) Advance(t *rapid.T) {
	m.next += wal.LSN(rapid.IntRange(0, 50).Draw(t, "step"))
	m.log.Advance(m.next)
	if !m.open {
		m.last = m.next
	}
}

func (m *modelled) Sync(*rapid.T) {
	if err := m.log.Sync(); err != nil {
		m.t.Fatal(err)
	}
	m.synced = m.last
}

// Crash takes the power away, or only the process.
func (m *modelled) Crash(t *rapid.T) {
	m.end()
	if rapid.Bool().Draw(t, "power") {
		disk := m.fs.CrashClone(m.rng)
		m.fs.Close()
		m.fs = vfs.NewCrash(disk, vfs.CrashOptions{})
	}
	m.start()
	last := m.log.Last()
	if last < m.synced || last > m.last {
		t.Fatalf("after a crash the log is complete up to %v, was synced up to %v of %v", last, m.synced, m.last)
	}
	m.sets = slices.DeleteFunc(m.sets, func(s *change.Set) bool { return s.LSN > last })
	// All that is in the files now is what a later crash may leave.
	m.last, m.open = last, false
}

// Gap loses the place.
func (m *modelled) Gap(t *rapid.T) {
	m.next += wal.LSN(rapid.IntRange(0, 50).Draw(t, "step"))
	if err := m.log.Gap(m.next, "of the test"); err != nil {
		t.Fatal(err)
	}
	for _, s := range m.subs {
		if _, err := s.Next(t.Context()); !errors.Is(err, feed.ErrRefetch) {
			t.Fatalf("behind a gap: %v", err)
		}
	}
	m.leave()
	m.sets, m.last, m.synced, m.open = nil, m.next, m.next, false
}

func (m *modelled) Subscribe(t *rapid.T) {
	o := feed.SubscribeOptions{Database: "app"}
	at := m.last
	switch first := m.log.First(); rapid.SampledFrom([]string{"now", "start", "set", "between"}).Draw(t, "from") {
	case "start":
		o.From, at = feed.Start, first
	case "set":
		if len(m.sets) > 0 {
			at = m.sets[rapid.IntRange(0, len(m.sets)-1).Draw(t, "after")].LSN
			o.From = feed.After(at)
		}
	case "between":
		at = wal.LSN(rapid.Uint64Range(0, uint64(m.next)+20).Draw(t, "at"))
		o.From = feed.After(at)
	}
	s, err := m.log.Subscribe(t.Context(), o)
	if at < m.log.First() {
		if !errors.Is(err, feed.ErrRefetch) {
			t.Fatalf("after %v, before the first: %v", at, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	next := slices.IndexFunc(m.sets, func(s *change.Set) bool { return s.LSN > at })
	if next < 0 {
		next = len(m.sets)
	}
	m.subs = append(m.subs, &subscriber{s, next, at})
}

// Read reads some of what a subscriber has before it.
func (m *modelled) Read(t *rapid.T) {
	if len(m.subs) == 0 {
		t.Skip()
	}
	s := m.subs[rapid.IntRange(0, len(m.subs)-1).Draw(t, "which")]
	for range rapid.IntRange(0, 40).Draw(t, "sets") {
		for s.next < len(m.sets) && m.sets[s.next].LSN <= s.at {
			s.next++ // it began ahead of the log
		}
		if s.next == len(m.sets) {
			if p := s.Position(); p < s.at || p > max(m.last, s.at) {
				t.Fatalf("all is read up to %v, and the position is %v", m.last, p)
			}
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		got, err := s.Next(ctx)
		cancel()
		if errors.Is(err, feed.ErrRefetch) && s.at < m.log.First() {
			s.Close()
			m.subs = slices.DeleteFunc(m.subs, func(o *subscriber) bool { return o == s })
			return
		}
		if err != nil {
			t.Fatalf("after %v: %v", s.at, err)
		}
		if err := equal(got, m.sets[s.next]); err != nil {
			t.Fatalf("after %v: %v", s.at, err)
		}
		s.next++
		if !got.More {
			s.at = got.LSN
		}
	}
}

func equal(got, want *change.Set) error {
	if got.LSN != want.LSN || got.Part != want.Part || got.More != want.More || len(got.Changes) != 1 ||
		!bytes.Equal(got.Changes[0].Message.Content, want.Changes[0].Message.Content) {
		return fmt.Errorf("got the set at %v, part %d; want %v, part %d", got.LSN, got.Part, want.LSN, want.Part)
	}
	return nil
}

// Reopen closes the log in order.
func (m *modelled) Reopen(t *rapid.T) {
	if !m.open {
		m.Sync(t)
	}
	m.leave()
	if err := m.log.Close(); err != nil {
		t.Fatal(err)
	}
	m.start()
	if last := m.log.Last(); !m.open && last != m.last || last < m.synced {
		t.Fatalf("reopened up to %v, closed up to %v", last, m.last)
	}
	m.last, m.open = m.log.Last(), false
	m.sets = slices.DeleteFunc(m.sets, func(s *change.Set) bool { return s.LSN > m.last })
}

func (m *modelled) check() {
	if last := m.log.Last(); last != m.last {
		m.t.Fatalf("complete up to %v, not %v", last, m.last)
	}
	if first := m.log.First(); first > m.last {
		m.t.Fatalf("begins at %v and is complete up to %v", first, m.last)
	}
}

func (m *modelled) leave() {
	for _, s := range m.subs {
		s.Close()
	}
	m.subs = nil
}

// end leaves the log as a process does that is killed.
func (m *modelled) end() {
	m.leave()
	m.log.Abort()
}

// TestModel plays what a log goes through against a model of it.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		m := &modelled{t: t, rng: rand.New(rand.NewPCG(seed, 1)), next: 1000, last: 1000, synced: 1000}
		m.segment = rapid.SampledFrom([]int64{48 << 10, 600 << 10}).Draw(t, "segment")
		m.fs = vfs.NewCrash(vfs.NewMemory(vfs.MemoryOptions{}), vfs.CrashOptions{})
		if err := errors.Join(m.fs.Mkdir("/feed", 0o700), m.fs.SyncDir("/")); err != nil {
			t.Fatal(err)
		}
		m.start()
		defer func() {
			m.end()
			m.fs.Close()
		}()
		t.Repeat(map[string]func(*rapid.T){
			"append": m.Append, "append again": m.Append, "append more": m.Append, "abandon": m.Abandon, "repeat": m.Repeat,
			"advance": m.Advance, "sync": m.Sync, "crash": m.Crash, "reopen": m.Reopen, "gap": m.Gap,
			"subscribe": m.Subscribe, "subscribe again": m.Subscribe, "read": m.Read, "read more": m.Read,
			"": func(*rapid.T) { m.check() },
		})
	})
}
