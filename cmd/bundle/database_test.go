package bundle_test

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/cmd/bundle"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
)

var seedFlag = flag.Uint64("seed", 0, "seed of randomised tests, as an earlier run has logged it")

func pickSeed(t *testing.T) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %#x", seed)
	return seed
}

// open opens a database until the test ends.
func open(t *testing.T, o bundle.Options) *bundle.Database {
	t.Helper()
	db, err := bundle.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := db.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return db
}

func connect(t *testing.T, db *bundle.Database) *pgx.Conn {
	t.Helper()
	config, err := driver.ConnConfig(db.Cluster)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// exec runs statements, each in a message of its own.
func exec(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func subscribe(t *testing.T, db *bundle.Database, o feed.SubscribeOptions) *feed.Subscription {
	t.Helper()
	o.Database = "postgres"
	s, err := db.Subscribe(t.Context(), o)
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

// settled is the position up to which the feed has all that is committed now.
func settled(t *testing.T, db *bundle.Database) wal.LSN {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := db.Capture().Drain(ctx); err != nil {
		t.Fatal(err)
	}
	return db.Feed().Last()
}

// until hands over sets until all up to a position have come.
func until(t *testing.T, s *feed.Subscription, last wal.LSN, do func(*change.Set) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	whole := false // the snapshot, if there is one
	for s.Position() < last || s.Join().Snapshot != "" && !whole {
		now, stop := context.WithTimeout(ctx, 100*time.Millisecond)
		set, err := s.Next(now)
		stop()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			continue // Position has moved on within Next
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := do(set); err != nil {
			t.Fatalf("set at %v of transaction %d: %v", set.LSN, set.XID, err)
		}
		whole = whole || !set.More
		s.Ack(set.LSN)
	}
}

// options are those of a cluster in a test.
func options(dir string) pglite.Options {
	return pglite.Options{Dir: dir, Logger: zerolog.New(os.Stderr).Level(zerolog.WarnLevel)}
}
