package feed

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/wal"
)

// Join is where a snapshot of the database meets the stream: begin after From, and
// leave out what the snapshot sees.
//
// The two do not meet at one position. A transaction writes its commit record and
// is in the log as soon as that is on disk, but to others it is running until a
// moment later, in which transactions with later records may end before it. So a
// snapshot taken then sees some sets and not others that are before them. What the
// snapshot sees is known by its transactions, as Postgres knows it: those below xmax
// that are not in xip. What is committed beyond Until, the end of Postgres' log after
// the snapshot was taken, no snapshot can see, so beyond it positions suffice; a
// subscriber that comes again at an earlier one needs the Join.
type Join struct {
	From, Until wal.LSN
	Snapshot    string // of pg_current_snapshot()
}

// Join finds where a snapshot meets the stream. snapshot is what pg_current_snapshot()
// gives in it, and until what pg_current_wal_insert_lsn() gives after it was taken.
// The log has to follow the database since before that.
func (l *Log) Join(snapshot string, until wal.LSN) (Join, error) {
	s, err := parseSnapshot(snapshot)
	if err != nil {
		return Join{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return Join{}, ErrClosed
	}
	from, ok := l.mu.recent.firstUnseen(&s)
	switch {
	case !ok:
		// Too many have committed since the oldest transaction that the snapshot
		// holds to be running. It is right to begin with any earlier set.
		from = l.mu.first
	case from == 0:
		from = l.mu.last
	}
	return Join{From: max(from, l.mu.first), Until: until, Snapshot: snapshot}, nil
}

// snapshot is which transactions somebody sees: those below xmax but for xip. Numbers
// are whole ones, of 64 bits.
type snapshot struct {
	xmin, xmax uint64
	xip        map[uint64]bool
}

// parseSnapshot reads the text form of pg_snapshot (pg_snapshot_out in
// src/backend/utils/adt/xid8funcs.c), "xmin:xmax:xip,xip".
func parseSnapshot(text string) (snapshot, error) {
	s := snapshot{xip: map[uint64]bool{}}
	bad := func() (snapshot, error) {
		return snapshot{}, fmt.Errorf("feed: %q is no snapshot of Postgres", text)
	}
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return bad()
	}
	var err error
	if s.xmin, err = strconv.ParseUint(parts[0], 10, 64); err != nil {
		return bad()
	}
	if s.xmax, err = strconv.ParseUint(parts[1], 10, 64); err != nil || s.xmax < s.xmin {
		return bad()
	}
	if parts[2] == "" {
		return s, nil
	}
	for running := range strings.SplitSeq(parts[2], ",") {
		xid, err := strconv.ParseUint(running, 10, 64)
		if err != nil {
			return bad()
		}
		s.xip[xid] = true
	}
	return s, nil
}

// whole gives the number of 64 bits of one of 32: the one closest to xmax, as all
// that are in use are within 2³¹ of each other.
func (s *snapshot) whole(xid uint32) uint64 {
	return s.xmax + uint64(int64(int32(xid-uint32(s.xmax))))
}

// sees tells whether what a top-level transaction has committed is in the snapshot.
// It must have been in use when the snapshot was taken or later.
func (s *snapshot) sees(xid uint32) bool {
	x := s.whole(xid)
	return x < s.xmax && !s.xip[x]
}

// recentSets bounds how many commits are remembered by their transactions.
const recentSets = 1 << 16

// recent are the transactions of the newest sets, in the order of the log: a ring.
type recent struct {
	list []commit
	next int     // where the oldest stands once the list is full
	from wal.LSN // the position before the oldest
	// evicted is the newest transaction among those forgotten, if any has been.
	evicted uint32
	forgot  bool
}

type commit struct {
	xid uint32
	lsn wal.LSN
}

// reset forgets all: sets up to a position are seen by every snapshot that is still
// to be taken.
func (r *recent) reset(at wal.LSN) { *r = recent{from: at} }

func (r *recent) add(s *change.Set) {
	if s.XID == 0 {
		return // a message outside a transaction is in no snapshot
	}
	c := commit{s.XID, s.LSN}
	if len(r.list) < recentSets {
		r.list = append(r.list, c)
		return
	}
	old := r.list[r.next]
	if !r.forgot || int32(old.xid-r.evicted) > 0 {
		r.evicted, r.forgot = old.xid, true
	}
	r.from = old.lsn
	r.list[r.next] = c
	r.next = (r.next + 1) % recentSets
}

// firstUnseen gives the position before the oldest set that a snapshot does not see,
// 0 if it sees all. It tells false if that may be a set that is forgotten.
func (r *recent) firstUnseen(s *snapshot) (wal.LSN, bool) {
	if r.forgot && s.whole(r.evicted) >= s.xmin {
		return 0, false
	}
	before := r.from
	for k := range r.list {
		c := r.list[(r.next+k)%len(r.list)]
		if !s.sees(c.xid) {
			return before, true
		}
		before = c.lsn
	}
	return 0, true
}
