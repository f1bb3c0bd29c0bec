package catalog

import (
	"github.com/howdahdb/howdah/bridge/wal"
)

// Tablespaces that every cluster has.
const (
	defaultTablespace = 1663
	globalTablespace  = 1664
)

// Catalogs are the followed catalogs of all databases of a cluster.
type Catalogs struct {
	shared    sharedTables
	sharedMap map[uint32]uint32 // as database.mapped
	databases map[uint32]*database
	files     map[wal.Relation]*file
	xids      xids

	ops []Op // of the record that Redo was given last
	// reading is set while Read goes over the log, where pages may be ahead of it.
	reading *reading
}

func newCatalogs() *Catalogs {
	return &Catalogs{
		sharedMap: map[uint32]uint32{}, databases: map[uint32]*database{}, files: map[wal.Relation]*file{},
		xids: xids{states: map[uint32]state{}},
	}
}

// database is one of the cluster's.
type database struct {
	oid, tablespace uint32
	mapped          map[uint32]uint32 // oids of the relations in its map, by the numbers of their files
	// rows are the committed ones; nil while the database is being made.
	rows  *tables
	files map[wal.Relation]uint32 // oids of the relations by what pg_class says of their files
	cache *cache                  // of what was made of rows
}

func newDatabase(oid uint32) *database {
	return &database{oid: oid, tablespace: defaultTablespace, mapped: map[uint32]uint32{}}
}

// locate is where the file of a relation is that is not mapped; not ok, it has none.
func (d *database) locate(r *classRow) (wal.Relation, bool) {
	at := wal.Relation{Tablespace: r.tablespace, Database: d.oid, Number: r.file}
	if at.Tablespace == 0 {
		at.Tablespace = d.tablespace
	}
	if at.Tablespace == globalTablespace {
		at.Database = 0
	}
	return at, r.file != 0
}

// moveFiles makes files agree with what rows, which stand over the database's, say
// of relations.
func (d *database) moveFiles(rows *tables) {
	for oid := range rows.classes.groups {
		if old := d.rows.classes.first(oid); old != nil {
			if at, ok := d.locate(old); ok && d.files[at] == oid {
				delete(d.files, at)
			}
		}
	}
	for oid, g := range rows.classes.groups {
		if len(g) > 0 {
			if at, ok := d.locate(&g[0]); ok {
				d.files[at] = oid
			}
		}
	}
}

// indexFiles makes files anew.
func (d *database) indexFiles() {
	d.files = map[wal.Relation]uint32{}
	d.rows.classes.all(func(oid uint32, g []classRow) {
		if at, ok := d.locate(&g[0]); ok {
			d.files[at] = oid
		}
	})
}

// Database is the name of a database.
func (c *Catalogs) Database(oid uint32) (string, bool) {
	if r := c.shared.databases.first(oid); r != nil {
		return r.name, true
	}
	return "", false
}

// Origin is the name of a replication origin.
func (c *Catalogs) Origin(id uint16) (string, bool) {
	if r := c.shared.origins.first(uint32(id)); r != nil {
		return r.name, true
	}
	return "", false
}

// databaseChanged follows what a transaction has done to pg_database.
func (c *Catalogs) databaseChanged(oid uint32) error {
	row := c.shared.databases.first(oid)
	if row == nil {
		c.dropDatabase(oid)
		return nil
	}
	db := c.databases[oid]
	if db == nil {
		db = newDatabase(oid)
		c.databases[oid] = db
	}
	if db.rows == nil {
		db.tablespace = row.tablespace
		if err := c.load(db); err != nil {
			return err
		}
		c.leaveUnusedOf(db)
		return nil
	}
	if db.tablespace != row.tablespace {
		db.tablespace = row.tablespace
		db.indexFiles()
	}
	return nil
}

func (c *Catalogs) dropDatabase(oid uint32) {
	delete(c.databases, oid)
	for at := range c.files {
		if at.Database == oid {
			delete(c.files, at)
		}
	}
}
