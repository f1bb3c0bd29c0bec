package feed

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/bridge/wal"
)

// Snapshotter reads the tables of a database as they are at one moment.
type Snapshotter interface {
	// Snapshot begins a read-only transaction of REPEATABLE READ and takes its
	// snapshot.
	Snapshot(ctx context.Context, database string) (Snapshot, error)
}

// Snapshot is a database at one moment. It is used by one goroutine.
type Snapshot interface {
	// State gives what pg_current_snapshot() says in the transaction, and
	// pg_current_wal_insert_lsn() after that.
	State(ctx context.Context) (snapshot string, insert wal.LSN, err error)
	// Tables gives all tables that sets can be of: permanent ones, partitions and
	// not their parents. Their shapes are those that the snapshot has.
	Tables(ctx context.Context) ([]*change.Table, error)
	// Rows calls yield with every row of a table, the text of each of its columns
	// as package value writes it, nil for NULL, until yield tells false. That is what
	// output functions write with the settings named there, as COPY and results in text
	// format have it; a cast to text is another for boolean and bpchar. yield keeps
	// nothing of what it is given.
	Rows(ctx context.Context, t *change.Table, yield func([]*string) bool) error
	// Close ends the transaction.
	Close() error
}

const (
	snapshotRows  = 256      // of one set
	snapshotBytes = 64 << 10 // of text, beyond which a set is full earlier
)

// initial is the reading of a snapshot, row by row as Next is called: a coroutine,
// which ends with the last row or with close.
type initial struct {
	cancel context.CancelFunc

	mu   sync.Mutex // held while rows are read
	stop func()
	next func() (*change.Set, error, bool)
	snap Snapshot
}

// open takes the snapshot and finds where it meets the stream.
func (s *Subscription) open(ctx context.Context) error {
	snap, err := s.o.Snapshot.Snapshot(ctx, s.o.Database)
	if err != nil {
		return fmt.Errorf("feed: take a snapshot: %w", err)
	}
	text, insert, err := snap.State(ctx)
	if err == nil {
		s.o.Join, err = s.log.Join(text, insert)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("feed: take a snapshot: %w", err), snap.Close())
	}
	s.o.From = After(s.o.Join.From)
	ctx, cancel := context.WithCancel(ctx)
	next, stop := iter.Pull2(s.snapshotSets(ctx, snap))
	s.snapshot = &initial{cancel: cancel, next: next, stop: stop, snap: snap}
	s.initial = s.snapshot
	return nil
}

// read gives the next set of the snapshot. Its transaction ends with the last one, or
// with an error.
func (i *initial) read() (*change.Set, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.snap == nil {
		return nil, ErrClosed
	}
	set, err, _ := i.next()
	if err == nil && set.More {
		return set, nil
	}
	if cerr := i.end(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("feed: read the snapshot: %w", err)
	}
	return set, nil
}

// close ends the transaction, also in the middle of a read.
func (i *initial) close() error {
	i.cancel()
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.end()
}

// end REQUIRES mu.
func (i *initial) end() error {
	if i.snap == nil {
		return nil
	}
	i.cancel()
	i.stop()
	err := i.snap.Close()
	i.snap = nil
	return err
}

// snapshotSets reads the tables as the parts of one transaction; the last one is
// empty.
func (s *Subscription) snapshotSets(ctx context.Context, snap Snapshot) iter.Seq2[*change.Set, error] {
	return func(yield func(*change.Set, error) bool) {
		b := batch{lsn: s.o.Join.From, database: s.o.Database, yield: yield}
		tables, err := snap.Tables(ctx)
		for k := 0; err == nil && k < len(tables); k++ {
			if t := tables[k]; s.o.Filter.wants(t) {
				err = b.table(ctx, snap, t)
			}
		}
		switch {
		case errors.Is(err, errStopped):
		case err != nil:
			yield(nil, err)
		default:
			b.flush(false)
		}
	}
}

// errStopped says that the subscriber wants no more rows.
var errStopped = errors.New("stopped")

// batch gathers rows into sets.
type batch struct {
	yield    func(*change.Set, error) bool
	lsn      wal.LSN
	database string
	part     int
	changes  []change.Change
	bytes    int
}

func (b *batch) table(ctx context.Context, snap Snapshot, t *change.Table) (err error) {
	rerr := snap.Rows(ctx, t, func(texts []*string) bool {
		err = b.row(t, texts)
		return err == nil
	})
	if err != nil {
		return err
	}
	return rerr
}

func (b *batch) row(t *change.Table, texts []*string) error {
	if len(texts) != len(t.Columns) {
		return fmt.Errorf("a row of %s.%s has %d columns, not %d", t.Schema, t.Name, len(texts), len(t.Columns))
	}
	row := make([]any, len(texts))
	for k, text := range texts {
		if text == nil {
			continue
		}
		v, err := value.Parse(t.Columns[k].Type, *text)
		if err != nil {
			return fmt.Errorf("column %s of %s.%s: %w", t.Columns[k].Name, t.Schema, t.Name, err)
		}
		row[k] = v
		b.bytes += len(*text)
	}
	b.changes = append(b.changes, change.Change{Kind: change.Insert, LSN: b.lsn, Table: t, New: row, Snapshot: true})
	if len(b.changes) < snapshotRows && b.bytes < snapshotBytes {
		return nil
	}
	return b.flush(true)
}

func (b *batch) flush(more bool) error {
	set := &change.Set{Database: b.database, Commit: b.lsn, LSN: b.lsn, Part: b.part, More: more, Changes: b.changes}
	b.part++
	b.changes, b.bytes = nil, 0
	if !b.yield(set, nil) {
		return errStopped
	}
	return nil
}
