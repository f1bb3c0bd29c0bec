// Package bundle puts a cluster and its feed together, which know nothing of each
// other: a Database is what `howdah serve` serves, for programs in Go.
//
// The feed is part of a database unless it is switched off. With a data directory
// it is kept in its folder "howdah", and survives restarts together with it; in
// memory it is as large as FeedOptions say and ends with the process.
package bundle

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/bridge/capture"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite"
)

// Folder is what a database keeps in its data directory beside Postgres' own.
const Folder = "howdah"

// Options say what a Database is.
type Options struct {
	Cluster pglite.Options
	// NoFeed leaves the feed out: nothing is captured.
	NoFeed bool
	Feed   FeedOptions
}

// FeedOptions bound what the feed keeps.
type FeedOptions struct {
	// MaxBytes is how large the log of change sets may become before its oldest part
	// goes; 0 is 1 GiB on a directory and 64 MiB in memory.
	MaxBytes int64
	// MaxAge is how long change sets are kept; 0 is for as long as MaxBytes allows.
	MaxAge time.Duration
	// MaxBehind is how much WAL may be kept from removal for the capture; 0 is 1 GiB.
	MaxBehind int64
}

// Database is a cluster with its feed.
type Database struct {
	Cluster *pglite.Cluster
	capture *capture.Capture // nil: no feed
	log     zerolog.Logger
}

// Open is pglite.Open with a feed.
func Open(ctx context.Context, o Options) (*Database, error) { return OpenWith(ctx, pglite.Open, o) }

// OpenWith opens the cluster by another function than pglite.Open, such as one that
// begins with a snapshot.
func OpenWith(ctx context.Context, open func(context.Context, pglite.Options) (*pglite.Cluster, error), o Options) (*Database, error) {
	d := &Database{log: o.Cluster.Logger}
	ready := make(chan struct{})
	if !o.NoFeed {
		d.capture = capture.New(o.captureOptions(ready, d))
		o.Cluster.Watcher = d.capture
	}
	cluster, err := open(ctx, o.Cluster)
	if err != nil {
		close(ready) // who waits to ask it, asks in vain
		return nil, errors.Join(err, d.closeFeed())
	}
	d.Cluster = cluster
	close(ready)
	return d, nil
}

// captureOptions make values be asked of the cluster from when it is ready.
func (o *Options) captureOptions(ready <-chan struct{}, d *Database) capture.Options {
	c := capture.Options{MaxBehind: o.Feed.MaxBehind, Logger: o.Cluster.Logger}
	if o.Cluster.Dir != "" {
		c.Dir = filepath.Join(o.Cluster.Dir, Folder, "capture")
	}
	c.Feed = func(id feed.ID, start wal.LSN) (*feed.Log, error) {
		f := feed.Options{ID: id, Start: start, MaxBytes: o.Feed.MaxBytes, MaxAge: o.Feed.MaxAge}
		if o.Cluster.Dir != "" {
			f.Dir = filepath.Join(o.Cluster.Dir, Folder, "feed")
		}
		return feed.Open(f)
	}
	// What needs the cluster waits for it, and does without when it could not be opened.
	await := func(ctx context.Context) error {
		select {
		case <-ready:
		case <-ctx.Done():
			return ctx.Err()
		}
		if d.Cluster == nil {
			return capture.ErrEnded
		}
		return nil
	}
	c.Announce = func(ctx context.Context) error {
		if err := await(ctx); err != nil {
			return err
		}
		return d.announce(ctx)
	}
	c.Output = func(ctx context.Context, database string, t *value.Type, datum []byte) (string, error) {
		if err := await(ctx); err != nil {
			return "", err
		}
		text, err := d.Cluster.Output(ctx, database, t.Output, t.ByVal, t.Length, datum)
		if errors.Is(err, pglite.ErrClosed) || err != nil && d.Cluster.Err() != nil {
			err = errors.Join(capture.ErrEnded, err)
		}
		return text, err
	}
	return c
}

// announce has the server log which transactions are under way.
func (d *Database) announce(ctx context.Context) error {
	db, err := d.connect("postgres")
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "select pg_catalog.pg_log_standby_snapshot()")
	return errors.Join(err, db.Close())
}

// Feed is the log of change sets, nil if there is none.
func (d *Database) Feed() *feed.Log {
	if d.capture == nil {
		return nil
	}
	return d.capture.Feed()
}

// Subscribe subscribes to the feed. With Tables as o.Snapshot it begins with the rows
// that there are.
func (d *Database) Subscribe(ctx context.Context, o feed.SubscribeOptions) (*feed.Subscription, error) {
	log := d.Feed()
	if log == nil {
		return nil, ErrNoFeed
	}
	return log.Subscribe(ctx, o)
}

// ErrNoFeed says that the database was opened without a feed.
var ErrNoFeed = errors.New("bundle: the database has no feed")

// Tables reads the tables for subscribers that begin with a snapshot:
// feed.SubscribeOptions.Snapshot. Like pg_dump, it keeps all tables of the database
// from being altered, truncated or dropped until the snapshot has been read or the
// subscription is closed; reading and writing them goes on.
func (d *Database) Tables() feed.Snapshotter { return tables{d.Cluster} }

// Capture tells how the capture is doing; nil without a feed.
func (d *Database) Capture() *capture.Capture { return d.capture }

// Close closes the cluster first, which nobody may use any more, and then the feed
// with all that the cluster has written.
func (d *Database) Close(ctx context.Context) error {
	if d.capture != nil {
		d.capture.Drain(ctx)
	}
	return errors.Join(d.Cluster.Close(ctx), d.closeFeed())
}

func (d *Database) closeFeed() error {
	if d.capture == nil {
		return nil
	}
	err := d.capture.Close()
	if log := d.capture.Feed(); log != nil {
		err = errors.Join(err, log.Close())
	}
	if err != nil {
		return fmt.Errorf("close the feed: %w", err)
	}
	return nil
}
