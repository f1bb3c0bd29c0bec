package wasmfile

import "errors"

var errBodies = errors.New("functions and their bodies differ in number")

// tableBase is the import that a shared library's element segments start at.
const tableBase = "env.__table_base"

// elements reads element segments and notes which entries of table 0 the
// active ones fill. The low bits of a segment's flags say passive or
// declarative (1), explicit table or declarative (2), expressions instead of
// function indices (4).
func (p *parser) elements(r *reader) {
	for n := r.count(2); n > 0 && r.err == nil; n-- {
		flags := r.u32()
		if flags > 7 {
			r.failf("unknown element segment %#x", flags)
			return
		}
		active := flags&1 == 0
		table := uint32(0)
		var offset constant
		if active {
			if flags&2 != 0 {
				table = r.u32()
			}
			offset = p.constant(r)
		}
		expressions := flags&4 != 0
		if flags&3 != 0 {
			if expressions {
				r.refType()
			} else if kind := r.byte(); kind != 0 {
				r.failf("unknown kind of element %#x", kind)
			}
		}
		known := active && table == 0 && offset.kind == constI32 && (offset.base == "" || offset.base == tableBase)
		count := r.count(1)
		for i := 0; i < count && r.err == nil; i++ {
			f := constant{kind: constFunc}
			if expressions {
				f = p.constant(r)
			} else {
				f.value = p.funcIndex(r)
			}
			if !known || f.kind != constFunc || r.err != nil {
				continue
			}
			if _, have := p.m.slots[f.value]; !have {
				p.m.slots[f.value] = offset.value + uint32(i)
			}
		}
	}
}
