package pglite

import (
	"context"
	"errors"
	"time"
)

// walWriterDelay is how often what has been committed without waiting is made
// durable, wal_writer_delay's default.
const walWriterDelay = 200 * time.Millisecond

// writeWAL does what Postgres has a walwriter for (src/backend/postmaster/
// walwriter.c), which a cluster here has not: it writes the WAL of transactions
// that have not waited for it (synchronous_commit = off). It ends with ctx.
func (c *Cluster) writeWAL(ctx context.Context) {
	tick := time.NewTicker(walWriterDelay)
	defer tick.Stop()
	var before uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.done:
			return
		case <-tick.C:
		}
		now := c.counters.commits.Load() + c.counters.rollbacks.Load()
		if now == before {
			continue
		}
		if err := c.flushWAL(ctx); err == nil {
			before = now
		} else if ctx.Err() == nil && c.Err() == nil {
			c.log.Warn().Err(err).Msg("WAL of transactions that do not wait could not be written, trying again")
		}
	}
}

// flushWAL writes and syncs all WAL that there is, if any is not.
func (c *Cluster) flushWAL(ctx context.Context) error {
	rows, err := c.asHost(ctx, "select pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()")
	if err != nil || rows[0][0] != "t" {
		return err
	}
	b, err := c.pool.take(ctx, c.host, c.host.want)
	if err != nil {
		return err
	}
	defer c.pool.release(b)
	return b.flushWAL()
}

// flushWAL inserts a record that means nothing, for its LSN, and has all WAL up to
// that written.
func (b *backend) flushWAL() (err error) {
	if err := b.enter(); err != nil {
		return err
	}
	defer func() { b.leave(err) }()
	if b.ended {
		return errExited
	}
	const rmXLOG, noop = 0, 0x20 // RM_XLOG_ID, XLOG_NOOP
	_, begun := b.inst.Call("XLogBeginInsert")
	lsn, inserted := b.inst.Call("XLogInsert", rmXLOG, noop)
	if err := errors.Join(begun, inserted); err != nil {
		return err
	}
	_, err = b.inst.Call("XLogFlush", lsn)
	return err
}
