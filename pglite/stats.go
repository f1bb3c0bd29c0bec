package pglite

import (
	"errors"
	"math"
	"sync/atomic"
	"time"
)

// Stats are a cluster's figures. What is counted begins at zero with [Open],
// crashes do not set it back. They are read one by one: two that belong
// together may be a moment apart.
type Stats struct {
	// Sessions are connected clients. Of these SessionsServed hold a backend
	// and SessionsWaiting wait for one.
	Sessions, SessionsServed, SessionsWaiting int
	SessionsOpened                            uint64
	SessionsRefused                           uint64 // beyond MaxClients, by Postgres' rules for logins, or without a backend

	// Waits for a backend, those that ended by the queue's time-out, and their
	// time in all.
	PoolWaits, PoolTimeouts uint64
	PoolWaited              time.Duration

	// Backends are running, the host's included.
	Backends       int
	BackendsBooted uint64
	BackendsThawed uint64 // of these, went on from an Image

	// The baton: how often it was given to a backend, how often taken away
	// after a slice, how often given up at a lightweight lock, and how long
	// backends have waited for their turn.
	Turns, Slices, LockSleeps uint64
	TurnsWaited               time.Duration

	// Transactions of clients, empty and read-only ones among them, as
	// pg_stat_database counts them.
	Commits, Rollbacks uint64

	// WALBytes are what was written to WAL segments; WALSinceCheckpoint is how
	// far the WAL has come since the last checkpoint.
	WALBytes, WALSinceCheckpoint uint64
	// Syncs of files and directories; none in memory.
	Syncs Histogram

	// Checkpoints that were completed, whoever has asked for them, and those
	// that the host has asked for, by reason.
	Checkpoints, CheckpointsByVolume, CheckpointsByTime, CheckpointsFailed uint64
	CheckpointTime                                                         time.Duration // the host's

	// Tables that autovacuum has vacuumed and analyzed, those where it was
	// cancelled, most often to give way, or has failed, and the time of all.
	Autovacuums, Autoanalyzes, AutovacuumsCanceled, AutovacuumsFailed uint64
	AutovacuumTime                                                    time.Duration

	// Crashes are backends that have ended their server, Recoveries starts that
	// found the cluster not shut down.
	Crashes, Recoveries uint64
	// Rewinds are returns to a mark.
	Rewinds uint64

	// Memory in bytes: private pages of backends, shared memory, and the files
	// of a cluster in memory, with what is shared with other clusters of the
	// process.
	PrivateMemory, SharedMemory, FileMemory uint64
}

// counters are what Stats are made of, as far as it is counted.
type counters struct {
	opened, refused     atomic.Uint64
	booted, thawed      atomic.Uint64
	baton               batonStats
	commits, rollbacks  atomic.Uint64
	syncs               histogram
	byVolume, byTime    atomic.Uint64
	checkpointsFailed   atomic.Uint64
	checkpointed        atomic.Int64
	vacuum              vacuumStats
	crashes, recoveries atomic.Uint64
	rewinds             atomic.Uint64
}

// CountRefused counts a client that a server in front of the cluster has turned
// away for its number.
func (c *Cluster) CountRefused() { c.counters.refused.Add(1) }

// login books how a client's login went.
func (n *counters) login(err error) {
	switch e := (*Error)(nil); {
	case err == nil:
		n.opened.Add(1)
	case errors.As(err, &e):
		n.refused.Add(1)
	}
}

// vacuumStats count autovacuum's tables.
type vacuumStats struct {
	vacuums, analyzes, canceled, failed atomic.Uint64
	took                                atomic.Int64 // nanoseconds
}

// poolStats count waits for a backend.
type poolStats struct {
	waits, timeouts atomic.Uint64
	waited          atomic.Int64 // nanoseconds
}

// batonStats count over all servers of a cluster.
type batonStats struct {
	turns, yields, sleeps atomic.Uint64
	waited                atomic.Int64 // nanoseconds
}

// Stats tells the figures as they are. It waits for nothing.
func (c *Cluster) Stats() Stats {
	n := &c.counters
	s := Stats{
		SessionsOpened: n.opened.Load(), SessionsRefused: n.refused.Load(),
		PoolWaits: c.pool.stats.waits.Load(), PoolTimeouts: c.pool.stats.timeouts.Load(), PoolWaited: time.Duration(c.pool.stats.waited.Load()),
		BackendsBooted: n.booted.Load(), BackendsThawed: n.thawed.Load(),
		Turns: n.baton.turns.Load(), Slices: n.baton.yields.Load(), LockSleeps: n.baton.sleeps.Load(),
		TurnsWaited: time.Duration(n.baton.waited.Load()),
		Commits:     n.commits.Load(), Rollbacks: n.rollbacks.Load(),
		WALBytes: c.wal.written.Load(), WALSinceCheckpoint: c.wal.sinceCheckpoint(),
		Syncs:       n.syncs.snapshot(),
		Checkpoints: c.wal.checkpoints.Load(), CheckpointsByVolume: n.byVolume.Load(), CheckpointsByTime: n.byTime.Load(),
		CheckpointsFailed: n.checkpointsFailed.Load(), CheckpointTime: time.Duration(n.checkpointed.Load()),
		Autovacuums: n.vacuum.vacuums.Load(), Autoanalyzes: n.vacuum.analyzes.Load(),
		AutovacuumsCanceled: n.vacuum.canceled.Load(), AutovacuumsFailed: n.vacuum.failed.Load(), AutovacuumTime: time.Duration(n.vacuum.took.Load()),
		Crashes: n.crashes.Load(), Recoveries: n.recoveries.Load(), Rewinds: n.rewinds.Load(),
		FileMemory: uint64(c.mem.Mapped()),
	}
	c.mu.Lock()
	s.Sessions = len(c.mu.sessions)
	srv := c.mu.server
	c.mu.Unlock()
	s.SessionsServed, s.SessionsWaiting = c.pool.count()
	if srv != nil {
		s.Backends, s.PrivateMemory, s.SharedMemory = srv.memory()
	}
	return s
}

// count tells how many sessions hold a backend, or are getting one, and how
// many wait for one.
func (p *pool) count() (served, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used - p.hosts, len(p.waiters) + p.called
}

// memory counts backends and the pages that they have, their own and those of
// shared memory.
func (s *server) memory() (backends int, private, shared uint64) {
	select {
	case <-s.up: // the segment has its place
	default:
		return 0, 0, 0
	}
	from, to := uint64(s.segment.addr), uint64(s.segment.addr)+uint64(s.segment.size)
	for _, b := range s.all() {
		b.live.Lock()
		if !b.live.ended && b.mem != nil {
			backends++
			private += b.mem.Resident(0, from) + b.mem.Resident(to, math.MaxUint64)
			if shared == 0 { // the same pages in all of them
				shared = b.mem.Resident(from, to)
			}
		}
		b.live.Unlock()
	}
	return backends, private, shared
}

// haveMemory notes where the guest's memory is, for others too.
func (b *backend) haveMemory() {
	b.live.Lock()
	defer b.live.Unlock()
	b.mem = b.inst.Memory()
}

// countTransactions books what the guest's own counters have grown by since
// it was called last. They are pending figures, which it sets to zero when it
// reports them, between a message and its ReadyForQuery: it is called before
// and after that. REQUIRES: entered.
func (b *backend) countTransactions(ofClient bool) {
	for k, total := range [...]*atomic.Uint64{&b.srv.counters.commits, &b.srv.counters.rollbacks} {
		now := b.inst.Uint32(pendingXactsAddr + 4*uint32(k))
		if now < b.xacts[k] {
			b.xacts[k] = 0
		}
		if n := now - b.xacts[k]; n != 0 && ofClient {
			total.Add(uint64(n))
		}
		b.xacts[k] = now
	}
}

// Histogram counts durations by their upper bounds in [SyncBounds]; the last
// count is of those beyond all of them.
type Histogram struct {
	Counts [len(SyncBounds) + 1]uint64
	Sum    time.Duration
}

// SyncBounds reach from a write cache to a disk that is failing.
var SyncBounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, time.Second, 5 * time.Second,
}

// Count is how many there are in all.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

type histogram struct {
	counts [len(SyncBounds) + 1]atomic.Uint64
	sum    atomic.Int64
}

func (h *histogram) observe(d time.Duration) {
	k := 0
	for k < len(SyncBounds) && d > SyncBounds[k] {
		k++
	}
	h.counts[k].Add(1)
	h.sum.Add(int64(d))
}

func (h *histogram) snapshot() (s Histogram) {
	for k := range h.counts {
		s.Counts[k] = h.counts[k].Load()
	}
	s.Sum = time.Duration(h.sum.Load())
	return s
}
