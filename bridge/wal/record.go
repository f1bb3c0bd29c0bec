package wal

import "hash/crc32"

const (
	recordHeader = 24         // SizeOfXLogRecord
	maxRecord    = 1020 << 20 // XLogRecordMaxSize
	alignment    = 8          // MAXALIGN

	xlogSwitch = 0x40 // XLOG_SWITCH of resource manager XLOG
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Record is one record of the log. What it points to belongs to the Reader and is
// valid until its next call of Next or Write.
type Record struct {
	LSN    LSN // where it begins
	End    LSN // where the next one may begin: after a switch record, the next segment
	Prev   LSN // where the one before it begins
	Length uint32
	XID    uint32 // 0 outside transactions
	Info   uint8  // the high half is the operation, one of RM's own
	RM     RM
	Origin uint16 // replication origin, 0 if none
	TopXID uint32 // in the first record of a subtransaction, with wal_level logical; else 0
	Blocks []Block
	Data   []byte // main data
}

// Op is the resource manager's part of Info.
func (r *Record) Op() uint8 { return r.Info & 0xf0 }

// Relation names the files of a relation, RelFileLocator: it changes whenever a
// relation is written anew, and is not the relation's oid.
type Relation struct{ Tablespace, Database, Number uint32 }

// Fork is one of the files of a relation, ForkNumber.
type Fork uint8

const (
	MainFork Fork = iota
	FreeSpaceFork
	VisibilityFork
	InitFork
)

// Block is a page that a record changes.
type Block struct {
	ID       uint8 // as the resource manager numbers them, rising but not without gaps
	Fork     Fork
	WillInit bool // redo makes the page anew
	Relation Relation
	Number   uint32
	Image    *Image // nil if there is none
	Data     []byte // nil if there is none, as often where there is an image

	image Image // what Image points to
	size  int   // of Data
}

func checksum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[recordHeader:], castagnoli), castagnoli, b[:20])
}

// readHeader takes what stands in the header b, of a record at l.
func (r *Record) readHeader(l LSN, b []byte) {
	*r = Record{
		LSN:    l,
		Prev:   LSN(le.Uint64(b[8:])),
		Length: le.Uint32(b),
		XID:    le.Uint32(b[4:]),
		Info:   b[16],
		RM:     RM(b[17]),
		Blocks: r.Blocks[:0],
	}
}
