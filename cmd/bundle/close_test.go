package bundle_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/cmd/bundle"
)

// TestCloseWhileAsking closes a database while values of transactions that were just
// committed have still to be asked of it. The next start has them.
func TestCloseWhileAsking(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db, err := bundle.Open(t.Context(), bundle.Options{Cluster: options(dir)})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, connect(t, db), "create table paths (n int primary key, p jsonpath)")
	const each = 40
	written := make([]int, 3)
	done := make(chan int, len(written))
	for id := range written {
		conn := connect(t, db)
		go func() {
			defer func() { done <- id }()
			for n := 0; ; n++ {
				// What is under way when the database closes may be committed or not.
				if _, err := conn.Exec(context.Background(), fmt.Sprintf("insert into paths select %d + g, '$.a' from generate_series(1, %d) g", (id*1000+n)*each, each)); err != nil {
					return
				}
				written[id]++
			}
		}()
	}
	time.Sleep(300 * time.Millisecond)
	closing, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := db.Close(closing); err != nil {
		t.Error(err)
	}
	least := 0
	for range written {
		least += written[<-done] * each
	}
	db = open(t, bundle.Options{Cluster: options(dir)})
	s := subscribe(t, db, feed.SubscribeOptions{From: feed.Start})
	rows := 0
	until(t, s, settled(t, db), func(set *change.Set) error {
		for _, c := range set.Changes {
			if c.Kind != change.Insert {
				continue
			}
			if p := c.New[1]; p != any(`$."a"`) {
				return fmt.Errorf("a path is %T %v", p, p)
			}
			rows++
		}
		return nil
	})
	var there int
	if err := connect(t, db).QueryRow(t.Context(), "select count(*) from paths").Scan(&there); err != nil {
		t.Fatal(err)
	}
	if rows != there || rows < least || rows == 0 {
		t.Errorf("%d rows in the feed, %d in the table, %d acknowledged", rows, there, least)
	}
}
