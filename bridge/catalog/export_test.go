package catalog

import (
	"fmt"
	"slices"
)

// Dump lists all rows of the logical layer.
func (c *Catalogs) Dump() []string {
	var lines []string
	dump(&lines, "shared", &c.shared.databases)
	dump(&lines, "shared", &c.shared.origins)
	for oid, db := range c.databases {
		if db.rows == nil {
			continue
		}
		name := fmt.Sprintf("%d in %d", oid, db.tablespace)
		dump(&lines, name, &db.rows.classes)
		dump(&lines, name, &db.rows.attributes)
		dump(&lines, name, &db.rows.types)
		dump(&lines, name, &db.rows.enums)
		dump(&lines, name, &db.rows.namespaces)
		dump(&lines, name, &db.rows.indexes)
		dump(&lines, name, &db.rows.ranges)
		for at, relation := range db.files {
			lines = append(lines, fmt.Sprintf("%s file %v %d", name, at, relation))
		}
		for file, relation := range db.mapped {
			lines = append(lines, fmt.Sprintf("%s map %d %d", name, file, relation))
		}
	}
	slices.Sort(lines)
	return lines
}

func dump[T comparable, R row[T]](lines *[]string, name string, t *table[T, R]) {
	t.all(func(_ uint32, g []T) {
		for _, r := range g {
			*lines = append(*lines, fmt.Sprintf("%s %+v", name, r))
		}
	})
}

// Files is how many files are followed, and States how many transactions are known.
func (c *Catalogs) Files() int  { return len(c.files) }
func (c *Catalogs) States() int { return len(c.xids.states) }
