package pglite

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"time"
)

// There is no autovacuum launcher: the host looks every autovacuum_naptime
// which databases have changed, and boots a worker for each of these, one after
// the other (see autovacuum_worker.go), which vacuums what is due by Postgres'
// rules (autovacuum_rules.go). What a worker does and whom it gives way to is as
// in src/backend/postmaster/autovacuum.c; who launches it, and when, is not:
//
//   - While no client has run a transaction nothing is looked at: an idle
//     server stays idle.
//   - A database whose tables nobody has changed since the last look, and whose
//     settings are the same, gets no worker.
//   - There is one worker, whatever autovacuum_max_workers says: backends run
//     one at a time anyway.
//
// With autovacuum or track_counts off, only what threatens wraparound is
// vacuumed, in databases that allow no connections (template0) too.
type autovacuum struct {
	c     *Cluster
	txns  uint64            // of clients, when it was looked last
	again bool              // their last ones may not have reported yet
	seen  map[string]string // by database: its figures, when its tables were looked at
}

// keepTables vacuums until ctx ends. naptime is the first one; another that was
// set meanwhile counts from the next round on.
func (c *Cluster) keepTables(ctx context.Context, naptime time.Duration) {
	a := &autovacuum{c: c, again: true, seen: map[string]string{}}
	nap := time.NewTimer(naptime)
	defer nap.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.done:
			return
		case <-nap.C:
		}
		if a.stirred() {
			next, err := a.round(ctx)
			switch {
			case err == nil:
				naptime = next
			case ctx.Err() != nil:
				return
			default: // a crash, or a full house; there will be another round
				a.again = true
				c.log.Warn().Err(err).Msg("autovacuum could not look at all databases")
			}
		}
		nap.Reset(naptime)
	}
}

// stirred tells whether clients have run transactions since the last round. A
// backend reports what it has changed up to ten seconds later
// (IDLE_STATS_UPDATE_TIMEOUT), so that there is one more round after the last
// transaction.
func (a *autovacuum) stirred() bool {
	n := a.c.counters.commits.Load() + a.c.counters.rollbacks.Load()
	changed := n != a.txns
	a.txns = n
	due := changed || a.again
	a.again = changed
	return due
}

// database is one that the round may look at.
type database struct {
	name    string
	connect bool   // it allows connections
	forced  bool   // it has come close to wraparound
	figures string // change when its tables or the settings do; "" when nothing was ever reported
}

// round looks at all databases, and tells how long to sleep until the next.
func (a *autovacuum) round(ctx context.Context) (nap time.Duration, err error) {
	rows, err := a.c.asHost(ctx, databasesSQL)
	if err != nil {
		return 0, err
	}
	present := map[string]bool{}
	for _, r := range rows {
		db := database{name: r[0], connect: r[1] == "t", forced: r[2] == "t", figures: r[3]}
		active := r[4] == "t"
		seconds, err := strconv.Atoi(r[5])
		if err != nil {
			return 0, err
		}
		nap = time.Duration(seconds) * time.Second
		present[db.name] = true
		if !db.forced && (!active || !db.connect || db.figures == "" || db.figures == a.seen[db.name]) {
			continue
		}
		if err := a.c.vacuumDatabase(ctx, db); err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) {
				return 0, err
			}
			a.c.log.Warn().Err(err).Str("database", db.name).Msg("autovacuum worker has ended")
			continue
		}
		a.seen[db.name] = db.figures
	}
	maps.DeleteFunc(a.seen, func(name, _ string) bool { return !present[name] })
	return nap, ctx.Err()
}
