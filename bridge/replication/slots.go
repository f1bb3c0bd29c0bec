package replication

import (
	"context"
	"fmt"
	"time"

	"github.com/howdahdb/howdah/bridge/wal"
)

// temporarySlot is one that ends with the connection.
type temporarySlot struct {
	name string
	by   runner
}

// pinSession keeps a session in its backend, which is what has a temporary slot.
const pinSession = "listen howdah_replication"

// runner runs SQL on one session; values are as text.
type runner func(sql string) ([][]*string, error)

func (c *conn) readSlot(cmd readSlot) error {
	rows, err := c.rows(`select slot_type, restart_lsn::text from pg_catalog.pg_replication_slots where slot_name = ` + quoteLiteral(cmd.slot))
	if err != nil {
		return c.fail(err)
	}
	row := make([]*string, 3)
	if len(rows) > 0 {
		if *rows[0][0] == "logical" {
			return c.fail(errorf(featureNotSupported, "cannot use %s with a logical replication slot", cmd.tag()))
		}
		copy(row, rows[0])
		if row[1] != nil {
			timeline := "1"
			row[2] = &timeline
		}
	}
	return c.reply(cmd, []field{text("slot_type"), text("restart_lsn"), {"restart_tli", oidInt8}}, row)
}

func (c *conn) dropSlot(cmd dropSlot) error {
	for {
		u := c.srv.user(cmd.slot)
		if u == nil {
			break
		}
		if !cmd.wait {
			return c.fail(inUse(cmd.slot, u.pid))
		}
		select {
		case <-u.ended:
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	if _, err := c.rows("select pg_catalog.pg_drop_replication_slot(" + quoteLiteral(cmd.slot) + ")"); err != nil {
		return c.fail(err)
	}
	c.srv.forget(cmd.slot)
	return c.reply(cmd, nil, nil)
}

// alterSlot refuses to change what Postgres gives no function for; what a slot has
// already it may be given.
func (c *conn) alterSlot(cmd alterSlot) error {
	want := map[string]bool{}
	for _, o := range cmd.options {
		if o.name != "failover" && o.name != "two_phase" {
			return c.fail(errorf("XX000", "unrecognized option: %s", o.name))
		}
		if _, again := want[o.name]; again {
			return c.fail(errorf("42601", "conflicting or redundant options"))
		}
		value, err := boolean(o)
		if err != nil {
			return c.fail(err)
		}
		want[o.name] = value
	}
	rows, err := c.rows(`select failover, two_phase from pg_catalog.pg_replication_slots where slot_name = ` + quoteLiteral(cmd.slot))
	if err != nil {
		return c.fail(err)
	}
	if len(rows) == 0 {
		return c.fail(noSlot(cmd.slot))
	}
	for k, name := range [...]string{"failover", "two_phase"} {
		if v, given := want[name]; given && v != (*rows[0][k] == "t") {
			e := errorf(featureNotSupported, "cannot change option \"%s\" of replication slot \"%s\"", name, cmd.slot)
			e.Hint = "Drop the slot and create it again."
			return c.fail(e)
		}
	}
	return c.reply(cmd, nil, nil)
}

func noSlot(name string) error {
	return errorf("42704", "replication slot \"%s\" does not exist", name)
}

// slotOptions are the options of CREATE_REPLICATION_SLOT
// (parseCreateReplSlotOptions in walsender.c).
type slotOptions struct {
	snapshot           string
	twoPhase, failover bool
}

const (
	snapshotExport  = "export"
	snapshotUse     = "use"
	snapshotNothing = "nothing"
)

func parseSlotOptions(cmd createSlot) (slotOptions, error) {
	o := slotOptions{snapshot: snapshotExport}
	seen := map[string]bool{}
	for _, given := range cmd.options {
		logicalOnly := given.name != "reserve_wal"
		switch given.name {
		case "snapshot", "two_phase", "failover", "reserve_wal":
		default:
			return o, errorf("XX000", "unrecognized option: %s", given.name)
		}
		if seen[given.name] || logicalOnly == cmd.physical {
			return o, errorf("42601", "conflicting or redundant options")
		}
		seen[given.name] = true
		var err error
		switch given.name {
		case "snapshot":
			switch given.value {
			case snapshotExport, snapshotUse, snapshotNothing:
				o.snapshot = given.value
			default:
				err = errorf(invalidParameter, "unrecognized value for CREATE_REPLICATION_SLOT option \"%s\": \"%s\"", given.name, given.value)
			}
		case "two_phase":
			o.twoPhase, err = boolean(given)
		case "failover":
			o.failover, err = boolean(given)
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

// createSlot makes a slot, and a snapshot that meets its stream if it is wanted.
func (c *conn) createSlot(cmd createSlot) error {
	o, err := parseSlotOptions(cmd)
	if err != nil {
		return c.fail(err)
	}
	if cmd.physical {
		return c.fail(errorf(featureNotSupported, "physical replication is not supported"))
	}
	var at wal.LSN
	var snapshot *string
	switch o.snapshot {
	case snapshotExport:
		if c.status != 'I' {
			return c.fail(errorf("XX000", "CREATE_REPLICATION_SLOT ... (SNAPSHOT 'export') must not be called inside a transaction"))
		}
		at, snapshot, err = c.createExporting(cmd, o)
	case snapshotUse:
		at, err = c.createUsing(cmd, o)
	default:
		at, err = c.makeSlot(cmd, o, c.rows)
	}
	if err != nil {
		return c.fail(err)
	}
	position := at.String()
	return c.reply(cmd,
		[]field{text("slot_name"), text("consistent_point"), text("snapshot_name"), text("output_plugin")},
		[]*string{&cmd.slot, &position, snapshot, &cmd.plugin})
}

// makeSlot makes the slot in the cluster.
func (c *conn) makeSlot(cmd createSlot, o slotOptions, by runner) (wal.LSN, error) {
	if cmd.temporary {
		if _, err := by(pinSession); err != nil {
			return 0, err
		}
	}
	rows, err := by(fmt.Sprintf("select lsn::text from pg_catalog.pg_create_logical_replication_slot(%s, %s, %v, %v, %v)",
		quoteLiteral(cmd.slot), quoteLiteral(cmd.plugin), cmd.temporary, o.twoPhase, o.failover))
	if err != nil {
		return 0, err
	}
	c.srv.forget(cmd.slot)
	if cmd.temporary {
		c.temporary = append(c.temporary, temporarySlot{cmd.slot, by})
	}
	return wal.ParseLSN(*rows[0][0])
}

// leave does what is left to do when the client has left: it tells the slot of its
// stream, and drops those that end with the connection. Whoever made one is the only
// one who can.
func (c *conn) leave() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), leaveWithin)
	defer cancel()
	c.b.ctx = ctx
	c.endStream()
	c.tellSlot(c.leaving())
	_ = c.endExport()
	if len(c.temporary) > 0 && c.status != 'I' {
		_, _ = c.rows("rollback") // the client's own transaction, perhaps a failed one
	}
	for _, s := range c.temporary {
		_, _ = s.by("select pg_catalog.pg_drop_replication_slot(" + quoteLiteral(s.name) + ")")
		c.srv.forget(s.name)
	}
}

// leaveWithin bounds what is done after a client has left.
const leaveWithin = 10 * time.Second

// advancing is how a slot in the cluster follows what its subscriber acknowledges:
// Postgres reads its log from the slot's restart_lsn on for it, which takes some 5 ms
// for each megabyte. So that is done after some log, or some time, and for no more
// than a twentieth of the time.
const (
	advanceBytes = 1 << 20
	advanceAfter = time.Minute
	advanceShare = 20
	// advanceLeast is what is not worth it however long it has been: the log that
	// advancing itself writes is less.
	advanceLeast  = 16 << 10
	advanceWithin = time.Minute
)

// advance takes the slot as far as its subscriber has acknowledged. A standby
// snapshot in the log lets restart_lsn follow. A connection that ends does not end
// it: Postgres would go on and have the slot for a while.
func (s *stream) advance(to wal.LSN) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.c.ctx), advanceWithin)
	defer cancel()
	if _, err := s.db.ExecContext(ctx, "select pg_catalog.pg_log_standby_snapshot()"); err != nil {
		return fmt.Errorf("log a standby snapshot: %w", err)
	}
	_, err := s.owner(fmt.Sprintf(`select pg_catalog.pg_replication_slot_advance(slot_name, %s)
		from pg_catalog.pg_replication_slots where slot_name = %s and confirmed_flush_lsn < %[1]s`, quoteLiteral(to.String()), quoteLiteral(s.slot)))
	return err
}

// follow advances the slot while the stream runs. An error is that of the cluster's
// end, or of a slot dropped by SQL: either way the subscriber learns of it when it
// comes again, and what is not advanced is only sent twice.
func (s *stream) follow(ctx context.Context) {
	at, next, rest := s.acknowledged(), time.Now().Add(advanceAfter), time.Time{}
	timer := time.NewTimer(advanceAfter)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.acks:
		}
		to, now := s.acknowledged(), time.Now()
		switch {
		case to < at+advanceLeast:
			timer.Reset(advanceAfter)
			continue
		case now.Before(rest):
			timer.Reset(rest.Sub(now))
			continue
		case to < at+advanceBytes && now.Before(next):
			timer.Reset(next.Sub(now))
			continue
		}
		_ = s.advance(to)
		at, next, rest = to, now.Add(advanceAfter), now.Add(advanceShare*time.Since(now))
		timer.Reset(advanceAfter)
	}
}
