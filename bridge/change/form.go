package change

import (
	"errors"
	"fmt"
)

// The CBOR form of a Set (RFC 8949) is for programs: change.cddl says what is where,
// and testdata has sets in it. It is deterministic: the same set gives the same
// bytes. Lengths are definite, heads as short as they can be, keys rising; what is
// zero or missing is left out. Floats keep the width of their type, and a NaN is one
// of the two that the widths have. A table is described once in a set, types and
// all, so a set is whole by itself and sets need nothing between them.
//
// A reader takes version 1 and nothing that it does not know: a key, a tag or a kind
// more is another version.
const formVersion = 1

const (
	// maxDepth bounds how deep values and types are nested.
	maxDepth = 64
	// maxTables bounds how many tables and their encoded forms an Encoder or a Decoder
	// remembers.
	maxTables = 4096
)

// ErrMalformed says that bytes are no set.
var ErrMalformed = errors.New("change: malformed set")

// VersionError says that a set is in a later form than this program knows.
type VersionError struct{ Version uint64 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("change: version %d of the form of sets is not known here, only %d", e.Version, formVersion)
}

// Keys of a set.
const (
	setVersion   = iota
	setDatabase  // text
	setLSN       // where the commit record ends
	setCommit    // where it begins
	setXID       //
	setTime      // microseconds since 1970
	setOrigin    // text
	setOriginLSN //
	setGID       // text
	setPart      //
	setMore      // true
	setTables    // [table]
	setChanges   // [change]
)

// Keys of a change.
const (
	changeKind     = iota
	changeTable    // index in the set's tables
	changeLSN      //
	changeXID      // if it is not the set's
	changeNew      // [value]
	changeOld      // [value]
	changeChanged  // [index of a column]
	changeCascade  // true
	changeRestart  // true
	changeMessage  // [prefix, content, transactional]
	changeCommand  //
	changeSnapshot // true
)

// Flags of a column.
const (
	columnKey = 1 << iota
	columnStored
)

// Flags of a range.
const (
	rangeEmpty = 1 << iota
	rangeLowerClosed
	rangeUpperClosed
)

// Tags of values. Those above 48199 are from the range that the registry gives out
// first come, first served; they are not registered. Of a reader that does not know
// them they are in the way of nothing: the column's type says the same.
const (
	tagUUID = 37 // as registered: 16 bytes

	tagNumeric = iota + 48199
	tagJSON
	tagDate
	tagTime
	tagTimeTZ
	tagTimestamp
	tagTimestampTZ
	tagInterval
	tagArray
	tagRecord
	tagRange
	tagMultirange
	tagRaw
	tagText // text that is not UTF-8
)
