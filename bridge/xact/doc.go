// Package xact reads the records of the log that are about transactions: how they
// end, what they make others forget, messages between their changes, and beside
// these what becomes of databases, files and checkpoints.
//
// Read gives a value of this package for a record, or nil for one that is of no use
// to a reader of changes. All of it is copied from the record.
//
// Most integers are 4 bytes wide and stand at multiples of 4, whatever machine the
// server runs on. A logical message alone has a size_t, which tells PGlite's log
// from that of a 64-bit server; its lengths say which it is.
package xact

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/howdahdb/howdah/bridge/wal"
)

// ErrCorrupt says that a record is not what it should be.
var ErrCorrupt = errors.New("xact: corrupt record")

// Read decodes a record: *Commit, *Abort, *Prepare, *Invalidations, *RunningXacts,
// *Message, *RelMap, *CreateFile, *TruncateFile, *CreateDatabase, *DropDatabase,
// *Checkpoint, or nil.
func Read(r *wal.Record) (any, error) {
	read := readers[r.RM]
	if read == nil {
		return nil, nil
	}
	c := cursor{rest: r.Data}
	v := read(r, &c)
	if v != nil && c.err == nil && len(c.rest) != 0 {
		c.fail("%d bytes more than it should have", len(c.rest))
	}
	if c.err != nil {
		return nil, fmt.Errorf("%w: %v operation %02X at %v: %w", ErrCorrupt, r.RM, r.Op(), r.LSN, c.err)
	}
	return v, nil
}

var readers = [256]func(*wal.Record, *cursor) any{
	wal.XLOG:           readXLOG,
	wal.Transaction:    readTransaction,
	wal.Storage:        readStorage,
	wal.Database:       readDatabase,
	wal.RelMap:         readRelMap,
	wal.Standby:        readStandby,
	wal.LogicalMessage: readMessage,
}

var le = binary.LittleEndian

// cursor reads main data. After an error all reads give zeros and the error stays.
type cursor struct {
	rest []byte
	err  error
}

// zeros is what reads past an error give; the longest is of a Relation.
var zeros [12]byte

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
	c.rest = nil
}

// has makes sure of n things of size bytes each.
func (c *cursor) has(n, size int) bool {
	if c.err == nil && (n < 0 || n > len(c.rest)/size) {
		c.fail("%d bytes are left, which %d of %d should be among", len(c.rest), n, size)
	}
	return c.err == nil
}

// bytes is the next n, the record's own.
func (c *cursor) bytes(n int) []byte {
	if !c.has(n, 1) {
		return zeros[:min(max(n, 0), len(zeros))]
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) u8() uint8   { return c.bytes(1)[0] }
func (c *cursor) u16() uint16 { return le.Uint16(c.bytes(2)) }
func (c *cursor) u32() uint32 { return le.Uint32(c.bytes(4)) }
func (c *cursor) u64() uint64 { return le.Uint64(c.bytes(8)) }
func (c *cursor) count() int  { return int(int32(c.u32())) }

func (c *cursor) relation() wal.Relation {
	b := c.bytes(12)
	return wal.Relation{Tablespace: le.Uint32(b), Database: le.Uint32(b[4:]), Number: le.Uint32(b[8:])}
}

func (c *cursor) xids(n int) []uint32 {
	if n == 0 || !c.has(n, 4) {
		return nil
	}
	x := make([]uint32, n)
	for i := range x {
		x[i] = c.u32()
	}
	return x
}

func (c *cursor) relations(n int) []wal.Relation {
	if n == 0 || !c.has(n, 12) {
		return nil
	}
	x := make([]wal.Relation, n)
	for i := range x {
		x[i] = c.relation()
	}
	return x
}

// epoch is that of timestamps: 2000-01-01.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// timestamp is a TimestampTz, in microseconds; 0, which stands for none, is no time.
func (c *cursor) timestamp() time.Time {
	us := int64(c.u64())
	if us == 0 {
		return time.Time{}
	}
	// Not a Duration, which ends after 292 years.
	return time.UnixMicro(us + epoch.UnixMicro()).UTC()
}
