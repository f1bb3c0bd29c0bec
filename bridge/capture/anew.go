package capture

import (
	"context"
	"fmt"
	"time"

	"github.com/howdahdb/howdah/bridge/catalog"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/bridge/xact"
)

// blind is a capture that has lost its place while a server runs and has begun
// anew from the files. What transactions had changed before is not known, so none
// counts until all have ended that were under way: subscribers have to refetch then
// what was committed up to there.
type blind struct {
	// listed says that under has those that were under way, and may be still; before
	// it is not known which they are. The server tells at checkpoints and when it is
	// asked, and more than once if need be: a transaction is under way to it a moment
	// longer than its commit record is in the log.
	listed bool
	under  map[uint32]bool
	over   context.CancelFunc // ends the asking
}

// beginAnew goes on at the end of the log, with the catalogs that the files have.
func (r *follower) beginAnew() error {
	r.c.o.Logger.Error().Int64("max_behind", r.c.o.MaxBehind).Msg("more WAL waited for the capture than may; it begins anew, and subscribers must refetch")
	r.c.gaps.Add(1)
	r.tap.hold()
	if err := r.c.Feed().Gap(r.c.Feed().Last(), errBehind.Error()); err != nil {
		return err
	}
	if err := r.txs.drop(r.txs.take(r.txs.xids())); err != nil {
		return err
	}
	if err := r.source.close(); err != nil {
		return err
	}
	catalogs, start, err := catalog.ReadRunning(r.files, r.dir)
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	if r.tap.durable {
		if err := syncSegments(r.files, r.source.dir, start.LSN); err != nil {
			return err
		}
	}
	r.catalogs = catalogs
	for xid, ops := range start.Running {
		if err := r.adoptOps(xid, start.LSN, ops); err != nil {
			return err
		}
	}
	for xid, ops := range start.Prepared {
		if err := r.adoptOps(xid, start.LSN, ops); err != nil {
			return err
		}
		r.txs.preparedUnseen(xid)
	}
	r.source = newSource(r.files, r.dir, wal.NewReader(start.LSN, wal.Options{SystemID: r.id.System}))
	if r.blind != nil {
		r.blind.over()
	}
	ctx, over := context.WithCancel(r.ended)
	r.blind = &blind{over: over}
	r.saved = start.LSN
	r.tap.goOn(start.LSN)
	r.announce(ctx)
	return nil
}

// announce asks for what ends the blindness until it has, and does not wait for it.
func (r *follower) announce(ctx context.Context) {
	if r.c.o.Announce == nil {
		return
	}
	r.asking.Go(func() {
		for ctx.Err() == nil {
			if err := r.c.o.Announce(ctx); err != nil && ctx.Err() == nil {
				r.c.o.Logger.Warn().Err(err).Msg("capture can't ask for the transactions under way, trying again")
			}
			select {
			case <-ctx.Done():
			case <-time.After(retryDelay):
			}
		}
	})
}

// adoptOps keeps what a transaction has done to the catalogs before the capture.
func (r *follower) adoptOps(xid uint32, at wal.LSN, ops []catalog.Op) error {
	for i := range ops {
		if err := r.txs.add(xid, at, opEntry, ops[i].Append); err != nil {
			return err
		}
	}
	return nil
}

// see looks for the end of the transactions that were under way.
func (b *blind) see(v any) {
	switch v := v.(type) {
	case *xact.RunningXacts:
		still := map[uint32]bool{}
		for _, xid := range v.XIDs {
			if !b.listed || b.under[xid] {
				still[xid] = true
			}
		}
		b.listed, b.under = true, still
	case *xact.Commit:
		delete(b.under, v.XID)
	case *xact.Abort:
		delete(b.under, v.XID)
	case *xact.Checkpoint:
		if v.Shutdown || v.EndOfRecovery {
			b.listed, b.under = true, nil
		}
	}
}

// ended tells whether all of them have ended.
func (b *blind) ended() bool { return b.listed && len(b.under) == 0 }

// regain makes everything count that is committed from position at on.
func (r *follower) regain(at wal.LSN) error {
	r.blind.over()
	r.blind = nil
	r.due = true
	r.c.o.Logger.Info().Stringer("lsn", at).Msg("capture goes on")
	log := r.c.Feed()
	return log.Gap(max(at, log.Last()), errBehind.Error())
}
