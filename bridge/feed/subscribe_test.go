package feed_test

import (
	"context"
	"errors"
	"testing"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/bridge/wal"
)

var (
	text = &value.Type{OID: 25, Schema: "pg_catalog", Name: "text", Length: -1, Align: 'i', Output: 47}
	int4 = &value.Type{OID: 23, Schema: "pg_catalog", Name: "int4", Length: 4, Align: 'i', ByVal: true, Output: 43}

	people = &change.Table{OID: 16384, Schema: "public", Name: "people", Identity: change.IdentityDefault, Columns: []change.Column{
		{Name: "id", Number: 1, Type: int4, Typmod: -1, Key: true},
		{Name: "name", Number: 2, Type: text, Typmod: -1},
	}}
	places = &change.Table{OID: 16390, Schema: "geo", Name: "places", Identity: change.IdentityDefault, Columns: people.Columns}
)

func insert(t *change.Table, id int64, name string) change.Change {
	return change.Change{Kind: change.Insert, Table: t, New: []any{id, name}}
}

func set(lsn wal.LSN, changes ...change.Change) *change.Set {
	return &change.Set{Database: "app", Commit: lsn - 8, LSN: lsn, XID: uint32(lsn), Changes: changes}
}

func open(t *testing.T, o feed.Options) *feed.Log {
	t.Helper()
	l, err := feed.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func subscribe(t *testing.T, l *feed.Log, o feed.SubscribeOptions) *feed.Subscription {
	t.Helper()
	o.Database = "app"
	s, err := l.Subscribe(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func appended(t *testing.T, l *feed.Log, sets ...*change.Set) {
	t.Helper()
	for _, s := range sets {
		if err := l.Append(s); err != nil {
			t.Fatal(err)
		}
	}
}

// expect reads sets and compares their positions.
func expect(t *testing.T, s *feed.Subscription, want ...wal.LSN) []*change.Set {
	t.Helper()
	var got []*change.Set
	for _, lsn := range want {
		set, err := s.Next(t.Context())
		if err != nil || set.LSN != lsn {
			t.Fatalf("got %v, %v; want the set at %v", set, err, lsn)
		}
		got = append(got, set)
	}
	return got
}

func TestPositions(t *testing.T) {
	l := open(t, feed.Options{Start: 100})
	start := subscribe(t, l, feed.SubscribeOptions{From: feed.Start})
	appended(t, l, set(108), set(116), set(116), set(100))
	if first, last := l.First(), l.Last(); first != 100 || last != 116 {
		t.Fatalf("log from %v to %v", first, last)
	}
	now := subscribe(t, l, feed.SubscribeOptions{})
	after := subscribe(t, l, feed.SubscribeOptions{From: feed.After(108)})
	ahead := subscribe(t, l, feed.SubscribeOptions{From: feed.After(124)})
	appended(t, l, set(124, insert(people, 1, "x")), set(132, insert(people, 2, "y")))
	expect(t, start, 124, 132)
	expect(t, now, 124, 132)
	expect(t, after, 124, 132)
	expect(t, ahead, 132)

	_, err := l.Subscribe(t.Context(), feed.SubscribeOptions{Database: "app", From: feed.After(99)})
	var refetch *feed.RefetchError
	if !errors.As(err, &refetch) || !errors.Is(err, feed.ErrRefetch) || refetch.Position != 99 || refetch.First != 100 {
		t.Errorf("before the log: %v", err)
	}
}

func TestParts(t *testing.T) {
	l := open(t, feed.Options{})
	s := subscribe(t, l, feed.SubscribeOptions{Filter: feed.Filter{Tables: []string{"people"}}})
	part := func(lsn wal.LSN, k int, more bool, changes ...change.Change) *change.Set {
		s := set(lsn, changes...)
		s.Part, s.More = k, more
		return s
	}
	appended(t, l,
		part(100, 0, true, insert(people, 1, "lost")),
		part(200, 0, true, insert(people, 1, "lost")),
		part(200, 0, true, insert(places, 1, "x")),
		part(200, 1, true, insert(people, 2, "x")),
	)
	if err := l.Append(part(200, 3, false)); !errors.Is(err, feed.ErrOrder) {
		t.Errorf("a part is missing: %v", err)
	}
	if l.Last() != 0 {
		t.Errorf("complete up to %v without the last part", l.Last())
	}
	appended(t, l, part(200, 2, false, insert(places, 3, "x")), set(300, insert(people, 4, "x")))
	got := expect(t, s, 200, 200, 300)
	if got[0].Part != 0 || !got[0].More || got[1].Part != 1 || got[1].More || len(got[1].Changes) != 0 {
		t.Errorf("parts %+v, %+v", got[0], got[1])
	}
}

func TestGap(t *testing.T) {
	l := open(t, feed.Options{})
	s := subscribe(t, l, feed.SubscribeOptions{})
	appended(t, l, set(100))
	if err := l.Gap(90, "lost"); !errors.Is(err, feed.ErrOrder) {
		t.Errorf("gap within the log: %v", err)
	}
	if err := l.Gap(200, "segment is gone"); err != nil {
		t.Fatal(err)
	}
	var refetch *feed.RefetchError
	if _, err := s.Next(t.Context()); !errors.As(err, &refetch) || refetch.First != 200 || refetch.Reason != "segment is gone" {
		t.Errorf("behind a gap: %v", err)
	}
	again := subscribe(t, l, feed.SubscribeOptions{From: feed.After(200)})
	if err := l.Reset(feed.ID{System: 1, Incarnation: 2}, 150, "rewound"); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Next(t.Context()); !errors.Is(err, feed.ErrRefetch) {
		t.Errorf("in another history: %v", err)
	}
	if l.Last() != 150 || l.ID().Incarnation != 2 {
		t.Errorf("after the reset: %v %v", l.Last(), l.ID())
	}
}

func TestCredit(t *testing.T) {
	l := open(t, feed.Options{})
	s := subscribe(t, l, feed.SubscribeOptions{Credit: 2})
	for lsn := wal.LSN(8); lsn <= 40; lsn += 8 {
		appended(t, l, set(lsn, insert(people, int64(lsn), "x")))
	}
	expect(t, s, 8, 16)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := s.Next(ctx)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("beyond its credit: %v", err)
	}
	s.Ack(8)
	s.Ack(0)
	expect(t, s, 24)
	s.Ack(24)
	expect(t, s, 32, 40)
}

func TestPosition(t *testing.T) {
	l := open(t, feed.Options{})
	s := subscribe(t, l, feed.SubscribeOptions{Filter: feed.Filter{Tables: []string{"geo.*"}}})
	for lsn := wal.LSN(1); lsn <= 1500; lsn++ {
		appended(t, l, set(lsn, insert(people, 1, "x")))
	}
	if got := expect(t, s, 1024); len(got[0].Changes) != 0 {
		t.Errorf("got %+v", got[0])
	}
	appended(t, l, set(1501, insert(places, 1, "x")))
	expect(t, s, 1501)
	l.Advance(2000)
	if p := s.Position(); p != 2000 {
		t.Errorf("idle at %v", p)
	}
}

func TestClose(t *testing.T) {
	l := open(t, feed.Options{})
	one, other := subscribe(t, l, feed.SubscribeOptions{}), subscribe(t, l, feed.SubscribeOptions{})
	done := make(chan error)
	for _, s := range []*feed.Subscription{one, other} {
		go func() {
			_, err := s.Next(t.Context())
			done <- err
		}()
	}
	one.Close()
	if err := <-done; !errors.Is(err, feed.ErrClosed) {
		t.Errorf("closed subscription: %v", err)
	}
	l.Close()
	if err := <-done; !errors.Is(err, feed.ErrClosed) {
		t.Errorf("closed log: %v", err)
	}
	for set, err := range other.All(t.Context()) {
		t.Errorf("after the end: %v, %v", set, err)
	}
}
