package mark_test

import (
	"errors"
	"testing"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/mark"
	"github.com/howdahdb/howdah/pglite/pgtest"
)

// TestServer goes through the calls, and what they refuse.
func TestServer(t *testing.T) {
	db := pgtest.New(t)
	s, ctx := mark.Server{URL: db.DSN()}, t.Context()
	for _, name := range []string{"a", "b"} {
		if err := s.Set(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.Rewind(ctx, "a"); err != nil {
			t.Fatal(err)
		}
	}
	if n := db.Cluster().Stats().Rewinds; n != 2 {
		t.Errorf("it went back %d times", n)
	}
	all, err := s.List(ctx)
	if err != nil || len(all) != 2 || all[0].Name != "a" || all[1].Name != "b" || all[1].Taken.Before(all[0].Taken) {
		t.Errorf("there are %v, %v", all, err)
	}
	if err := s.Drop(ctx, "b"); err != nil {
		t.Error(err)
	}
	for _, x := range []struct {
		what string
		err  error
		want error
	}{
		{"set again", s.Set(ctx, "a"), pglite.ErrMarkExists},
		{"set what is no name", s.Set(ctx, "a b"), pglite.ErrMarkName},
		{"drop again", s.Drop(ctx, "b"), pglite.ErrNoMark},
		{"back to nothing", s.Rewind(ctx, "b"), pglite.ErrNoMark},
	} {
		if !errors.Is(x.err, x.want) {
			t.Errorf("%s: %v", x.what, x.err)
		}
	}
}
