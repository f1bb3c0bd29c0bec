package bundle_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/cmd/bundle"
)

// TestRewindWhileAsking goes back to a mark while the capture asks Postgres for
// values, which nobody answers then. The feed begins anew.
func TestRewindWhileAsking(t *testing.T) {
	db := open(t, bundle.Options{Cluster: options("")})
	exec(t, connect(t, db), "create table paths (n int, p jsonpath)")
	if err := db.Cluster.Mark(t.Context(), "empty"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		conn := connect(t, db)
		before := subscribe(t, db, feed.SubscribeOptions{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				if _, err := conn.Exec(context.Background(), "insert into paths select g, '$.a' from generate_series(1, 300) g"); err != nil {
					return // the rewind ends the session
				}
			}
		}()
		if _, err := before.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := db.Cluster.Rewind(ctx, "empty")
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		<-done
		for err == nil {
			_, err = before.Next(t.Context())
		}
		if !errors.Is(err, feed.ErrRefetch) {
			t.Fatalf("who has subscribed before gets %v", err)
		}
		after := subscribe(t, db, feed.SubscribeOptions{Snapshot: db.Tables()})
		exec(t, connect(t, db), "insert into paths values (1, '$.b')")
		rows := 0
		until(t, after, settled(t, db), func(set *change.Set) error {
			for _, c := range set.Changes {
				if c.Kind == change.Insert {
					rows++
				}
			}
			return nil
		})
		if rows != 1 {
			t.Errorf("%d rows after going back", rows)
		}
	}
}
