package catalog

import (
	"slices"

	"github.com/howdahdb/howdah/bridge/wal"
)

// A saved state has the physical layer, of which the logical one is made again. All
// is little-endian; numbers of things are u32.
//
//	magic "HWDHCAT2" · CRC-32C of the rest u32
//	shared relation map: number · each: file u32 · oid u32
//	databases: number · each: oid u32 · tablespace u32 · whether it has rows u8 · map
//	transactions: number · each: xid u32 · state u8
//	files: number · each: tablespace, database, number u32 · catalog u8 · pages:
//	  number · each: whether it is there u8 · LSN u64 · tuples: number · each:
//	    length of the body u16, 0 for none · xmin u32 · xmax u32 · infomask2 u16
//	    · infomask u16 · hoff u8 · body · who has removed it u32, if it
//	    has a multixact for that
//
// The same catalogs are always saved as the same bytes.
const saveMagic = "HWDHCAT2"

// Save appends everything, as it is after the record that Redo was given last and
// the commits until then.
func (c *Catalogs) Save(dst []byte) []byte {
	begin := len(dst)
	dst = append(dst, saveMagic...)
	dst = append(dst, 0, 0, 0, 0)
	dst = saveMap(dst, c.sharedMap)
	dst = le.AppendUint32(dst, uint32(len(c.databases)))
	for _, oid := range sorted(c.databases) {
		db := c.databases[oid]
		dst = le.AppendUint32(dst, oid)
		dst = le.AppendUint32(dst, db.tablespace)
		made := byte(0)
		if db.rows != nil {
			made = 1
		}
		dst = saveMap(append(dst, made), db.mapped)
	}
	dst = le.AppendUint32(dst, uint32(len(c.xids.states)))
	for _, xid := range sorted(c.xids.states) {
		dst = append(le.AppendUint32(dst, xid), byte(c.xids.states[xid]))
	}
	names := make([]fileName, 0, len(c.files))
	for at := range c.files {
		names = append(names, at)
	}
	slices.SortFunc(names, compareFiles)
	dst = le.AppendUint32(dst, uint32(len(names)))
	for _, at := range names {
		dst = saveFile(dst, at, c.files[at])
	}
	le.PutUint32(dst[begin+len(saveMagic):], castagnoli(dst[begin+len(saveMagic)+4:]))
	return dst
}

func compareFiles(a, b fileName) int {
	return slices.Compare([]uint32{a.Tablespace, a.Database, a.Number}, []uint32{b.Tablespace, b.Database, b.Number})
}

func saveMap(dst []byte, m map[uint32]uint32) []byte {
	dst = le.AppendUint32(dst, uint32(len(m)))
	for _, n := range sorted(m) {
		dst = le.AppendUint32(dst, n)
		dst = le.AppendUint32(dst, m[n])
	}
	return dst
}

func saveFile(dst []byte, at fileName, f *file) []byte {
	for _, n := range [...]uint32{at.Tablespace, at.Database, at.Number} {
		dst = le.AppendUint32(dst, n)
	}
	dst = append(dst, byte(f.kind))
	dst = le.AppendUint32(dst, uint32(len(f.pages)))
	for _, p := range f.pages {
		if p == nil || p.bad != nil {
			dst = append(dst, 0)
			continue
		}
		dst = append(dst, 1)
		dst = le.AppendUint64(dst, uint64(p.lsn))
		dst = le.AppendUint32(dst, uint32(len(p.tuples)))
		for i := range p.tuples {
			t := &p.tuples[i]
			dst = le.AppendUint16(dst, uint16(len(t.body)))
			if len(t.body) == 0 {
				continue
			}
			dst = le.AppendUint32(dst, t.xmin)
			dst = le.AppendUint32(dst, t.xmax)
			dst = le.AppendUint16(dst, t.infomask2)
			dst = le.AppendUint16(dst, t.infomask)
			dst = append(append(dst, t.hoff), t.body...)
			if t.updatedByMulti() {
				dst = le.AppendUint32(dst, t.updater)
			}
		}
	}
	return dst
}

// Load takes what Save has appended, and copies it.
func Load(b []byte) (*Catalogs, error) {
	const head = len(saveMagic) + 4
	if len(b) < head || string(b[:len(saveMagic)]) != saveMagic {
		return nil, corrupt("a saved state of %d bytes, of another version or none", len(b))
	}
	if castagnoli(b[head:]) != le.Uint32(b[len(saveMagic):]) {
		return nil, corrupt("the checksum of a saved state is wrong")
	}
	return load(append([]byte(nil), b[head:]...))
}

// load takes what is behind the checksum, and keeps it.
func load(b []byte) (*Catalogs, error) {
	c, r := newCatalogs(), cursor{rest: b}
	c.sharedMap = r.relationMap()
	for n := r.u32(); n > 0 && !r.short; n-- {
		db := newDatabase(r.u32())
		db.tablespace = r.u32()
		if r.u8() != 0 {
			db.rows = &tables{}
		}
		db.mapped = r.relationMap()
		c.databases[db.oid] = db
	}
	for n := r.u32(); n > 0 && !r.short; n-- {
		xid, s := r.u32(), state(r.u8())
		if s > prepared {
			return nil, corrupt("transaction %d in state %d", xid, s)
		}
		c.xids.set(xid, s)
	}
	for n := r.u32(); n > 0 && !r.short; n-- {
		at := fileName{Tablespace: r.u32(), Database: r.u32(), Number: r.u32()}
		f, err := r.file()
		if err != nil {
			return nil, err
		}
		c.files[at] = f
	}
	if r.short || len(r.rest) != 0 {
		return nil, corrupt("a saved state has another length than it should have")
	}
	if err := c.loadShared(); err != nil {
		return nil, err
	}
	for _, db := range c.databases {
		if db.rows != nil {
			if err := c.load(db); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

func (c *cursor) relationMap() map[uint32]uint32 {
	m := map[uint32]uint32{}
	for n := c.u32(); n > 0 && !c.short; n-- {
		file := c.u32()
		m[file] = c.u32()
	}
	return m
}

func (c *cursor) file() (*file, error) {
	f := &file{kind: kind(c.u8())}
	if int(f.kind) >= kinds {
		return nil, corrupt("a file of catalog %d", f.kind)
	}
	for n := c.u32(); n > 0 && !c.short; n-- {
		if c.u8() == 0 {
			f.pages = append(f.pages, nil)
			continue
		}
		p := &page{lsn: wal.LSN(c.u64())}
		for n := c.u32(); n > 0 && !c.short; n-- {
			var t tuple
			if size := int(c.u16()); size > 0 {
				t.xmin, t.xmax = c.u32(), c.u32()
				t.infomask2, t.infomask, t.hoff = c.u16(), c.u16(), c.u8()
				t.body = c.take(size)
				if t.updatedByMulti() {
					t.updater = c.u32()
				}
			}
			p.tuples = append(p.tuples, t)
		}
		f.pages = append(f.pages, p)
	}
	return f, nil
}
