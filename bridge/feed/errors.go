package feed

import (
	"errors"
	"fmt"

	"github.com/howdahdb/howdah/bridge/wal"
)

var (
	// ErrRefetch says that the log does not hold what comes after a position. What
	// was built from the stream has to be built anew, from a snapshot. Errors that
	// are ErrRefetch are *RefetchError.
	ErrRefetch = errors.New("feed: must refetch")
	// ErrClosed is what calls on a closed log or subscription return.
	ErrClosed = errors.New("feed: closed")
	// ErrForeign says that a log is another cluster's, or of another of its
	// histories.
	ErrForeign = errors.New("feed: log is of another history")
	// ErrOrder says that a set does not follow what was appended before.
	ErrOrder = errors.New("feed: set is out of order")
	// ErrPattern is in the error for a Filter that can't be read.
	ErrPattern = errors.New("feed: no pattern of a table")
	// ErrUnfit says that a set can't be kept, now or later: it has a value that has no
	// form, or is beyond 2 GiB. What comes after it is behind a gap.
	ErrUnfit = errors.New("feed: set has no form")
)

// RefetchError says from where on a subscriber can't go on.
type RefetchError struct {
	Position wal.LSN // after which the next set was wanted
	First    wal.LSN // after which there are sets
	Reason   string
}

func (e *RefetchError) Error() string {
	return fmt.Sprintf("feed: must refetch: nothing is kept after %v, but after %v: %s", e.Position, e.First, e.Reason)
}

// Is makes it an ErrRefetch.
func (e *RefetchError) Is(target error) bool { return target == ErrRefetch }
