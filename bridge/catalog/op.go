package catalog

import (
	"fmt"

	"github.com/howdahdb/howdah/bridge/heap"
)

// Op is what a record means for the rows of a catalog: there is a row now, or no
// longer. It is valid for good, and not to be changed.
type Op struct {
	// Database is the one whose catalog it is, 0 for the shared ones.
	Database uint32

	kind   kind
	remove bool
	key    key
	tuple  heap.Tuple // unless remove
}

// Append appends the Op in the form that ParseOp takes:
//
//	0 database u32 · 4 catalog u8 · 5 whether the row is removed u8
//	6 key u32, u32 · 14 tuple, as it is logged
func (o *Op) Append(dst []byte) []byte {
	dst = le.AppendUint32(dst, o.Database)
	dst = append(dst, byte(o.kind), 0)
	if o.remove {
		dst[len(dst)-1] = 1
	}
	dst = le.AppendUint32(dst, o.key.group)
	dst = le.AppendUint32(dst, o.key.id)
	if o.remove {
		return dst
	}
	return o.tuple.Append(dst)
}

const opHeader = 14

// ParseOp takes what Append has made, and aliases it.
func ParseOp(b []byte) (Op, error) {
	if len(b) < opHeader || int(b[4]) >= kinds || b[5] > 1 {
		return Op{}, fmt.Errorf("%w: a change of a catalog in %d bytes", ErrCorrupt, len(b))
	}
	o := Op{
		Database: le.Uint32(b), kind: kind(b[4]), remove: b[5] == 1,
		key: key{le.Uint32(b[6:]), le.Uint32(b[10:])},
	}
	if o.remove {
		return o, nil
	}
	var err error
	o.tuple, err = heap.ParseTuple(b[opHeader:])
	return o, err
}
