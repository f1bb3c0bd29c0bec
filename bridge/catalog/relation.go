package catalog

import (
	"slices"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/heap"
)

// Relation is a relation at a moment: a table, or something else that has rows or
// columns. It is shared and not changed.
type Relation struct {
	// Table is its shape. Its Columns leave dropped and virtual ones out.
	*change.Table
	Kind        byte // pg_class.relkind: r, p for a partitioned table, m, t, i, S, v, c, f, I
	Persistence byte // pg_class.relpersistence: p, u for unlogged, t for temporary
	IsToast     bool
	// Rewrite is not 0 for the transient relation that ALTER TABLE and others copy
	// the rows of a table to, whose oid it is: its rows are no changes.
	Rewrite uint32

	// Columns are all there are on disk, by attnum − 1, as heap.Tuple.Deform wants
	// them. (Table.Columns are the others.)
	Columns []heap.Column
	// Missing are the values of columns that were added after a row, by attnum − 1,
	// in the form of heap.Datum.Bytes; nil: NULL.
	Missing [][]byte
	// Index says which of Table.Columns a column on disk is, by attnum − 1; −1: none.
	Index []int
}

// System tells a relation of Postgres' own from a user's.
func (r *Relation) System() bool { return r.OID < firstNormal }

const firstNormal = 16384 // FirstNormalObjectId

// ByOID is a relation by its pg_class.oid, as TRUNCATE records name it.
func (v *View) ByOID(oid uint32) (*Relation, bool) {
	r, ok := v.cache.relations[oid]
	if !ok {
		r = v.build(oid)
		v.cache.relations[oid] = r
	}
	return r, r != nil
}

// build makes a Relation of the rows that there are; nil, if there are none or not
// all yet.
func (v *View) build(oid uint32) *Relation {
	class := v.rows.classes.first(oid)
	if class == nil {
		return nil
	}
	r := &Relation{
		Table: &change.Table{
			OID: oid, Schema: v.namespace(class.namespace), Name: class.name, Identity: change.Identity(class.identity),
		},
		Kind: class.kind, Persistence: class.persistence, IsToast: class.kind == 't', Rewrite: class.rewrite,
	}
	key := v.identityColumns(class)
	for _, a := range v.rows.attributes.group(oid) {
		if a.number <= 0 { // system columns; these sort behind the others
			continue
		}
		if int(a.number) != len(r.Columns)+1 {
			return nil
		}
		r.Columns = append(r.Columns, heap.Column{Length: a.length, Align: a.align})
		var missing []byte
		if a.hasMissing {
			missing = []byte(a.missing)
		}
		r.Missing = append(r.Missing, missing)
		if a.dropped || a.generated == 'v' {
			r.Index = append(r.Index, -1)
			continue
		}
		r.Index = append(r.Index, len(r.Table.Columns))
		r.Table.Columns = append(r.Table.Columns, change.Column{
			Name: a.name, Number: a.number, Type: v.Type(a.typ), Typmod: a.typmod,
			Key:    r.Identity == change.IdentityFull || slices.Contains(key, a.number),
			Stored: a.generated == 's',
		})
	}
	return r
}

func (v *View) namespace(oid uint32) string {
	if n := v.rows.namespaces.first(oid); n != nil {
		return n.name
	}
	return ""
}

// identityColumns are the numbers of the columns of the index that a table's replica
// identity is, if it is one (RelationGetIndexList in
// src/backend/utils/cache/relcache.c).
func (v *View) identityColumns(class *classRow) (numbers []int16) {
	for _, i := range v.rows.indexes.group(class.oid) {
		if !i.live || !i.unique || !i.whole || !i.immediate {
			continue
		}
		switch change.Identity(class.identity) {
		case change.IdentityDefault:
			if !i.primary || !i.valid && class.kind != 'p' {
				continue
			}
		case change.IdentityIndex:
			if !i.replicaIdentity || !i.valid {
				continue
			}
		default:
			continue
		}
		for k := 0; k+1 < len(i.columns); k += 2 {
			numbers = append(numbers, int16(le.Uint16([]byte(i.columns[k:k+2]))))
		}
		return numbers
	}
	return nil
}

// Changed gives a DDL change for each table whose shape is another than it was when
// the transaction began, or when Changed was called last: it may be called before
// each row, so that a row comes after what made its table such. LSN and XID are left
// to the caller. Only permanent and unlogged tables of users count.
func (v *View) Changed() []change.Change {
	if len(v.touched) == 0 {
		return nil
	}
	var list []change.Change
	for _, oid := range sorted(v.touched) {
		was, told := v.announced[oid]
		if !told {
			was = v.c.view(v.db).shape(oid)
		}
		now := v.shape(oid)
		ddl := change.Change{Kind: change.DDL, Table: now}
		switch {
		case was == nil && now == nil, was != nil && now != nil && sameShape(was, now):
			continue
		case was == nil:
			ddl.Command = change.Create
		case now == nil:
			ddl.Command, ddl.Table = change.Drop, was
		default:
			ddl.Command = change.Alter
		}
		list = append(list, ddl)
		if v.announced == nil {
			v.announced = map[uint32]*change.Table{}
		}
		v.announced[oid] = now
	}
	clear(v.touched)
	return list
}

// shape is a table that Changed tells of, nil if there is none with this oid.
func (v *View) shape(oid uint32) *change.Table {
	r, ok := v.ByOID(oid)
	if !ok || r.System() || r.Kind != 'r' && r.Kind != 'p' || r.Persistence == 't' || r.Rewrite != 0 {
		return nil
	}
	return r.Table
}

func sameShape(a, b *change.Table) bool {
	return a.Schema == b.Schema && a.Name == b.Name && a.Identity == b.Identity &&
		slices.EqualFunc(a.Columns, b.Columns, func(a, b change.Column) bool {
			return a.Name == b.Name && a.Number == b.Number && a.Type.OID == b.Type.OID &&
				a.Typmod == b.Typmod && a.Key == b.Key && a.Stored == b.Stored
		})
}
