package catalog

import (
	"hash/crc32"

	"github.com/howdahdb/howdah/bridge/wal"
)

var castagnoliTable = crc32.MakeTable(crc32.Castagnoli)

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, castagnoliTable) }

// control is what is needed of global/pg_control (src/include/catalog/pg_control.h):
//
//	0 system identifier u64 · 8 version u32 · 40 last checkpoint: its redo position u64
//	48 its timeline u32 · 76 next multixact u32 · 80 place of its members u32 · 216 page size u32 · 224 WAL page size u32
//	228 WAL segment size u32 · 292 CRC-32C of what precedes it u32
type control struct {
	system   uint64
	redo     wal.LSN
	timeline uint32
	segment  uint32

	nextMulti, nextMember uint32
}

const (
	controlVersion = 1800 // PG_CONTROL_VERSION of PostgreSQL 18
	controlSize    = 296
)

func parseControl(b []byte) (control, error) {
	if len(b) < controlSize {
		return control{}, corrupt("pg_control has %d bytes", len(b))
	}
	if version := le.Uint32(b[8:]); version != controlVersion {
		return control{}, corrupt("pg_control is of version %d, not %d", version, controlVersion)
	}
	if castagnoli(b[:controlSize-4]) != le.Uint32(b[controlSize-4:]) {
		return control{}, corrupt("the checksum of pg_control is wrong")
	}
	c := control{
		system: le.Uint64(b), redo: wal.LSN(le.Uint64(b[40:])),
		timeline: le.Uint32(b[48:]), segment: le.Uint32(b[228:]),
		nextMulti: le.Uint32(b[76:]), nextMember: le.Uint32(b[80:]),
	}
	if page, walPage := le.Uint32(b[216:]), le.Uint32(b[224:]); page != wal.PageSize || walPage != wal.PageSize {
		return control{}, corrupt("pages of %d bytes, of the log %d; not %d", page, walPage, wal.PageSize)
	}
	if c.segment == 0 || c.redo == 0 {
		return control{}, corrupt("pg_control has segments of %d bytes and begins at %v", c.segment, c.redo)
	}
	return c, nil
}
