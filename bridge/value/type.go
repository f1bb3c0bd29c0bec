package value

// Kind says how a type is made (pg_type.typtype, and whether it has elements).
type Kind uint8

const (
	Base      Kind = iota
	ArrayKind      // typsubscript is array_subscript_handler: not name, point or jsonb
	EnumKind
	DomainKind
	CompositeKind
	RangeKind
	MultirangeKind
)

// Type is what has to be known of a Postgres type to read its values. Types are
// shared and not changed once they are in use.
type Type struct {
	OID    uint32
	Schema string
	Name   string // as in pg_type: "int4", "_int4"
	Kind   Kind
	Length int16  // pg_type.typlen; -1 variable, -2 a C string
	Align  byte   // pg_type.typalign: c, s, i or d
	ByVal  bool   // pg_type.typbyval
	Delim  byte   // pg_type.typdelim, between the elements of an array of it; 0 is a comma
	Output uint32 // OID of its output function

	Elem   *Type             // of an array, domain (its base), range (subtype), multirange (its range)
	Labels map[uint32]string // of an enum, by the OIDs of pg_enum
	Fields []Field           // of a composite, dropped columns included
}

// Field is a column of a composite type.
type Field struct {
	Name    string
	Type    *Type // nil if dropped
	Typmod  int32
	Dropped bool
	Length  int16 // pg_attribute.attlen and attalign, which stay when it is dropped
	Align   byte
}

// complete tells whether all is known that t is made of. What is not is read as a
// string.
func (t *Type) complete() bool {
	switch t.Kind {
	case DomainKind, RangeKind:
		return t.Elem != nil
	case MultirangeKind:
		return t.Elem != nil && t.Elem.Elem != nil
	case ArrayKind:
		return t.element() != nil
	case CompositeKind:
		for k := range t.Fields {
			if f := &t.Fields[k]; f.Type == nil && !f.Dropped {
				return false
			}
		}
	}
	return true
}
