package xact

import (
	"bytes"
	"time"

	"github.com/howdahdb/howdah/bridge/wal"
)

// The records of Transaction (src/include/access/xact.h).
const (
	opMask = 0x70

	opCommit         = 0x00
	opPrepare        = 0x10
	opAbort          = 0x20
	opCommitPrepared = 0x30
	opAbortPrepared  = 0x40
	opInvalidations  = 0x60

	hasInfo = 0x80 // of Info: the record says what it has

	infoDatabase      = 1 << 0
	infoSubs          = 1 << 1
	infoRelations     = 1 << 2
	infoInvalidations = 1 << 3
	infoTwoPhase      = 1 << 4
	infoOrigin        = 1 << 5
	infoStats         = 1 << 8
	infoGID           = 1 << 7
)

// Ending is what the records have in common that end a transaction.
type Ending struct {
	XID      uint32 // of the top-level transaction
	Time     time.Time
	Database uint32   // 0 if the record doesn't say
	Subs     []uint32 // subtransactions that end with it, and have not been ended
	Dropped  []wal.Relation
	Prepared bool // by COMMIT PREPARED or ROLLBACK PREPARED
	GID      string

	Origin     uint16 // replication origin, 0 if none
	OriginLSN  wal.LSN
	OriginTime time.Time
}

// Commit ends a transaction whose changes count.
type Commit struct {
	Ending
	Invalidations []Invalidation
}

// Abort ends a transaction or a subtransaction whose changes don't count.
type Abort struct{ Ending }

// Prepare is PREPARE TRANSACTION: a Commit or an Abort comes for it later, after a
// crash too.
type Prepare struct {
	XID        uint32
	Database   uint32
	Time       time.Time
	Subs       []uint32
	GID        string
	OriginLSN  wal.LSN
	OriginTime time.Time
}

// Invalidations is what a command of a transaction has changed in the catalogs.
type Invalidations struct {
	XID  uint32
	List []Invalidation
}

// Invalidation is a SharedInvalidationMessage (src/include/storage/sinval.h).
type Invalidation struct {
	// Kind is the number of a system cache, or negative: −1 a catalog, −2 a
	// relation, −3 files, −4 the relation map, −5 a snapshot, −6 a publication's
	// relation.
	Kind     int8
	Database uint32 // 0 for shared catalogs; not of −3
	ID       uint32 // −1, −2, −5, −6: the relation, 0 for all; else a hash, or nothing
}

func readTransaction(r *wal.Record, c *cursor) any {
	switch op := r.Info & opMask; op {
	case opCommit, opCommitPrepared:
		v := &Commit{}
		v.read(r, c, &v.Invalidations)
		v.Prepared = op == opCommitPrepared
		return v
	case opAbort, opAbortPrepared:
		v := &Abort{}
		v.read(r, c, nil)
		v.Prepared = op == opAbortPrepared
		return v
	case opPrepare:
		return readPrepare(c)
	case opInvalidations:
		return &Invalidations{XID: r.XID, List: c.invalidations(c.count())}
	}
	return nil
}

// read takes an xl_xact_commit or xl_xact_abort (ParseCommitRecord and
// ParseAbortRecord in src/backend/access/rmgrdesc/xactdesc.c).
func (e *Ending) read(r *wal.Record, c *cursor, invalidations *[]Invalidation) {
	e.XID, e.Origin = r.XID, r.Origin
	e.Time = c.timestamp()
	info := uint32(0)
	if r.Info&hasInfo != 0 {
		info = c.u32()
	}
	if info&infoDatabase != 0 {
		e.Database = c.u32()
		c.u32() // its tablespace
	}
	if info&infoSubs != 0 {
		e.Subs = c.xids(c.count())
	}
	if info&infoRelations != 0 {
		e.Dropped = c.relations(c.count())
	}
	if info&infoStats != 0 {
		const item = 16 // xl_xact_stats_item
		if n := c.count(); c.has(n, item) {
			c.bytes(n * item)
		}
	}
	if info&infoInvalidations != 0 {
		if invalidations == nil {
			c.fail("an abort with invalidations")
			return
		}
		*invalidations = c.invalidations(c.count())
	}
	if info&infoTwoPhase != 0 {
		e.XID = c.u32()
	}
	if info&infoGID != 0 {
		end := bytes.IndexByte(c.rest, 0)
		if end < 0 {
			c.fail("the name of a prepared transaction has no end")
		}
		e.GID = string(c.bytes(max(end, 0)))
		c.u8()
	}
	if info&infoOrigin != 0 {
		e.OriginLSN, e.OriginTime = wal.LSN(c.u64()), c.timestamp()
	}
}

// DropsFiles tells without reading all of it whether a record of Transaction is a
// Commit or an Abort that removes files.
func DropsFiles(r *wal.Record) bool {
	switch r.Info & opMask {
	case opCommit, opCommitPrepared, opAbort, opAbortPrepared:
		return r.Info&hasInfo != 0 && len(r.Data) >= 12 && le.Uint32(r.Data[8:])&infoRelations != 0
	}
	return false
}

func (c *cursor) invalidations(n int) []Invalidation {
	const size = 16
	if n == 0 || !c.has(n, size) {
		return nil
	}
	list := make([]Invalidation, n)
	for i := range list {
		b := c.bytes(size)
		v := Invalidation{Kind: int8(b[0])}
		if v.Kind != -3 {
			v.Database, v.ID = le.Uint32(b[4:]), le.Uint32(b[8:])
		}
		list[i] = v
	}
	return list
}

const prepareMagic = 0x57f94534 // TWOPHASE_MAGIC

// readPrepare takes a xl_xact_prepare, whose parts begin at multiples of 8, and
// leaves what follows the subtransactions (src/backend/access/transam/twophase.c).
func readPrepare(c *cursor) *Prepare {
	if magic := c.u32(); c.err == nil && magic != prepareMagic {
		c.fail("magic %08X, not %08X", magic, uint32(prepareMagic))
	}
	c.u32() // total length
	v := &Prepare{XID: c.u32(), Database: c.u32()}
	v.Time = c.timestamp()
	c.u32() // owner
	subs := c.count()
	c.bytes(5 * 4) // numbers of other things
	c.bytes(2)     // whether a relation cache file is invalid, and padding
	name := int(c.u16())
	v.OriginLSN, v.OriginTime = wal.LSN(c.u64()), c.timestamp()
	gid := c.aligned(name)
	v.GID = string(bytes.TrimRight(gid, "\x00"))
	if c.has(subs, 4) {
		s := cursor{rest: c.aligned(subs * 4)}
		v.Subs = s.xids(subs)
	}
	c.rest = nil
	return v
}

// aligned is the next n bytes, behind which padding is skipped.
func (c *cursor) aligned(n int) []byte {
	b := c.bytes(n)
	c.bytes(min(-n&7, len(c.rest)))
	return b
}

// ParsePrepared takes the state of a prepared transaction: the main data of its
// Prepare, or a file of pg_twophase, which has a checksum behind it.
func ParsePrepared(b []byte) (*Prepare, error) {
	c := cursor{rest: b}
	v := readPrepare(&c)
	return v, c.err
}
