package capture

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/howdahdb/howdah/bridge/catalog"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/heap"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// follower is the capture of one history of the log. It belongs to its goroutine.
type follower struct {
	c        *Capture
	tap      *tap
	source   *source
	catalogs *catalog.Catalogs
	txs      *transactions
	store    *store // nil: no state is kept
	files    vfs.FS
	dir      string // the data directory's name among them
	id       feed.ID
	saved    wal.LSN // the position of the last saved state

	tail   tail
	blind  *blind // nil: everything is seen
	unseen bool   // what of the transaction that is being committed is not
	asking sync.WaitGroup
	ended  context.Context // ends with follow, or when nobody wants it to go on
	end    context.CancelFunc
	rows   []heap.Row
	due    bool // a state should be saved
	// notBefore is when to try again after that has failed.
	notBefore time.Time
}

// saveEvery is how many bytes of the log are read before a state is saved without
// a checkpoint.
const saveEvery = 256 << 20

// saveRetry is the time between two tries to save the state.
const saveRetry = 10 * time.Second

// retryDelay is the time between two tries to append a set.
const retryDelay = time.Second

// follow reads the log as it becomes durable, until halt is closed and nothing more
// is there.
func (r *follower) follow(halt <-chan struct{}) {
	defer r.asking.Wait()
	defer r.end()
	err := r.untilHalted(halt)
	if errors.Is(err, ErrEnded) || errors.Is(err, context.Canceled) {
		err = nil // the saved state stays, and the next start goes on from it
	}
	if err != nil {
		r.fail(err)
	}
	if err := errors.Join(r.source.close(), r.txs.close()); err != nil {
		r.c.o.Logger.Error().Err(err).Msg("closing the capture's files")
	}
}

func (r *follower) untilHalted(halt <-chan struct{}) error {
	for {
		ending := false
		select {
		case <-r.tap.news:
		case <-halt:
			ending = true
		}
		err := r.read()
		if errors.Is(err, errBehind) && !ending {
			err = r.beginAnew()
		}
		if err != nil {
			return err
		}
		if ending {
			r.saveLast()
			return nil
		}
	}
}

// saveLast saves the state at the end. If it can't, the one before does as well: the
// log from there on has been kept.
func (r *follower) saveLast() {
	if err := r.save(); err != nil {
		r.c.o.Logger.Error().Err(err).Msg("the state of the capture can't be saved; the next start begins with the one before")
		r.c.move(uint64(endless), err)
	}
}

// fail stops the capture: the log is let go, and the next start begins anew.
func (r *follower) fail(err error) {
	r.c.o.Logger.Error().Err(err).Msg("capture has stopped; commits go on, and change sets are missing until the next start")
	r.tap.release(endless)
	if r.store != nil {
		err = errors.Join(err, r.store.forget())
	}
	// Whoever subscribes is to learn that nothing comes.
	log := r.c.Feed()
	err = errors.Join(err, log.Gap(log.Last(), err.Error()), log.Close())
	r.c.move(0, err)
}

// errBehind says that the log was let go before it was read.
var errBehind = errors.New("capture: more of the log waited to be read and saved than may be kept")

// read takes all that is durable.
func (r *follower) read() error {
	low, version, lost := r.tap.take(&r.tail)
	if lost {
		return errBehind
	}
	for more := true; more; low = endless {
		var err error
		if more, err = r.source.feed(&r.tail, low); err != nil {
			return err
		}
		if err := r.records(); err != nil {
			return err
		}
		r.saveIfDue()
	}
	if err := r.damage(); err != nil {
		return err
	}
	r.c.move(version, nil)
	return nil
}

// damage tells of bytes amid the log that are no record. The pages that precede the
// last one do not change any more once it has been written, which is when it is
// copied; until then what is there may be what a crash has left.
func (r *follower) damage() error {
	final := r.tail.end - wal.PageSize
	if !r.tail.copied || r.source.reader.Damage(final) == nil {
		return nil
	}
	// Recovery writes pages anew that were written before: look again.
	if _, err := r.source.feed(&r.tail, pageOf(r.source.reader.Position())); err != nil {
		return err
	}
	if err := r.records(); err != nil {
		return err
	}
	if err := r.source.reader.Damage(final); err != nil {
		return fmt.Errorf("capture: the log goes on to %v, but: %w", r.tail.end, err)
	}
	return nil
}

// saveIfDue saves the state at checkpoints, and when much has been read since. It
// need not succeed: the log is kept meanwhile, up to its bound.
func (r *follower) saveIfDue() {
	if !r.due && r.source.reader.Position() < r.saved+saveEvery || time.Now().Before(r.notBefore) {
		return
	}
	if err := r.save(); err != nil {
		r.due, r.notBefore = true, time.Now().Add(saveRetry)
		r.c.o.Logger.Error().Err(err).Msg("the state of the capture can't be saved, trying again; WAL is kept meanwhile")
	}
}

// records does what the reader has.
func (r *follower) records() error {
	defer func() { r.c.position.Store(uint64(r.source.reader.Position())) }()
	for {
		rec, err := r.source.reader.Next()
		if errors.Is(err, wal.ErrMore) {
			// What is read without a change set is behind the feed, too: else it would
			// look, when it is opened again, as if sets were missing.
			r.c.Feed().Advance(r.source.reader.Position())
			if r.store == nil {
				r.tap.release(r.source.reader.Position())
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("capture: %w", err)
		}
		if err := r.record(rec); err != nil {
			return fmt.Errorf("capture: %v record at %v: %w", rec.RM, rec.LSN, err)
		}
	}
}

// save makes the feed durable and then notes where the capture is, so that the log
// before is not needed any more.
func (r *follower) save() error {
	if r.blind != nil {
		return nil // what is known of transactions is not all
	}
	r.due = false
	if r.store == nil {
		return nil
	}
	position := r.source.reader.Position()
	if err := r.c.Feed().Sync(); err != nil {
		return err
	}
	s := &state{system: r.id.System, incarnation: r.id.Incarnation, position: position, pending: r.txs.all(), catalogs: r.catalogs.Save(nil)}
	if err := r.store.save(s); err != nil {
		return err
	}
	r.saved = position
	r.tap.release(position)
	return r.txs.forgotten()
}
