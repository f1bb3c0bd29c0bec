package catalog

import (
	"github.com/howdahdb/howdah/bridge/value"
)

// trueArray is array_subscript_handler, which tells arrays from other types that
// have elements, as name and point (IsTrueArrayType in src/include/catalog/pg_type.h).
const trueArray = 6179

// Type is a type by its pg_type.oid, never nil: of one that there is not, nothing is
// known but the oid.
func (v *View) Type(oid uint32) *value.Type {
	t, ok := v.cache.types[oid]
	if !ok {
		t = &value.Type{OID: oid}
		v.cache.types[oid] = t // first, as a type may be part of itself
		if row := v.rows.types.first(oid); row != nil {
			v.describe(t, row)
		}
	}
	return t
}

func (v *View) describe(t *value.Type, row *typeRow) {
	t.Schema, t.Name = v.namespace(row.namespace), row.name
	t.Length, t.Align, t.ByVal, t.Output = row.length, row.align, row.byVal, row.output
	switch row.kind {
	case 'b':
		if row.elem != 0 && row.subscript == trueArray {
			t.Kind, t.Elem = value.ArrayKind, v.Type(row.elem)
		}
	case 'd':
		t.Kind, t.Elem = value.DomainKind, v.Type(row.base)
	case 'e':
		t.Kind, t.Labels = value.EnumKind, map[uint32]string{}
		for _, e := range v.rows.enums.group(t.OID) {
			t.Labels[e.oid] = e.label
		}
	case 'r':
		t.Kind = value.RangeKind
		if r := v.rows.ranges.first(t.OID); r != nil {
			t.Elem = v.Type(r.subtype)
		}
	case 'm':
		t.Kind = value.MultirangeKind
		v.rows.ranges.all(func(oid uint32, g []rangeRow) {
			if g[0].multirange == t.OID {
				t.Elem = v.Type(oid)
			}
		})
	case 'c':
		t.Kind = value.CompositeKind
		for _, a := range v.rows.attributes.group(row.relation) {
			if a.number <= 0 {
				continue
			}
			f := value.Field{Name: a.name, Typmod: a.typmod, Dropped: a.dropped, Length: a.length, Align: a.align}
			if !a.dropped {
				f.Type = v.Type(a.typ)
			}
			t.Fields = append(t.Fields, f)
		}
	}
}
