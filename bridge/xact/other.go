package xact

import (
	"github.com/howdahdb/howdah/bridge/wal"
)

// Message is what pg_logical_emit_message has written. Outside a transaction, or if
// it isn't transactional, it counts at once.
type Message struct {
	XID           uint32
	Database      uint32
	Transactional bool
	Prefix        string
	Content       []byte
}

// readMessage takes an xl_logical_message (src/include/replication/message.h):
//
//	            0 database u32 · 4 transactional u8
//	32-bit      8 length of the prefix u32 · 12 length of the content u32 · 16 both
//	64-bit      8 length of the prefix u64 · 16 length of the content u64 · 24 both
//
// where the prefix has a zero byte behind it. No record fits both.
func readMessage(r *wal.Record, c *cursor) any {
	b := c.rest
	v := &Message{XID: r.XID, Database: c.u32(), Transactional: c.u8() != 0}
	c.bytes(3)
	prefix, content := uint64(c.u32()), uint64(c.u32())
	if 16+prefix+content != uint64(len(b)) {
		if len(b) < 24 {
			c.fail("%d bytes", len(b))
			return v
		}
		c.rest = b[8:]
		prefix, content = c.u64(), c.u64()
	}
	if rest := uint64(len(c.rest)); c.err != nil || prefix == 0 || prefix > rest || content != rest-prefix {
		c.fail("a prefix of %d bytes and a content of %d in %d", prefix, content, len(b))
		return v
	}
	v.Prefix = string(c.bytes(int(prefix))[:prefix-1])
	v.Content = append([]byte{}, c.bytes(int(content))...)
	return v
}

// RunningXacts lists the transactions that are under way, at checkpoints and when
// somebody asks for it (src/include/storage/standbydefs.h).
type RunningXacts struct {
	Next, Oldest, LatestCompleted uint32
	XIDs                          []uint32
	Subs                          []uint32 // none if Overflow
	Overflow                      bool
}

func readStandby(r *wal.Record, c *cursor) any {
	const runningXacts, invalidations = 0x10, 0x20
	switch r.Op() {
	case runningXacts:
		n, subs := c.count(), c.count()
		v := &RunningXacts{Overflow: c.u8() != 0}
		c.bytes(3)
		v.Next, v.Oldest, v.LatestCompleted = c.u32(), c.u32(), c.u32()
		v.XIDs, v.Subs = c.xids(n), c.xids(subs)
		return v
	case invalidations:
		// xl_invalidations: database, tablespace, whether a relation cache file is
		// invalid, count.
		c.bytes(4)
		c.bytes(4)
		c.bytes(4)
		return &Invalidations{List: c.invalidations(c.count())}
	}
	return nil
}

// RelMap is the new pg_filenode.map of a database, or of the shared catalogs.
type RelMap struct {
	Database, Tablespace uint32
	Content              []byte
}

func readRelMap(_ *wal.Record, c *cursor) any {
	v := &RelMap{Database: c.u32(), Tablespace: c.u32()}
	v.Content = append([]byte{}, c.bytes(c.count())...)
	return v
}

// CreateFile makes a relation's file.
type CreateFile struct {
	Relation wal.Relation
	Fork     wal.Fork
}

// TruncateFile cuts a relation's main file, as VACUUM does, or TRUNCATE if the
// table was created in the same transaction.
type TruncateFile struct {
	Relation wal.Relation
	Blocks   uint32 // that it keeps
}

func readStorage(r *wal.Record, c *cursor) any {
	const create, truncate = 0x10, 0x20
	switch r.Op() {
	case create:
		return &CreateFile{c.relation(), wal.Fork(c.u32())}
	case truncate:
		blocks := c.u32()
		v := &TruncateFile{c.relation(), blocks}
		const mainFork = 1 // SMGR_TRUNCATE_HEAP; the others are of the maps
		if flags := c.u32(); flags&mainFork != 0 || c.err != nil {
			return v
		}
	}
	return nil
}

// CreateDatabase makes a database's folder: empty, and page images of all its files
// follow (strategy WAL_LOG), or as a copy of From's (FILE_COPY), which with the same
// Database is a move to another tablespace.
type CreateDatabase struct {
	Database, Tablespace         uint32
	FromDatabase, FromTablespace uint32 // 0: none
}

// DropDatabase removes a database's folders in Tablespaces, all that it has unless
// it was moved.
type DropDatabase struct {
	Database    uint32
	Tablespaces []uint32
}

func readDatabase(r *wal.Record, c *cursor) any {
	const createCopy, createLogged, drop = 0x00, 0x10, 0x20 // src/include/commands/dbcommands_xlog.h
	switch r.Op() {
	case createCopy:
		return &CreateDatabase{c.u32(), c.u32(), c.u32(), c.u32()}
	case createLogged:
		return &CreateDatabase{Database: c.u32(), Tablespace: c.u32()}
	case drop:
		v := &DropDatabase{Database: c.u32()}
		v.Tablespaces = c.xids(c.count())
		return v
	}
	return nil
}

// Checkpoint is a checkpoint of any kind.
type Checkpoint struct {
	// Redo is where recovery from it begins; not of EndOfRecovery.
	Redo wal.LSN
	// Shutdown: no transaction was under way. So it is with EndOfRecovery, which
	// recovery may write instead of a Shutdown.
	Shutdown, EndOfRecovery bool
}

func readXLOG(r *wal.Record, c *cursor) any {
	const shutdown, online, endOfRecovery = 0x00, 0x10, 0x90 // src/include/catalog/pg_control.h
	var v *Checkpoint
	switch r.Op() {
	case shutdown, online:
		v = &Checkpoint{Redo: wal.LSN(c.u64()), Shutdown: r.Op() == shutdown}
	case endOfRecovery:
		v = &Checkpoint{EndOfRecovery: true}
		c.timestamp()
	default:
		return nil
	}
	c.rest = nil // settings and counters
	return v
}
