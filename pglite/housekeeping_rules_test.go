package pglite

import (
	"context"
	"sync"
	"testing"
	"time"
)

// TestCheckpointsByTime: a checkpoint is made when checkpoint_timeout is over and
// something was written since the last one, and only then. Postgres takes no less
// than 30 s for that setting, so the rule is given to the housekeeping directly.
func TestCheckpointsByTime(t *testing.T) {
	c, err := Open(t.Context(), Options{NoHousekeeping: true, Settings: []Setting{
		{"checkpoint_timeout", "7min"}, {"max_wal_size", "1GB"}, {"checkpoint_completion_target", "0"}, {"autovacuum_naptime", "50s"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	rules, err := c.readRules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (houseRules{wal: 1 << 30, every: 7 * time.Minute, naptime: 50 * time.Second}); rules != want {
		t.Errorf("the rules are %+v, want %+v", rules, want)
	}
	rules.every = houseInterval / 2 // due whenever it looks
	ctx, stop := context.WithCancel(t.Context())
	var house sync.WaitGroup
	defer house.Wait()
	defer stop()
	house.Go(func() { c.keepHouse(ctx, rules) })
	for n := uint64(1); n <= 2; n++ {
		if _, err := c.asHost(t.Context(), "create table public.t as select repeat('x', 1000) from generate_series(1, 100); drop table public.t"); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(60 * time.Second); c.counters.byTime.Load() < n || c.wal.checkpoints.Load() < n; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d checkpoints, %d of them by time, want %d", c.wal.checkpoints.Load(), c.counters.byTime.Load(), n)
			}
		}
		if n == 1 {
			time.Sleep(2*houseInterval + houseInterval/2) // it looks, twice
		}
		if made, byTime := c.wal.checkpoints.Load(), c.counters.byTime.Load(); made != n || byTime != n || c.counters.byVolume.Load() != 0 {
			t.Errorf("%d checkpoints, %d of them by time and %d by volume, want %d by time", made, byTime, c.counters.byVolume.Load(), n)
		}
	}
}
