package elle

import (
	"fmt"
	"strings"
	"time"
)

// Key names a list.
type Key int

// Element is what is appended to a list: positive, and unique for its key in
// the whole history.
type Element int

// Op is a read that was answered, or an append that was sent.
type Op struct {
	Key    Key
	Append Element   // 0 for a read
	List   []Element // what a read gave
}

// Read says that a list was read.
func Read(k Key, list ...Element) Op { return Op{Key: k, List: list} }

// Append says that e was appended to a list.
func Append(k Key, e Element) Op { return Op{Key: k, Append: e} }

// Outcome is what a client knows of the end of its transaction.
type Outcome int

const (
	// Committed was acknowledged.
	Committed Outcome = iota
	// Aborted has failed, was rolled back, or had no COMMIT sent.
	Aborted
	// Unknown had its COMMIT sent, and no answer came.
	Unknown
)

// Txn is a transaction as its client has seen it.
type Txn struct {
	Client  int
	Ops     []Op
	Outcome Outcome
	// Start is when BEGIN was sent, End when the answer to COMMIT had come, by
	// one clock for all clients. End counts for Committed only.
	Start, End time.Duration
}

func (t Txn) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "client %d %v..%v %s", t.Client, t.Start, t.End, [...]string{"committed", "aborted", "unknown"}[t.Outcome])
	for _, op := range t.Ops {
		if op.Append != 0 {
			fmt.Fprintf(&b, " append(%d,%d)", op.Key, op.Append)
		} else {
			fmt.Fprintf(&b, " read(%d)=%v", op.Key, op.List)
		}
	}
	return b.String()
}
