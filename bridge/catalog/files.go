package catalog

import (
	"github.com/howdahdb/howdah/bridge/heap"
	"github.com/howdahdb/howdah/bridge/xact"
)

// A pg_filenode.map (src/backend/utils/cache/relmapper.c):
//
//	0 magic u32 · 4 number u32 · 8 each: oid u32 · number of the file u32
//	520 CRC-32C of what precedes it u32
const (
	mapMagic   = 0x592717
	mapEntries = 64
	mapSize    = 8 + mapEntries*8 + 4
)

// parseMap gives the oids by the numbers of the files.
func parseMap(b []byte) (map[uint32]uint32, error) {
	if len(b) < mapSize || le.Uint32(b) != mapMagic || le.Uint32(b[4:]) > mapEntries ||
		castagnoli(b[:mapSize-4]) != le.Uint32(b[mapSize-4:]) {
		return nil, corrupt("a relation map of %d bytes", len(b))
	}
	m := map[uint32]uint32{}
	for i := range le.Uint32(b[4:]) {
		m[le.Uint32(b[8+8*i+4:])] = le.Uint32(b[8+8*i:])
	}
	return m, nil
}

func number(m map[uint32]uint32, oid uint32) (uint32, bool) {
	for n, o := range m {
		if o == oid {
			return n, true
		}
	}
	return 0, false
}

// number is that of the file of a mapped relation.
func (d *database) number(oid uint32) (uint32, bool) { return number(d.mapped, oid) }

func (c *Catalogs) sharedFile(k kind) (fileName, bool) {
	n, ok := number(c.sharedMap, catalogs[k].oid)
	return fileName{Tablespace: globalTablespace, Number: n}, ok
}

// setMap follows the files of mapped catalogs.
func (c *Catalogs) setMap(oid, tablespace uint32, content []byte) error {
	m, err := parseMap(content)
	if err != nil {
		return err
	}
	if oid == 0 {
		c.sharedMap, tablespace = m, globalTablespace
	} else {
		db := c.databases[oid]
		if db == nil {
			db = newDatabase(oid)
			c.databases[oid] = db
		}
		if db.rows == nil {
			db.tablespace = tablespace
		}
		db.mapped = m
	}
	for n, relation := range m {
		if k, ok := kindOf(relation); ok {
			if err := c.follow(fileName{Tablespace: tablespace, Database: oid, Number: n}, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// follow begins to keep a file, which is new unless Read is at work.
func (c *Catalogs) follow(at fileName, k kind) error {
	if f := c.files[at]; f != nil && f.kind == k {
		return nil
	}
	f := &file{kind: k}
	c.files[at] = f
	if c.reading == nil {
		return nil
	}
	if err := c.reading.readFile(f, at); err != nil {
		return err
	}
	for _, p := range f.pages {
		if p != nil {
			if err := c.sawPage(at, f, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// sawClass looks at a row of pg_class, committed or not, for files that catalogs
// have or will have. The transient row of a mapped catalog's has no number: its file
// is called as its oid (heap_create_with_catalog).
func (c *Catalogs) sawClass(at fileName, t *heap.Tuple) error {
	var row classRow
	if err := row.decode(t); err != nil {
		return err
	}
	k, ok := kindOf(row.rewrite)
	if !ok {
		if k, ok = kindOf(row.oid); !ok || row.file == 0 {
			return nil
		}
	}
	file := fileName{Tablespace: row.tablespace, Database: at.Database, Number: row.file}
	if file.Number == 0 {
		file.Number = row.oid
	}
	if file.Tablespace == 0 {
		file.Tablespace = at.Tablespace
	}
	if file.Tablespace == globalTablespace {
		file.Database = 0
	}
	return c.follow(file, k)
}

// sawPage is sawClass for all rows of a page that was not made row by row. It
// matters where what came before is not known: while Read is at work, and in a
// database that is being made.
func (c *Catalogs) sawPage(at fileName, f *file, p *page) error {
	if f.kind != classes || c.reading == nil {
		return nil
	}
	for i := range p.tuples {
		if t := &p.tuples[i]; t.body != nil {
			row := t.row()
			if err := c.sawClass(at, &row); err != nil {
				return err
			}
		}
	}
	return nil
}

// createDatabase is for both ways of making a database. When a database is made by
// page images, those of pg_class need not come first, so whatever file is a catalog's
// in any other database is taken for one: the template is among them, and its files
// have the same numbers.
func (c *Catalogs) createDatabase(v *xact.CreateDatabase) {
	if c.reading != nil && v.FromDatabase != 0 {
		return // a checkpoint came before its commit: all is on disk, or nothing counts
	}
	db := c.databases[v.Database]
	if db == nil {
		db = newDatabase(v.Database)
		db.tablespace = v.Tablespace
		c.databases[v.Database] = db
	}
	target := func(at fileName) fileName {
		return fileName{Tablespace: v.Tablespace, Database: v.Database, Number: at.Number}
	}
	if v.FromDatabase == 0 {
		for _, from := range c.databases {
			if from == db || from.rows == nil {
				continue
			}
			for _, k := range []kind{enums, namespaces, indexes, ranges} {
				if row := from.rows.classes.first(catalogs[k].oid); row != nil {
					_ = c.follow(target(fileName{Number: row.file}), k) // reads no files now
				}
			}
		}
		return
	}
	if from := c.databases[v.FromDatabase]; from != nil {
		db.mapped = from.mapped
	}
	copies := map[fileName]*file{}
	for at, f := range c.files {
		if at.Database == v.FromDatabase && at.Tablespace == v.FromTablespace {
			copies[target(at)] = f.clone()
		}
	}
	for at, f := range copies {
		c.files[at] = f
	}
}

func (f *file) clone() *file {
	g := &file{kind: f.kind, pages: make([]*page, len(f.pages))}
	for i, p := range f.pages {
		if p != nil {
			g.pages[i] = &page{lsn: p.lsn, tuples: append([]tuple(nil), p.tuples...), bad: p.bad}
		}
	}
	return g
}

// leaveTablespaces removes a database's files in some tablespaces: all of it, unless
// it has moved to another one.
func (c *Catalogs) leaveTablespaces(v *xact.DropDatabase) {
	left := false
	for at := range c.files {
		if at.Database != v.Database {
			continue
		}
		gone := false
		for _, t := range v.Tablespaces {
			gone = gone || at.Tablespace == t
		}
		if gone {
			delete(c.files, at)
		} else {
			left = true
		}
	}
	if !left {
		c.dropDatabase(v.Database)
	}
}

// leaveUnusedOf forgets what was taken for catalogs' files while the database was
// made.
func (c *Catalogs) leaveUnusedOf(db *database) {
	used := c.used()
	for at := range c.files {
		if at.Database == db.oid && !used[at] {
			delete(c.files, at)
		}
	}
}

// leaveUnused forgets files that a crash has left behind, and databases that were
// being made.
func (c *Catalogs) leaveUnused() {
	used := c.used()
	for at := range c.files {
		if !used[at] {
			delete(c.files, at)
		}
	}
	for oid, db := range c.databases {
		if db.rows == nil {
			delete(c.databases, oid)
		}
	}
}

// used are the files that are catalogs' at present.
func (c *Catalogs) used() map[fileName]bool {
	used := map[fileName]bool{}
	for k, s := range catalogs {
		switch {
		case s.shared:
			at, _ := c.sharedFile(kind(k))
			used[at] = true
		case s.mapped:
			for _, db := range c.databases {
				if n, ok := db.number(s.oid); ok && db.rows != nil {
					used[fileName{Tablespace: db.tablespace, Database: db.oid, Number: n}] = true
				}
			}
		default:
			for _, db := range c.databases {
				if db.rows == nil {
					continue
				}
				if row := db.rows.classes.first(s.oid); row != nil {
					at, _ := db.locate(row)
					used[at] = true
				}
			}
		}
	}
	return used
}
