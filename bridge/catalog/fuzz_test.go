package catalog

import (
	"strings"
	"testing"

	"github.com/howdahdb/howdah/bridge/heap"
	"github.com/howdahdb/howdah/bridge/wal"
)

// classTuple is a row of pg_class.
func classTuple(oid, file, rewrite uint32) heap.Tuple {
	b := make([]byte, 1+136)
	row := b[1:]
	le.PutUint32(row, oid)
	copy(row[4:], "relation")
	le.PutUint32(row[88:], file)
	row[118], row[119], row[130] = 'p', 'r', 'd'
	le.PutUint32(row[132:], rewrite)
	return heap.Tuple{Infomask2: 31, Infomask: xmaxInvalid, Hoff: 24, Body: b}
}

// little are catalogs with a page of each kind, and nothing else.
func little(t testing.TB) *Catalogs {
	c := newCatalogs()
	db := newDatabase(5)
	c.databases[5] = db
	for k, s := range catalogs {
		at := fileName{Tablespace: defaultTablespace, Database: 5, Number: s.oid}
		switch {
		case s.shared:
			at.Tablespace, at.Database = globalTablespace, 0
			c.sharedMap[s.oid] = s.oid
		case s.mapped:
			db.mapped[s.oid] = s.oid
		}
		c.files[at] = &file{kind: kind(k), pages: []*page{{lsn: 1}}}
	}
	class := c.files[fileName{Tablespace: defaultTablespace, Database: 5, Number: catalogs[classes].oid}]
	for i, k := range []kind{enums, namespaces, indexes, ranges} {
		row := classTuple(catalogs[k].oid, catalogs[k].oid, 0)
		tuple := inserted(&wal.Record{XID: 1}, row)
		if err := class.pages[0].set(uint16(i+1), tuple); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.load(db); err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzRedo takes any bytes for records that change catalogs, and their Ops to a View:
// nothing panics, and what comes of it can be saved and loaded.
func FuzzRedo(f *testing.F) {
	row := classTuple(16385, 16385, 0)
	tuple := string(row.Append(nil))
	f.Add(uint8(wal.Heap), uint8(heapInsert), uint16(classes), []byte("\x07\x00\x00"), []byte(tuple))
	f.Add(uint8(wal.Heap), uint8(heapInsert|initPage), uint16(classes)|0x100, []byte("\x01\x00\x00"), []byte(tuple))
	f.Add(uint8(wal.Heap), uint8(heapHotUpdate), uint16(classes), []byte("\x09\x00\x00\x00\x01\x00\x00\x60\x00\x00\x00\x00\x06\x00"), []byte("\x04\x00\x10\x00"+tuple[:40]))
	f.Add(uint8(wal.Heap), uint8(heapDelete), uint16(classes), []byte("\x09\x00\x00\x00\x01\x00\x00\x00"), []byte{})
	f.Add(uint8(wal.Heap), uint8(heapLock), uint16(classes), []byte("\x09\x00\x00\x00\x01\x00\x00\x00"), []byte{})
	f.Add(uint8(wal.Heap), uint8(heapInplace), uint16(classes), []byte("\x01\x00"), row.Body[1:])
	f.Add(uint8(wal.Heap2), uint8(heap2MultiInsert), uint16(namespaces), []byte("\x0a\x00\x01\x00\x01\x00"), []byte("\x45\x00\x04\x00\x00\x08\x18\x00\x01\x40\x00\x00"+strings.Repeat("n", 64)))
	f.Add(uint8(wal.Heap2), uint8(heap2PruneScan), uint16(classes), []byte("\x00\xf0"), []byte("\x01\x00\x00\x00\x00\x00\x00\x00\x1f\x00\x00\x0b\x00\x00\x01\x00\x01\x00\x01\x00\x02\x00\x01\x00\x03\x00\x01\x00\x07\x00\x04\x00"))
	f.Add(uint8(wal.Storage), uint8(0x20), uint16(0), []byte("\x00\x00\x00\x00\x7f\x06\x00\x00\x05\x00\x00\x00\xeb\x04\x00\x00\x07\x00\x00\x00"), []byte{})
	f.Add(uint8(wal.Database), uint8(0x10), uint16(0), []byte("\x06\x00\x00\x00\x7f\x06\x00\x00"), []byte{})
	f.Add(uint8(wal.Database), uint8(0x00), uint16(0), []byte("\x06\x00\x00\x00\x7f\x06\x00\x00\x05\x00\x00\x00\x7f\x06\x00\x00"), []byte{})
	f.Fuzz(func(t *testing.T, rm, info uint8, which uint16, data, block []byte) {
		c := little(t)
		r := wal.Record{RM: wal.RM(rm), Info: info, XID: 700, LSN: 100, End: 200, Data: data}
		if k := int(which & 0xff); k < kinds && r.RM != wal.Storage && r.RM != wal.Database {
			at := fileName{Tablespace: defaultTablespace, Database: 5, Number: catalogs[k].oid}
			if catalogs[k].shared {
				at.Tablespace, at.Database = globalTablespace, 0
			}
			r.Blocks = []wal.Block{{Relation: at, Data: block, WillInit: which&0x100 != 0}}
			if which&0x200 != 0 && len(block) <= wal.PageSize {
				r.Blocks[0].Image = &wal.Image{Bytes: append(block, make([]byte, wal.PageSize-len(block))...), Info: 2}
			}
		}
		ops, err := c.Redo(&r)
		if err != nil {
			return
		}
		v := c.Begin(5)
		for i := range ops {
			o, err := ParseOp(ops[i].Append(nil))
			if err != nil {
				t.Fatal(err)
			}
			if v.Apply(&o) == nil && o.kind == classes {
				v.ByOID(o.key.group)
			}
		}
		if _, err := v.Commit(); err != nil {
			return // of a database whose files are not there
		}
		saved := c.Save(nil)
		again, err := Load(saved)
		if err != nil {
			return // rows that are none are found only when all are read
		}
		if string(again.Save(nil)) != string(saved) {
			t.Error("what was loaded is saved as something else")
		}
	})
}

// FuzzLoad takes any bytes for a saved state whose checksum is right.
func FuzzLoad(f *testing.F) {
	const head = len(saveMagic) + 4
	f.Add(little(f).Save(nil)[head:])
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := load(b)
		if err != nil {
			return
		}
		if _, err := Load(c.Save(nil)); err != nil {
			t.Error(err)
		}
	})
}

// FuzzParseOp takes any bytes for an Op that was kept.
func FuzzParseOp(f *testing.F) {
	row := classTuple(16385, 16385, 0)
	o := Op{Database: 5, kind: classes, key: key{16385, 0}, tuple: row}
	f.Add(o.Append(nil))
	o = Op{Database: 5, kind: attributes, remove: true, key: key{16385, 1}}
	f.Add(o.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := ParseOp(b)
		if err != nil {
			return
		}
		if again, err := ParseOp(o.Append(nil)); err != nil || again.key != o.key || string(again.tuple.Body) != string(o.tuple.Body) {
			t.Errorf("%v and then %v, %v", o, again, err)
		}
		v := newCatalogs().Begin(o.Database)
		if v.Apply(&o) == nil {
			v.ByOID(o.key.group)
			v.Type(o.key.group)
			_, _ = v.Commit() // of a database whose files are not there
		}
	})
}

// FuzzPage takes any bytes for the beginning of a page.
func FuzzPage(f *testing.F) {
	b := make([]byte, 64)
	le.PutUint16(b[12:], 28)
	le.PutUint16(b[14:], 8000)
	le.PutUint16(b[18:], pageVersion)
	le.PutUint32(b[24:], 8000|stateNormal<<15|60<<17)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > wal.PageSize {
			return
		}
		p := parsePage(append(b, make([]byte, wal.PageSize-len(b))...))
		if p == nil {
			return
		}
		for i := range p.tuples {
			if tuple := p.get(uint16(i + 1)); tuple != nil {
				row := tuple.row()
				for k := range kind(kinds) {
					_, _ = keyOf(k, &row) // an error is allowed, a panic is not
				}
			}
		}
	})
}

// FuzzControl and what it tries are files that are read before anything is checked.
func FuzzControl(f *testing.F) {
	f.Add(make([]byte, controlSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = parseControl(b) // an error is allowed, a panic is not
		_, _ = parseMap(b)
	})
}
