package feed_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
)

// still is a database that does not change, of two tables with the same rows, and
// breaks at one of them.
type still struct {
	rows   int
	broken int // the row at which reading fails, 0 for none
	text   string
	closed int
}

var errBroken = errors.New("connection lost")

func (s *still) Snapshot(context.Context, string) (feed.Snapshot, error) { return s, nil }

func (s *still) State(context.Context) (string, wal.LSN, error) { return "100:100:", 8, nil }

func (s *still) Tables(context.Context) ([]*change.Table, error) {
	return []*change.Table{people, places}, nil
}

func (s *still) Rows(ctx context.Context, t *change.Table, yield func([]*string) bool) error {
	for id := 1; id <= s.rows; id++ {
		if id == s.broken {
			return errBroken
		}
		number := fmt.Sprint(id) + s.text
		if !yield([]*string{&number, nil}) {
			break
		}
	}
	return ctx.Err()
}

func (s *still) Close() error { s.closed++; return nil }

// TestSnapshotParts reads a snapshot as the parts of one transaction.
func TestSnapshotParts(t *testing.T) {
	l := open(t, feed.Options{Start: 8})
	db := &still{rows: 1000}
	s := subscribe(t, l, feed.SubscribeOptions{Snapshot: db, Filter: feed.Filter{
		Tables:  []string{"people"},
		Columns: map[string][]string{"*": {"id"}},
		Where:   func(c *change.Change) bool { return c.New[0].(int64) > 500 },
	}})
	appended(t, l, set(16, insert(people, 501, "new")))
	next := int64(501)
	for part := 0; ; part++ {
		got, err := s.Next(t.Context())
		if err != nil || got.LSN != 8 || got.Part != part || got.XID != 0 {
			t.Fatalf("part %d: %+v, %v", part, got, err)
		}
		for _, c := range got.Changes {
			if c.Kind != change.Insert || !c.Snapshot || len(c.New) != 1 || c.New[0] != next {
				t.Fatalf("row %d: %+v", next, c)
			}
			next++
		}
		if !got.More {
			break
		}
		if p := s.Position(); p != 0 {
			t.Fatalf("in the middle of the snapshot the position is %v", p)
		}
	}
	if next != 1001 || db.closed != 1 {
		t.Errorf("rows up to %d, closed %d times", next-1, db.closed)
	}
	expect(t, s, 16)
}

// TestSnapshotBreaks has reading fail: the stream does not go on as if it had not.
func TestSnapshotBreaks(t *testing.T) {
	for name, db := range map[string]*still{
		"first row": {rows: 1000, broken: 1},
		"late":      {rows: 1000, broken: 700},
		"text":      {rows: 10, text: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, feed.Options{Start: 8})
			s := subscribe(t, l, feed.SubscribeOptions{Snapshot: db})
			appended(t, l, set(16, insert(people, 1, "x")))
			var err error
			for err == nil {
				var got *change.Set
				if got, err = s.Next(t.Context()); err == nil && !got.More {
					t.Fatalf("got %+v", got)
				}
			}
			if db.broken > 0 && !errors.Is(err, errBroken) {
				t.Error(err)
			}
			if _, err := s.Next(t.Context()); !errors.Is(err, feed.ErrClosed) {
				t.Errorf("afterwards: %v", err)
			}
			if db.closed != 1 {
				t.Errorf("closed %d times", db.closed)
			}
		})
	}
}

// TestSnapshotLeft closes a subscription before its snapshot is read.
func TestSnapshotLeft(t *testing.T) {
	for _, sets := range []int{0, 2} {
		db := &still{rows: 1000}
		s := subscribe(t, open(t, feed.Options{Start: 8}), feed.SubscribeOptions{Snapshot: db})
		for range sets {
			if _, err := s.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil || db.closed != 1 {
			t.Errorf("after %d sets: %v, closed %d times", sets, err, db.closed)
		}
		if _, err := s.Next(t.Context()); !errors.Is(err, feed.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	}
}
