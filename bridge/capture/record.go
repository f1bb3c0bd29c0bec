package capture

import (
	"fmt"
	"slices"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/heap"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/bridge/xact"
)

// record does one record of the log. What it keeps of it, it copies.
func (r *follower) record(rec *wal.Record) (err error) {
	ops, err := r.catalogs.Redo(rec)
	if err != nil {
		return err
	}
	for i := range ops {
		if err := r.txs.add(rec.XID, rec.LSN, opEntry, ops[i].Append); err != nil {
			return err
		}
	}
	switch rec.RM {
	case wal.Heap, wal.Heap2:
		if r.blind != nil {
			return nil
		}
		return r.keepRows(rec)
	case wal.Transaction, wal.XLOG, wal.Standby, wal.LogicalMessage:
	default:
		return nil
	}
	v, err := xact.Read(rec)
	if err != nil {
		return err
	}
	if r.blind != nil {
		defer func() {
			if r.blind.see(v); err == nil && r.blind.ended() {
				err = r.regain(rec.End)
			}
		}()
	}
	switch v := v.(type) {
	case *xact.Commit:
		return r.committed(rec, v)
	case *xact.Abort:
		return r.txs.drop(r.txs.take(append(v.Subs, v.XID)))
	case *xact.Prepare:
		r.txs.prepared(append(v.Subs, v.XID))
	case *xact.RunningXacts:
		return r.txs.crashedBefore(v.Oldest)
	case *xact.Message:
		return r.message(rec, v)
	case *xact.Checkpoint:
		r.due = true
		if v.Shutdown || v.EndOfRecovery {
			return r.txs.crashed()
		}
	}
	return nil
}

// firstNormal is FirstNormalObjectId: files below are catalogs', those of catalogs
// that were written anew may be above.
const firstNormal = 16384

// keepRows keeps what the record means for rows of users' tables.
func (r *follower) keepRows(rec *wal.Record) (err error) {
	if r.rows, err = heap.Rows(rec, r.rows[:0]); err != nil {
		return err
	}
	for i := range r.rows {
		row := &r.rows[i]
		if row.Kind != heap.Truncate && (row.Relation.Database == 0 || row.Relation.Number < firstNormal) {
			continue // a catalog's
		}
		if err := r.txs.add(rec.XID, rec.LSN, rowEntry, func(b []byte) []byte { return appendRow(b, row) }); err != nil {
			return err
		}
	}
	return nil
}

// committed makes change sets of a transaction.
func (r *follower) committed(rec *wal.Record, v *xact.Commit) error {
	if len(v.Invalidations) > 0 {
		r.c.noteCatalogs(rec.End, append(v.Subs, v.XID))
	}
	all := r.txs.take(append(v.Subs, v.XID))
	if len(all) == 0 {
		return nil
	}
	head := change.Set{
		Commit: rec.LSN, LSN: rec.End, XID: v.XID, Time: v.Time, GID: v.GID, OriginLSN: v.OriginLSN,
	}
	if v.Origin != 0 {
		head.Origin, _ = r.catalogs.Origin(v.Origin)
	}
	r.unseen = slices.ContainsFunc(all, func(p *pending) bool { return p.unseen })
	err := r.commit(head, v.Database, all)
	if err == nil && r.unseen && r.blind == nil {
		err = r.gap(rec.End)
	}
	r.unseen = false
	if err != nil {
		return fmt.Errorf("transaction %d: %w", v.XID, err)
	}
	return r.txs.drop(all)
}

// gap has subscribers refetch what a transaction has changed whose rows are not known.
func (r *follower) gap(at wal.LSN) error {
	log := r.c.Feed()
	if at <= log.Last() {
		return nil // done before a restart
	}
	r.c.o.Logger.Warn().Stringer("lsn", at).Msg("a transaction was committed that had been prepared before the capture began; subscribers must refetch")
	r.c.gaps.Add(1)
	return log.Gap(at, "a transaction was committed that had been prepared before the feed began")
}

// message keeps a message with its transaction, or passes it on if it is of none.
func (r *follower) message(rec *wal.Record, v *xact.Message) error {
	if v.Transactional {
		return r.txs.add(rec.XID, rec.LSN, messageEntry, func(b []byte) []byte { return appendMessage(b, v.Prefix, v.Content) })
	}
	database, _ := r.catalogs.Database(v.Database)
	return r.append(&change.Set{
		Database: database, Commit: rec.LSN, LSN: rec.End,
		Changes: []change.Change{{Kind: change.Message, LSN: rec.LSN, Message: &change.EmittedMessage{Prefix: v.Prefix, Content: v.Content}}},
	})
}
