package capture_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/bridge/feed"
)

// TestRewind: a cluster that goes back to a mark writes another history from there.
// Subscribers are told, and the feed has that history only.
func TestRewind(t *testing.T) {
	c := openCaptured(t, "", withPrepared)
	conn := c.connect()
	exec(t, conn, "create table t (a int)", "insert into t values (1)", "begin; insert into t values (2); prepare transaction 'p'")
	open := c.connect()
	exec(t, open, "begin; insert into t values (3)")
	if err := c.cluster.Mark(t.Context(), "here"); err != nil {
		t.Fatal(err)
	}
	exec(t, conn, "create table u (a int)", "insert into u values (4)", "commit prepared 'p'")
	exec(t, open, "commit")
	if got := describe(c.sets("postgres", 0)); !strings.Contains(got, `insert public.u new a="4"`) || !strings.Contains(got, `new a="2"`) {
		t.Fatal(got)
	}
	for range 2 {
		old := c.capture.Feed().ID()
		sub, err := c.capture.Feed().Subscribe(t.Context(), feed.SubscribeOptions{Database: "postgres"})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.cluster.Rewind(t.Context(), "here"); err != nil {
			t.Fatal(err)
		}
		if _, err := sub.Next(t.Context()); !errors.Is(err, feed.ErrRefetch) {
			t.Errorf("a subscriber gets %v", err)
		}
		sub.Close()
		if now := c.capture.Feed().ID(); now == old {
			t.Errorf("the history is still %+v", now)
		}
		conn = c.connect()
		exec(t, conn, "insert into t values (5)", "begin; insert into t values (6); rollback", "insert into t values (7)")
		const want = "begin\n  insert public.t new a=\"5\"\ncommit\nbegin\n  insert public.t new a=\"7\"\ncommit\n"
		if got := describe(c.sets("postgres", 0)); got != want {
			t.Errorf("got:\n%sexpected:\n%s", got, want)
		}
	}
	// What was prepared then is not in the history that begins at the mark.
	sub, err := c.capture.Feed().Subscribe(t.Context(), feed.SubscribeOptions{Database: "postgres"})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	exec(t, conn, "commit prepared 'p'")
	if _, err := sub.Next(t.Context()); !errors.Is(err, feed.ErrRefetch) {
		t.Errorf("a subscriber gets %v", err)
	}
}
