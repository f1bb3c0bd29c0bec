package replication

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
)

// createExporting makes a slot, and leaves the session in a transaction whose
// snapshot others may use until the next command comes.
func (c *conn) createExporting(cmd createSlot, o slotOptions) (wal.LSN, *string, error) {
	from, err := c.makeSlot(cmd, o, c.rows)
	if err != nil {
		return 0, nil, err
	}
	c.exporting = true
	at, name, err := c.agree(cmd.slot, from, c.rows)
	if err != nil {
		return 0, nil, errors.Join(err, c.endExport())
	}
	return at, &name, nil
}

// endExport ends the transaction of createExporting.
func (c *conn) endExport() error {
	if !c.exporting {
		return nil
	}
	c.exporting = false
	_, err := c.rows("rollback")
	return err
}

// createUsing makes a slot for the session's transaction, which gets the snapshot.
// The slot is made by a session of the host's: one that has asked anything can't be
// given a snapshot any more.
func (c *conn) createUsing(cmd createSlot, o slotOptions) (wal.LSN, error) {
	if err := c.usable(); err != nil {
		return 0, err
	}
	db, err := c.srv.o.Connect(c.database)
	if err != nil {
		return 0, err
	}
	db.SetMaxOpenConns(1)
	own := runnerOn(context.WithoutCancel(c.ctx), db)
	at, err := c.makeSlot(cmd, o, own)
	if err == nil {
		var name string
		if at, name, err = c.agree(cmd.slot, at, own); err == nil {
			_, err = c.rows("set transaction snapshot " + quoteLiteral(name))
		}
		_, rerr := own("rollback")
		err = errors.Join(err, rerr)
	}
	if err != nil {
		_, _ = own("select pg_catalog.pg_drop_replication_slot(slot_name) from pg_catalog.pg_replication_slots where slot_name = " + quoteLiteral(cmd.slot))
	}
	if cmd.temporary && err == nil {
		return at, nil // the slot lives as long as that session
	}
	return at, errors.Join(err, db.Close())
}

// usable checks the session's transaction in the order and words of
// CreateReplicationSlot in walsender.c.
func (c *conn) usable() error {
	const what = "CREATE_REPLICATION_SLOT ... (SNAPSHOT 'use') must "
	if c.status != 'T' {
		return errorf("XX000", what+"be called inside a transaction")
	}
	for _, q := range [...]struct{ setting, value, words string }{
		{"transaction_isolation", "repeatable read", "be called in REPEATABLE READ isolation mode transaction"},
		{"transaction_read_only", "on", "be called in a read-only transaction"},
	} {
		row, err := c.one("show " + q.setting)
		if err != nil {
			return err
		}
		if *row[0] != q.value {
			return errorf("XX000", what+"%s", q.words)
		}
	}
	// Postgres changes the level of a transaction in the same two cases only.
	_, err := c.rows("set transaction isolation level serializable; set transaction isolation level repeatable read")
	var e *Error
	switch {
	case errors.As(err, &e) && strings.Contains(e.Message, "subtransaction"):
		return errorf("XX000", what+"not be called in a subtransaction")
	case errors.As(err, &e):
		return errorf("XX000", what+"be called before any query")
	}
	return err
}

// runnerOn runs SQL on a pool of one connection. ctx is not the client's: what a
// command has made is taken back when its client leaves.
func runnerOn(ctx context.Context, db *sql.DB) runner {
	return func(statement string) ([][]*string, error) {
		rows, err := db.QueryContext(ctx, statement)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return nil, err
		}
		var out [][]*string
		for rows.Next() {
			row, into := make([]*string, len(columns)), make([]any, len(columns))
			for k := range row {
				into[k] = &row[k]
			}
			if err := rows.Scan(into...); err != nil {
				return nil, err
			}
			out = append(out, row)
		}
		return out, rows.Err()
	}
}

// agree begins a transaction, exports its snapshot and gives the position at which
// the stream of a slot meets it: the snapshot sees every set up to there, and none
// beyond.
//
// Of most snapshots there is such a position. There is none if one was taken while a
// transaction whose commit record is in the log still counted as running, and others
// behind it did not any more (see feed.Join); then another one is taken.
func (c *conn) agree(slot string, from wal.LSN, by runner) (wal.LSN, string, error) {
	db, err := c.srv.o.Connect(c.database)
	if err != nil {
		return 0, "", err
	}
	defer db.Close()
	for try := 0; ; try++ {
		if _, err := by("begin isolation level repeatable read read only"); err != nil {
			return 0, "", err
		}
		rows, err := by("select pg_catalog.pg_current_snapshot()::text, pg_catalog.pg_current_wal_insert_lsn()::text")
		if err != nil {
			return 0, "", err
		}
		snapshot := *rows[0][0]
		until, err := wal.ParseLSN(*rows[0][1])
		if err != nil {
			return 0, "", err
		}
		// A commit that has written something flushes all the log before it.
		if _, err := db.ExecContext(c.ctx, "select pg_catalog.pg_current_xact_id(), pg_catalog.pg_log_standby_snapshot()"); err != nil {
			return 0, "", err
		}
		at, exact, err := c.meet(snapshot, until)
		if err != nil {
			return 0, "", err
		}
		if exact {
			at = max(at, from)
			return c.settle(slot, at, by)
		}
		if _, err := by("rollback"); err != nil {
			return 0, "", err
		}
		if err := pause(c.ctx, try); err != nil {
			return 0, "", err
		}
	}
}

// settle takes a new slot to its position and exports the snapshot.
func (c *conn) settle(slot string, at wal.LSN, by runner) (wal.LSN, string, error) {
	_, err := by("select pg_catalog.pg_replication_slot_advance(" + quoteLiteral(slot) + ", " + quoteLiteral(at.String()) + ")")
	if err != nil {
		return 0, "", err
	}
	c.srv.confirm(slot, at)
	rows, err := by("select pg_catalog.pg_export_snapshot()")
	if err != nil {
		return 0, "", err
	}
	return at, *rows[0][0], nil
}

// meet gives the position before the first set that a snapshot does not see, and
// whether it sees none behind that.
func (c *conn) meet(snapshot string, until wal.LSN) (at wal.LSN, exact bool, err error) {
	log := c.srv.o.Log
	if err := c.srv.o.Drain(c.ctx); err != nil {
		return 0, false, err
	}
	until = min(until, log.Last())
	join, err := log.Join(snapshot, until)
	if err != nil {
		return 0, false, err
	}
	sees, err := parseSnapshot(snapshot)
	if err != nil {
		return 0, false, err
	}
	sub, err := log.Subscribe(c.ctx, feed.SubscribeOptions{Database: c.database, From: feed.After(join.From)})
	if err != nil {
		return 0, false, err
	}
	defer sub.Close()
	for sub.Position() < until {
		ctx, cancel := context.WithTimeout(c.ctx, 5*time.Millisecond) // what is left may be other databases'
		set, err := sub.Next(ctx)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded) && c.ctx.Err() == nil:
		case err != nil:
			return 0, false, err
		case set.LSN > until:
			return join.From, true, nil
		case set.XID != 0 && sees(set.XID):
			return 0, false, nil
		}
	}
	return join.From, true, nil
}

// parseSnapshot gives what tells whether a snapshot, in the form of
// pg_current_snapshot(), sees a transaction of not long ago.
func parseSnapshot(snapshot string) (func(xid uint32) bool, error) {
	bad := errorf("XX000", "replication: %q is no snapshot", snapshot)
	parts := strings.Split(snapshot, ":")
	if len(parts) != 3 {
		return nil, bad
	}
	next, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return nil, bad
	}
	var running []uint32
	for text := range strings.SplitSeq(parts[2], ",") {
		xid, err := strconv.ParseUint(text, 10, 64)
		if err != nil && text != "" {
			return nil, bad
		}
		running = append(running, uint32(xid))
	}
	return func(xid uint32) bool { // xids wrap around
		return int32(xid-uint32(next)) < 0 && !slices.Contains(running, xid)
	}, nil
}
