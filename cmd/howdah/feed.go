package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/howdahdb/howdah/cmd/bundle"
)

// feedFlags say whether changes are captured, and how many are kept.
type feedFlags struct {
	Feed       bool          `env:"HOWDAH_FEED" default:"true" negatable:"" help:"Capture every committed write, for howdah tail and replication."`
	FeedSize   byteSize      `env:"HOWDAH_FEED_SIZE" placeholder:"SIZE" help:"How much of the feed to keep (default 1GB, in memory 64MB)."`
	FeedAge    time.Duration `env:"HOWDAH_FEED_AGE" placeholder:"DURATION" help:"How long to keep it; without it as long as it has room."`
	FeedBehind byteSize      `env:"HOWDAH_FEED_BEHIND" default:"1GB" placeholder:"SIZE" help:"How much WAL may be kept for it, before subscribers have to begin anew (default 1GB)."`
}

func (f *feedFlags) check() error {
	if f.FeedAge < 0 {
		return fmt.Errorf("--feed-age must be positive")
	}
	return nil
}

func (f *feedFlags) feedOptions() bundle.FeedOptions {
	return bundle.FeedOptions{MaxBytes: int64(f.FeedSize), MaxAge: f.FeedAge, MaxBehind: int64(f.FeedBehind)}
}

// byteSize is a number of bytes, given in Postgres' units.
type byteSize int64

// UnmarshalText reads "64MB".
func (b *byteSize) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	for _, unit := range [...]struct {
		name string
		size int64
	}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"kB", 1 << 10}, {"B", 1}} {
		number, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n <= 0 || n > math.MaxInt64/unit.size {
			break
		}
		*b = byteSize(n * unit.size)
		return nil
	}
	return fmt.Errorf("%q is not a size such as 64MB (B, kB, MB, GB or TB)", s)
}
