package feed_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// TestConcurrent has subscribers of all paces come and go while sets are appended, and
// reads what they have had: one run without a hole, or the word that there is one.
func TestConcurrent(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	l := open(t, feed.Options{FS: memory(t), SegmentBytes: 64 << 10, MaxBytes: 512 << 10, RingSets: 16})
	sets := wal.LSN(need.Choose(1500, 50_000))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for k := range 8 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(k)))
			for at := wal.LSN(0); at < sets; {
				var err error
				if at, err = follow(ctx, l, at, rng, sets); err != nil {
					t.Errorf("subscriber %d at %v: %v", k, at, err)
					return
				}
			}
		})
	}
	for lsn := wal.LSN(1); lsn <= sets; lsn++ {
		appended(t, l, noise(lsn, 500+int(lsn)%1000))
		if lsn%100 == 0 {
			if err := l.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
	all.Wait()
	// Who waits is let go by the end of the log.
	done := make(chan error)
	for range 8 {
		s := subscribe(t, l, feed.SubscribeOptions{})
		go func() {
			_, err := s.Next(ctx)
			done <- err
		}()
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if err := <-done; !errors.Is(err, feed.ErrClosed) {
			t.Errorf("the log is closed: %v", err)
		}
	}
}

// follow subscribes, reads some, and gives the position up to which it has come.
func follow(ctx context.Context, l *feed.Log, at wal.LSN, rng *rand.Rand, end wal.LSN) (wal.LSN, error) {
	s, err := l.Subscribe(ctx, feed.SubscribeOptions{Database: "app", From: feed.After(at), Credit: 1 + rng.IntN(50)})
	if errors.Is(err, feed.ErrRefetch) {
		return l.First(), nil
	}
	if err != nil {
		return at, err
	}
	defer s.Close()
	slow := rng.IntN(3) == 0
	for range rng.IntN(400) {
		if at == end {
			return at, nil
		}
		if slow {
			time.Sleep(time.Duration(rng.IntN(200)) * time.Microsecond)
		}
		got, err := s.Next(ctx)
		if errors.Is(err, feed.ErrRefetch) {
			return l.First(), nil
		}
		if err != nil {
			return at, err
		}
		if err := equal(got, noise(at+1, 500+int(at+1)%1000)); err != nil {
			return at, err
		}
		at = got.LSN
		s.Ack(at)
	}
	return at, nil
}
