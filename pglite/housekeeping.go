package pglite

import (
	"context"
	"encoding/binary"
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// A cluster has no checkpointer process: the host asks for a checkpoint when
// Postgres' own would make one (src/backend/postmaster/checkpointer.c).

// walMeter knows how far the WAL has been written, and how far it had been at
// the last checkpoint, by what passes the file system.
type walMeter struct {
	at, checkpoint atomic.Uint64 // LSNs, in bytes
	record         atomic.Uint64 // LSN of the last checkpoint's record, 0: not seen yet
	checkpoints    atomic.Uint64 // seen to complete
	written        atomic.Uint64 // bytes, the same place more than once
}

// walSegmentSize is initdb's default (wal_segment_size).
const walSegmentSize = 16 << 20

// wrote notes a write that has been done.
func (m *walMeter) wrote(c *vfs.Change) {
	if c.Op != vfs.OpWrite {
		return
	}
	if c.Path == controlFile {
		m.controlled(c)
		return
	}
	dir, name := path.Split(c.Path)
	if dir != guestData+"/pg_wal/" {
		return
	}
	if start, ok := segmentStart(name); ok {
		m.written.Add(uint64(c.N))
		end := start + uint64(c.Off+c.N)
		for at := m.at.Load(); end > at && !m.at.CompareAndSwap(at, end); at = m.at.Load() {
		}
	}
}

// cut begins anew: with the next thing that is written to the control file.
func (m *walMeter) cut() {
	m.record.Store(0)
	m.at.Store(0)
	m.checkpoint.Store(0)
}

// controlled looks at what was written to the control file. Other things than
// checkpoints change it, too, such as recovery.
func (m *walMeter) controlled(c *vfs.Change) {
	if c.Off != 0 || c.N < checkPointAt+8 {
		return
	}
	record := binary.LittleEndian.Uint64(c.Data[checkPointAt:])
	switch m.record.Swap(record) {
	case record:
	case 0: // the one that the cluster starts from
		m.at.Store(record)
		m.checkpoint.Store(record)
	default:
		m.checkpoints.Add(1)
		m.checkpoint.Store(m.at.Load())
	}
}

// segmentStart is the LSN that a WAL segment begins with, by its name: eight
// hexadecimal digits each of the timeline and of the two parts of its number
// (XLogFileName, src/include/access/xlog_internal.h).
func segmentStart(name string) (lsn uint64, ok bool) {
	if len(name) != 24 || strings.ToUpper(name) != name {
		return 0, false
	}
	high, err := strconv.ParseUint(name[8:16], 16, 32)
	if err != nil {
		return 0, false
	}
	low, err := strconv.ParseUint(name[16:], 16, 32)
	if err != nil || low >= 1<<32/walSegmentSize {
		return 0, false
	}
	return high<<32 + low*walSegmentSize, true
}

// Before and After make the meter the observer of a cluster in memory.
func (m *walMeter) Before(*vfs.Change) error        { return nil }
func (m *walMeter) After(c *vfs.Change, _ error)    { m.wrote(c) }
func (m *walMeter) sinceCheckpoint() (bytes uint64) { return m.at.Load() - m.checkpoint.Load() }

// houseRules say when a checkpoint is due, as the settings had it at the start.
type houseRules struct {
	wal   uint64        // so much since the last one, in bytes
	every time.Duration // or so long, when there was something

	naptime time.Duration // of autovacuum, at first
}

// readRules reads them. Postgres begins a checkpoint that is to be done, at
// completion_target, before max_wal_size is reached (CalculateCheckpointSegments
// in src/backend/access/transam/xlog.c).
func (c *Cluster) readRules(ctx context.Context) (r houseRules, err error) {
	rows, err := c.asHost(ctx, `select (pg_size_bytes(current_setting('max_wal_size')) / (1 + current_setting('checkpoint_completion_target')::float8))::int8,
		extract(epoch from current_setting('checkpoint_timeout')::interval)::int8, extract(epoch from current_setting('autovacuum_naptime')::interval)::int8`)
	if err != nil {
		return r, err
	}
	if r.wal, err = strconv.ParseUint(rows[0][0], 10, 64); err != nil {
		return r, fmt.Errorf("pglite: max_wal_size: %w", err)
	}
	s, err := strconv.Atoi(rows[0][1])
	if err != nil {
		return r, fmt.Errorf("pglite: checkpoint_timeout: %w", err)
	}
	r.every = time.Duration(s) * time.Second
	if s, err = strconv.Atoi(rows[0][2]); err != nil {
		return r, fmt.Errorf("pglite: autovacuum_naptime: %w", err)
	}
	r.naptime = time.Duration(s) * time.Second
	return r, nil
}

const (
	houseInterval = time.Second
	// quietWAL is what a checkpoint itself writes, and a running server now
	// and then: no reason for another one.
	quietWAL = 4096
)

// keepHouse makes checkpoints until ctx ends, and gives memory back when the cluster
// has become idle.
func (c *Cluster) keepHouse(ctx context.Context, r houseRules) {
	tick := time.NewTicker(houseInterval)
	defer tick.Stop()
	last := time.Now()
	before, resting := uint64(0), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.done:
			return
		case <-tick.C:
		}
		switch n := c.counters.commits.Load() + c.counters.rollbacks.Load(); {
		case n != before:
			before, resting = n, false
		case !resting: // a second without one
			c.engine.rest()
			resting = true
		}
		wal := c.wal.sinceCheckpoint()
		if wal < r.wal && (wal <= quietWAL || time.Since(last) < r.every) {
			continue
		}
		due, count := "max_wal_size", &c.counters.byVolume
		if wal < r.wal {
			due, count = "checkpoint_timeout", &c.counters.byTime
		}
		count.Add(1)
		c.log.Info().Str("by", due).Uint64("wal", wal).Msg("checkpoint is due") // Postgres logs the rest
		began := time.Now()
		_, err := c.asHost(ctx, "checkpoint")
		last = time.Now()
		if err == nil {
			c.counters.checkpointed.Add(int64(last.Sub(began)))
		} else if ctx.Err() == nil {
			c.counters.checkpointsFailed.Add(1)
			c.log.Warn().Err(err).Msg("no checkpoint could be made")
		}
	}
}
