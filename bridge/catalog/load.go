package catalog

import (
	"fmt"

	"github.com/howdahdb/howdah/bridge/heap"
	"github.com/howdahdb/howdah/bridge/wal"
)

// fileName is where a file is.
type fileName = wal.Relation

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}

// load makes the rows of a database that nothing is known of yet, or of all catalogs
// that a saved state has, of the tuples.
func (c *Catalogs) load(db *database) error {
	db.rows, db.cache = &tables{}, newCache()
	for _, k := range []kind{classes, attributes, types} {
		number, ok := db.number(catalogs[k].oid)
		if !ok {
			return corrupt("database %d's relation map has no %v", db.oid, k)
		}
		if err := c.loadFile(fileName{Tablespace: db.tablespace, Database: db.oid, Number: number}, k, db.rows.load); err != nil {
			return err
		}
	}
	for _, k := range []kind{enums, namespaces, indexes, ranges} {
		row := db.rows.classes.first(catalogs[k].oid)
		if row == nil {
			return corrupt("database %d's pg_class has no %v", db.oid, k)
		}
		at, _ := db.locate(row)
		if err := c.loadFile(at, k, db.rows.load); err != nil {
			return err
		}
	}
	db.indexFiles()
	return nil
}

// loadShared is load for the shared catalogs.
func (c *Catalogs) loadShared() error {
	c.shared = sharedTables{}
	for _, k := range []kind{databases, origins} {
		at, ok := c.sharedFile(k)
		if !ok {
			return corrupt("the shared relation map has no %v", k)
		}
		if err := c.loadFile(at, k, c.shared.load); err != nil {
			return err
		}
	}
	return nil
}

func (t *sharedTables) load(k kind, tuple *heap.Tuple) (err error) {
	if k == databases {
		_, err = t.databases.load(tuple)
	} else {
		_, err = t.origins.load(tuple)
	}
	return err
}

func (c *Catalogs) loadFile(at fileName, k kind, load func(kind, *heap.Tuple) error) error {
	f := c.files[at]
	if f == nil || f.kind != k {
		return corrupt("there is no file %v of %v", at, k)
	}
	for block, p := range f.pages {
		if p != nil && p.bad != nil {
			return corrupt("block %d of %v: %w", block, k, p.bad)
		}
	}
	err := f.tuples(func(t *tuple) error {
		if !c.xids.visible(t) {
			return nil
		}
		r := t.row()
		return load(k, &r)
	})
	if err != nil {
		return corrupt("%v: %w", k, err)
	}
	return nil
}
