package pglite_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/pglite"
)

// cancelOnRead cancels a context when the message is on its way to the guest.
type cancelOnRead struct {
	scriptedClient
	cancel context.CancelFunc
}

func (c *cancelOnRead) Read(p []byte) (int, error) {
	c.cancel()
	return c.scriptedClient.Read(p)
}

// TestContextEndsBeforeStatement: a statement that has not begun when the
// context ends does not run for ever.
func TestContextEndsBeforeStatement(t *testing.T) {
	c := openCluster(t, nil)
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		s, err := c.NewSession(ctx, pglite.SessionOptions{User: "postgres"})
		if err != nil {
			t.Fatal(err)
		}
		q := "select pg_sleep(1000)\x00"
		cl := &cancelOnRead{scriptedClient{in: strings.NewReader("Q\x00\x00\x00" + string(rune(len(q)+4)) + q)}, cancel}
		if err := s.Serve(ctx, cl); !errors.Is(err, context.Canceled) {
			t.Errorf("Serve gives %v", err)
		}
		if got := cl.out.String(); strings.Count(got, "C57P01\x00") != 1 {
			t.Errorf("the client is told %q", got)
		}
		if err := s.Close(); err != nil {
			t.Error("closing twice:", err)
		}
	}
	if got := value(t, connect(t, c, nil), "select 1"); got != "1" {
		t.Errorf("got %q", got)
	}
}
