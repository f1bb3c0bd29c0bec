package replication

import (
	"fmt"
	"slices"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/value"
)

// relation is a table as a subscriber knows it: what is published of it, under
// the name of a partitioned ancestor perhaps.
type relation struct {
	oid      uint32
	schema   string
	name     string
	identity change.Identity
	columns  []column // that are sent
	all      []column
}

type column struct {
	name    string
	typeOID uint32
	typmod  int32
	key     bool
	typ     *value.Type
	source  int // index in change.Table.Columns
}

// oldKind tells what an old tuple is: the whole row, or its key.
func (r *relation) oldKind() byte {
	if r.identity == change.IdentityFull {
		return 'O'
	}
	return 'K'
}

// published is what a stream publishes of one table: RelationSyncEntry of
// pgoutput.c.
type published struct {
	table  *change.Table // for whose shape this holds
	target *relation     // what its rows are sent as
	own    *relation     // the table itself, when target is an ancestor; else nil
	sent   bool          // the subscriber has target's description

	insert, update, delete, truncate bool
	filters                          map[change.Kind]*filter // of the actions that have one
}

// holds tells whether a table has the shape that p was made for. Its description is
// another one with every set that is read back from a file.
func (p *published) holds(t *change.Table) bool {
	return p.table == t || p.table.Schema == t.Schema && p.table.Name == t.Name && p.table.Identity == t.Identity &&
		slices.EqualFunc(p.table.Columns, t.Columns, func(a, b change.Column) bool {
			ta, tb := a.Type, b.Type
			a.Type, b.Type = nil, nil
			return a == b && ta.OID == tb.OID && ta.Schema == tb.Schema && ta.Name == tb.Name
		})
}

func (p *published) publishes(k change.Kind) bool {
	switch k {
	case change.Insert:
		return p.insert
	case change.Update:
		return p.update
	case change.Delete:
		return p.delete
	case change.Truncate:
		return p.truncate && p.own == nil // an ancestor's TRUNCATE is a change of its own
	}
	return false
}

// publication is a row of pg_publication, with what it has of one table and its
// ancestors.
type publication struct {
	Name                             string
	AllTables, ViaRoot, StoredToo    bool
	Insert, Update, Delete, Truncate bool
	Members                          []member
	Schemas                          []int // levels of the relations whose schema is published
}

// member is a row of pg_publication_rel.
type member struct {
	Level   int     // 0 is the table, 1 its parent, and so on
	Columns []int16 // nil: all
	Filter  string  // "": all rows
	Uses    []string
}

// lineage is a table, and the partitioned tables above it.
type lineage struct {
	Kind         string // pg_class.relkind
	Ancestors    []shape
	Publications []publication
}

// shape is a partitioned table that may be published in the place of its
// partitions.
type shape struct {
	OID      uint32
	Schema   string
	Name     string
	Identity string
	Columns  []shapeColumn
}

type shapeColumn struct {
	Name   string
	Number int16
	Type   uint32
	Typmod int32
	Key    bool
	Stored bool
}

// published decides what of a table is published, by the rules of
// get_rel_sync_entry in pgoutput.c.
func (l *lineage) published(t *change.Table) (*published, error) {
	p := &published{table: t}
	level := 0 // of the relation that the rows are published as
	var by []*publication
	for k := range l.Publications {
		pub := &l.Publications[k]
		as, ok := pub.level(len(l.Ancestors))
		if !ok || l.Kind == "p" && !pub.ViaRoot {
			continue
		}
		p.insert, p.update = p.insert || pub.Insert, p.update || pub.Update
		p.delete, p.truncate = p.delete || pub.Delete, p.truncate || pub.Truncate
		switch {
		case as < level:
			continue
		case as > level:
			level, by = as, nil
		}
		by = append(by, pub)
	}
	target := shapeOf(t)
	if level > 0 {
		if level > len(l.Ancestors) {
			return nil, fmt.Errorf("replication: %s.%s has lost an ancestor", t.Schema, t.Name)
		}
		target = &l.Ancestors[level-1]
	}
	columns, err := publishedColumns(target, level, by)
	if err != nil {
		return nil, err
	}
	if p.target, err = target.relation(t, columns); err != nil {
		return nil, err
	}
	if level > 0 {
		if p.own, err = shapeOf(t).relation(t, numbersOf(target, columns, t)); err != nil {
			return nil, err
		}
	}
	p.filters = filters(p.target, level, by)
	return p, nil
}

// level tells under which of the table (0) and its ancestors a publication shows
// the rows, and whether it does at all.
func (p *publication) level(ancestors int) (int, bool) {
	if p.AllTables {
		if p.ViaRoot {
			return ancestors, true
		}
		return 0, true
	}
	top, any := 0, false
	for _, m := range p.Members {
		top, any = max(top, m.Level), true
	}
	for _, level := range p.Schemas {
		top, any = max(top, level), true
	}
	if !p.ViaRoot {
		top = 0
	}
	return top, any
}

// member is what the publication says of the relation at a level, if it is
// published by its own name and neither with its schema nor with all tables.
func (p *publication) member(level int) *member {
	if p.AllTables || slices.Contains(p.Schemas, level) {
		return nil
	}
	for k := range p.Members {
		if p.Members[k].Level == level {
			return &p.Members[k]
		}
	}
	return nil
}

// publishedColumns are the numbers of the columns that are sent. All publications
// have to agree (pgoutput_column_list_init).
func publishedColumns(s *shape, level int, by []*publication) ([]int16, error) {
	var all []int16
	for k, pub := range by {
		var list []int16
		m := pub.member(level)
		for _, c := range s.Columns {
			listed := !c.Stored || pub.StoredToo
			if m != nil && m.Columns != nil {
				listed = slices.Contains(m.Columns, c.Number)
			}
			if listed {
				list = append(list, c.Number)
			}
		}
		if k > 0 && !slices.Equal(all, list) {
			return nil, errorf("0A000", "cannot use different column lists for table \"%s.%s\" in different publications", s.Schema, s.Name)
		}
		all = list
	}
	return all, nil
}

// relation is what a subscriber is told of a shape: the columns with these numbers.
func (s *shape) relation(t *change.Table, numbers []int16) (*relation, error) {
	r := &relation{oid: s.OID, schema: s.Schema, name: s.Name, identity: change.Identity(s.Identity[0])}
	for _, c := range s.Columns {
		source := slices.IndexFunc(t.Columns, func(o change.Column) bool { return o.Name == c.Name })
		if source < 0 {
			return nil, fmt.Errorf("replication: %s.%s has no column %q, which %s.%s has", t.Schema, t.Name, c.Name, s.Schema, s.Name)
		}
		col := column{
			name: c.Name, typeOID: c.Type, typmod: c.Typmod, key: c.Key,
			typ: t.Columns[source].Type, source: source,
		}
		r.all = append(r.all, col)
		if slices.Contains(numbers, c.Number) {
			r.columns = append(r.columns, col)
		}
	}
	return r, nil
}

// shapeOf is a table's own shape.
func shapeOf(t *change.Table) *shape {
	s := &shape{OID: t.OID, Schema: t.Schema, Name: t.Name, Identity: string(rune(t.Identity))}
	for _, c := range t.Columns {
		s.Columns = append(s.Columns, shapeColumn{
			Name: c.Name, Number: c.Number, Type: c.Type.OID, Typmod: c.Typmod, Key: c.Key, Stored: c.Stored,
		})
	}
	return s
}

// numbersOf are the numbers that columns of an ancestor have in its partition.
func numbersOf(ancestor *shape, numbers []int16, t *change.Table) (own []int16) {
	for _, a := range ancestor.Columns {
		k := slices.IndexFunc(t.Columns, func(c change.Column) bool { return c.Name == a.Name })
		if k >= 0 && slices.Contains(numbers, a.Number) {
			own = append(own, t.Columns[k].Number)
		}
	}
	return own
}
