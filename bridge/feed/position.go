package feed

import (
	"math"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/wal"
)

// Position is where a subscription begins; the zero Position is Now.
type Position struct {
	from  from
	after wal.LSN
}

type from uint8

const (
	fromNow from = iota
	fromStart
	fromAfter
)

var (
	// Now begins with the first set that is appended after Subscribe.
	Now = Position{}
	// Start begins with the oldest set in the log.
	Start = Position{from: fromStart}
)

// After begins with the first set beyond a position, such as the last one that was
// acknowledged.
func After(lsn wal.LSN) Position { return Position{from: fromAfter, after: lsn} }

// place is that of a set in the log: sets of one transaction share its LSN.
type place struct {
	lsn  wal.LSN
	part int
}

// behind is the place after all sets of a position.
func behind(lsn wal.LSN) place { return place{lsn, math.MaxInt} }

func placeOf(s *change.Set) place { return place{s.LSN, s.Part} }

func (p place) before(q place) bool {
	return p.lsn < q.lsn || p.lsn == q.lsn && p.part < q.part
}
