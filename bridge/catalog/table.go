package catalog

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/howdahdb/howdah/bridge/heap"
)

// row is a pointer to a row of one of the catalogs.
type row[T any] interface {
	*T
	key() key
	decode(*heap.Tuple) error
}

// table has the rows of one catalog by group, in a group by id. A table can stand
// over another one, and then has the groups that differ from those below, which it
// leaves alone. Groups are not changed but replaced.
type table[T comparable, R row[T]] struct {
	groups map[uint32][]T
	below  *table[T, R]
}

func (t *table[T, R]) over() table[T, R] { return table[T, R]{below: t} }

// group is not to be changed.
func (t *table[T, R]) group(id uint32) []T {
	if g, ok := t.groups[id]; ok || t.below == nil {
		return g
	}
	return t.below.group(id)
}

// first is the only row of a group that has no more, nil if there is none.
func (t *table[T, R]) first(id uint32) R {
	if g := t.group(id); len(g) > 0 {
		return &g[0]
	}
	return nil
}

func find[T any, R row[T]](g []T, id uint32) (int, bool) {
	return slices.BinarySearchFunc(g, id, func(r T, id uint32) int { return cmp.Compare(R(&r).key().id, id) })
}

// apply does what the Op says, and tells whether it made a difference, and to which
// row.
func (t *table[T, R]) apply(o *Op) (before, after R, err error) {
	k := o.key
	var r T
	if !o.remove {
		if err := R(&r).decode(&o.tuple); err != nil {
			return nil, nil, fmt.Errorf("%v: %w", o.kind, err)
		}
		k = R(&r).key()
	}
	g := t.group(k.group)
	i, found := find[T, R](g, k.id)
	if found {
		before = &g[i]
	}
	if o.remove && !found || !o.remove && found && *before == r {
		return before, before, nil
	}
	if t.groups == nil {
		t.groups = map[uint32][]T{}
	}
	switch {
	case o.remove:
		g = slices.Concat(g[:i], g[i+1:])
	case found:
		g = slices.Concat(g[:i], []T{r}, g[i+1:])
		after = &g[i]
	default:
		g = slices.Concat(g[:i], []T{r}, g[i:])
		after = &g[i]
	}
	t.groups[k.group] = g
	if len(g) == 0 && t.below == nil {
		delete(t.groups, k.group)
	}
	return before, after, nil
}

// load puts a row in, over one with the same key.
func (t *table[T, R]) load(tuple *heap.Tuple) (R, error) {
	var r T
	if err := R(&r).decode(tuple); err != nil {
		return nil, err
	}
	k := R(&r).key()
	if t.groups == nil {
		t.groups = map[uint32][]T{}
	}
	g := t.groups[k.group]
	i, found := find[T, R](g, k.id)
	if found {
		g[i] = r
	} else {
		g = slices.Insert(g, i, r)
	}
	t.groups[k.group] = g
	return &g[i], nil
}

// merge puts what t has into the table below it.
func (t *table[T, R]) merge() {
	if t.below.groups == nil {
		t.below.groups = map[uint32][]T{}
	}
	for id, g := range t.groups {
		if len(g) == 0 {
			delete(t.below.groups, id)
		} else {
			t.below.groups[id] = g
		}
	}
}

// all are the groups' numbers, in no order.
func (t *table[T, R]) all(do func(id uint32, g []T)) {
	for id, g := range t.groups {
		if len(g) > 0 {
			do(id, g)
		}
	}
	if t.below != nil {
		t.below.all(func(id uint32, g []T) {
			if _, hidden := t.groups[id]; !hidden {
				do(id, g)
			}
		})
	}
}

// tables are the followed catalogs of one database.
type tables struct {
	classes    table[classRow, *classRow]
	attributes table[attributeRow, *attributeRow]
	types      table[typeRow, *typeRow]
	enums      table[enumRow, *enumRow]
	namespaces table[namespaceRow, *namespaceRow]
	indexes    table[indexRow, *indexRow]
	ranges     table[rangeRow, *rangeRow]
}

func (t *tables) over() *tables {
	return &tables{
		t.classes.over(), t.attributes.over(), t.types.over(), t.enums.over(),
		t.namespaces.over(), t.indexes.over(), t.ranges.over(),
	}
}

func (t *tables) merge() {
	t.classes.merge()
	t.attributes.merge()
	t.types.merge()
	t.enums.merge()
	t.namespaces.merge()
	t.indexes.merge()
	t.ranges.merge()
}

func (t *tables) load(k kind, tuple *heap.Tuple) (err error) {
	switch k {
	case classes:
		_, err = t.classes.load(tuple)
	case attributes:
		_, err = t.attributes.load(tuple)
	case types:
		_, err = t.types.load(tuple)
	case enums:
		_, err = t.enums.load(tuple)
	case namespaces:
		_, err = t.namespaces.load(tuple)
	case indexes:
		_, err = t.indexes.load(tuple)
	case ranges:
		_, err = t.ranges.load(tuple)
	}
	return err
}

// sharedTables are those of the cluster.
type sharedTables struct {
	databases table[databaseRow, *databaseRow]
	origins   table[originRow, *originRow]
}

// sorted are a map's keys, for what must not depend on their order.
func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
