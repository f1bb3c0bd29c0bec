package catalog

import (
	"fmt"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/bridge/wal"
)

// View is the catalogs of a database as one transaction sees them: as they are
// committed, with what it has done to them itself up to a point. A View that is not
// committed is simply left. There is one at a time.
type View struct {
	c  *Catalogs
	db *database
	// rows and shared are db's and c's, or stand over them from the first Op on that
	// makes a difference.
	rows   *tables
	shared *sharedTables
	// files are those of relations that got them in the transaction. They need not be
	// a relation's any more.
	files map[wal.Relation]uint32
	cache *cache

	touched   map[uint32]bool          // tables whose shape may be another than was told
	announced map[uint32]*change.Table // what Changed has told, nil for a table that is gone
}

// cache is what was made of rows.
type cache struct {
	relations map[uint32]*Relation
	types     map[uint32]*value.Type
}

func newCache() *cache {
	return &cache{relations: map[uint32]*Relation{}, types: map[uint32]*value.Type{}}
}

// Begin gives the catalogs of a database as they are committed. It costs next to
// nothing. Of a database that there is not, all that can be seen is what the View's
// Ops make.
func (c *Catalogs) Begin(database uint32) *View {
	db := c.databases[database]
	if db == nil || db.rows == nil {
		db = newDatabase(database)
		db.rows, db.files, db.cache = &tables{}, map[wal.Relation]uint32{}, newCache()
	}
	return c.view(db)
}

func (c *Catalogs) view(db *database) *View {
	return &View{c: c, db: db, rows: db.rows, shared: &c.shared, cache: db.cache}
}

// Apply does what an Op of the transaction says.
func (v *View) Apply(o *Op) error {
	switch {
	case catalogs[o.kind].shared:
		return v.applyShared(o)
	case o.Database != v.db.oid:
		return fmt.Errorf("catalog: a change of database %d's %v in a transaction of database %d", o.Database, o.kind, v.db.oid)
	}
	rows := v.rows
	if rows == v.db.rows {
		rows = rows.over()
	}
	changed := false
	switch o.kind {
	case classes:
		before, after, err := rows.classes.apply(o)
		if err != nil {
			return err
		}
		if changed = before != after; changed {
			v.classChanged(before, after)
		}
	case attributes:
		before, after, err := rows.attributes.apply(o)
		if err != nil {
			return err
		}
		if changed = before != after; changed {
			v.touch(relationOf(before, after))
		}
	case indexes:
		before, after, err := rows.indexes.apply(o)
		if err != nil {
			return err
		}
		if changed = before != after; changed {
			v.touch(max(before.table(), after.table()))
		}
	case namespaces:
		before, after, err := rows.namespaces.apply(o)
		if err != nil {
			return err
		}
		if changed = before != after; changed && before != nil && after != nil {
			rows.classes.all(func(id uint32, g []classRow) {
				if g[0].namespace == after.oid {
					v.touch(id)
				}
			})
		}
	default:
		var err error
		if changed, err = rows.applyType(o); err != nil {
			return err
		}
	}
	if changed {
		v.rows, v.cache = rows, newCache()
	}
	return nil
}

// applyType is Apply for the catalogs of which nothing but types is made.
func (t *tables) applyType(o *Op) (changed bool, err error) {
	switch o.kind {
	case types:
		before, after, err := t.types.apply(o)
		return before != after, err
	case enums:
		before, after, err := t.enums.apply(o)
		return before != after, err
	case ranges:
		before, after, err := t.ranges.apply(o)
		return before != after, err
	}
	return false, nil
}

func relationOf(before, after *attributeRow) uint32 {
	if after != nil {
		return after.relation
	}
	return before.relation
}

func (r *indexRow) table() uint32 {
	if r == nil {
		return 0
	}
	return r.relation
}

func (v *View) touch(oid uint32) {
	if v.touched == nil {
		v.touched = map[uint32]bool{}
	}
	v.touched[oid] = true
}

func (v *View) classChanged(before, after *classRow) {
	if after == nil {
		v.touch(before.oid)
		return
	}
	v.touch(after.oid)
	if at, ok := v.db.locate(after); ok {
		if v.files == nil {
			v.files = map[wal.Relation]uint32{}
		}
		v.files[at] = after.oid
	}
}

func (v *View) applyShared(o *Op) (err error) {
	if v.shared == &v.c.shared {
		v.shared = &sharedTables{v.c.shared.databases.over(), v.c.shared.origins.over()}
	}
	if o.kind == databases {
		_, _, err = v.shared.databases.apply(o)
	} else {
		_, _, err = v.shared.origins.apply(o)
	}
	return err
}

// Relation is the relation whose file this is at the moment. Not ok: none's, as that
// of a table which the transaction, or one that has committed since, has given
// another file.
func (v *View) Relation(file wal.Relation) (*Relation, bool) {
	oid, ok := v.owner(file)
	if !ok {
		return nil, false
	}
	return v.ByOID(oid)
}

func (v *View) owner(file wal.Relation) (uint32, bool) {
	for _, files := range [...]map[wal.Relation]uint32{v.files, v.db.files} {
		if oid, ok := files[file]; ok {
			if v.rows == v.db.rows {
				return oid, true
			}
			row := v.rows.classes.first(oid)
			if row == nil {
				continue
			}
			if at, ok := v.db.locate(row); ok && at == file {
				return oid, true
			}
		}
	}
	if file.Database != v.db.oid || file.Tablespace != v.db.tablespace {
		return 0, false
	}
	oid, ok := v.db.mapped[file.Number]
	return oid, ok
}

// Commit makes the transaction's Ops everybody's, and gives what Changed would.
// After it the View is no longer to be used.
func (v *View) Commit() ([]change.Change, error) {
	ddl := v.Changed()
	if v.rows != v.db.rows {
		v.db.moveFiles(v.rows)
		v.rows.merge()
		v.db.cache = v.cache
	}
	if v.shared != &v.c.shared {
		changed := sorted(v.shared.databases.groups)
		v.shared.databases.merge()
		v.shared.origins.merge()
		for _, oid := range changed {
			if err := v.c.databaseChanged(oid); err != nil {
				return ddl, err
			}
		}
	}
	return ddl, nil
}
