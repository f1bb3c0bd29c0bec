package wasmfile

import "bytes"

// Parse reads what a host needs to know of a module. Errors are a
// *FormatError. Reference types, bulk memory, SIMD, threads, tail calls,
// exceptions and extended constants are understood; several memories, 64-bit
// memories and garbage collection are refused.
func Parse(b []byte) (*Module, error) {
	secs, err := splitSections(b)
	if err != nil {
		return nil, err
	}
	p := parser{m: &Module{Exports: map[string]Export{}, slots: map[uint32]uint32{}}}
	for _, s := range secs {
		if err := p.section(s); err != nil {
			return nil, err
		}
	}
	if p.bodies != len(p.m.funcs)-int(p.m.numImports[KindFunc]) {
		return nil, &FormatError{Section: secCode.String(), Offset: len(b), Err: errBodies}
	}
	if len(p.m.Tables) > 0 {
		p.m.TableMin = p.m.Tables[0].Min
	}
	return p.m, nil
}

type parser struct {
	m      *Module
	bodies int
}

func (p *parser) section(s section) error {
	r := s.reader()
	switch s.id {
	case secCustom:
		if name := r.name(); name == "dylink.0" {
			p.m.Dylink = r.dylink()
		} else {
			r.pos = len(r.b)
		}
	case secType:
		for n := r.count(3); n > 0; n-- {
			p.m.types = append(p.m.types, r.sig())
		}
	case secImport:
		p.imports(r)
	case secFunc:
		for n := r.count(1); n > 0; n-- {
			p.m.funcs = append(p.m.funcs, p.typeIndex(r))
		}
	case secTable:
		p.tables(r)
	case secMemory:
		for n := r.count(2); n > 0; n-- {
			p.m.Memories = append(p.m.Memories, r.limits())
		}
	case secTag:
		for n := r.count(2); n > 0; n-- {
			r.byte()
			p.typeIndex(r)
			p.m.tags++
		}
	case secGlobal:
		for n := r.count(3); n > 0; n-- {
			g := global{typ: r.valType(), mutable: r.mutability()}
			g.init = p.constant(r)
			p.m.globals = append(p.m.globals, g)
		}
	case secExport:
		p.exports(r)
	case secStart:
		i := p.funcIndex(r)
		p.m.Start = &i
	case secElement:
		p.elements(r)
	case secCode:
		p.bodies = r.count(1)
		for n := p.bodies; n > 0; n-- {
			r.take(r.u32())
		}
	case secDataCount, secData:
		r.pos = len(r.b)
	}
	if len(p.m.Memories) > 1 {
		r.failf("several memories")
	}
	return r.end()
}

func (r *reader) valType() ValType {
	t := r.byte()
	if letter(t) == '?' {
		r.failf("unknown type of value %#x", t)
	}
	return t
}

func (r *reader) refType() ValType {
	t := r.byte()
	if t != RefFunc && t != RefExtern {
		r.failf("unknown type of reference %#x", t)
	}
	return t
}

func (r *reader) mutability() bool {
	c := r.byte()
	if c > 1 {
		r.failf("unknown mutability %#x", c)
	}
	return c == 1
}

func (r *reader) sig() Sig {
	if form := r.byte(); form != formFunc {
		r.failf("type of form %#x, not a function", form)
	}
	return Sig{Params: r.valTypes(), Results: r.valTypes()}
}

func (r *reader) valTypes() []ValType {
	ts := r.take(r.u32())
	for _, t := range ts {
		if letter(t) == '?' {
			r.failf("unknown type of value %#x", t)
		}
	}
	return bytes.Clone(ts)
}

func (p *parser) typeIndex(r *reader) uint32 {
	i := r.u32()
	if int64(i) >= int64(len(p.m.types)) {
		r.failf("no type %d", i)
		return 0
	}
	return i
}

func (p *parser) funcIndex(r *reader) uint32 {
	i := r.u32()
	if int64(i) >= int64(len(p.m.funcs)) {
		r.failf("no function %d", i)
		return 0
	}
	return i
}

func (p *parser) imports(r *reader) {
	for n := r.count(4); n > 0 && r.err == nil; n-- {
		im := Import{Module: r.name(), Name: r.name(), Kind: Kind(r.byte())}
		switch im.Kind {
		case KindFunc:
			t := p.typeIndex(r)
			p.m.funcs = append(p.m.funcs, t)
			im.Sig = p.sigOf(t)
		case KindTable:
			im.Type, im.Limits = r.refType(), r.limits()
			p.m.Tables = append(p.m.Tables, im.Limits)
		case KindMemory:
			im.Limits = r.limits()
			p.m.Memories = append(p.m.Memories, im.Limits)
		case KindGlobal:
			im.Type, im.Mutable = r.valType(), r.mutability()
			p.m.globals = append(p.m.globals, global{typ: im.Type, mutable: im.Mutable, imported: true, name: im.Module + "." + im.Name})
		case KindTag:
			r.byte()
			im.Sig = p.sigOf(p.typeIndex(r))
			p.m.tags++
		default:
			r.failf("unknown kind of import %d", im.Kind)
			return
		}
		p.m.numImports[im.Kind]++
		p.m.Imports = append(p.m.Imports, im)
	}
}

// sigOf is safe after typeIndex has failed in a module without types.
func (p *parser) sigOf(t uint32) Sig {
	if len(p.m.types) == 0 {
		return Sig{}
	}
	return p.m.types[t]
}

func (p *parser) tables(r *reader) {
	for n := r.count(3); n > 0 && r.err == nil; n-- {
		// 0x40 0x00 announces a table with an initial value.
		init := r.left() > 0 && r.b[r.pos] == 0x40
		if init {
			r.take(2)
		}
		r.refType()
		p.m.Tables = append(p.m.Tables, r.limits())
		if init {
			p.constant(r)
		}
	}
}

func (p *parser) exports(r *reader) {
	for n := r.count(3); n > 0 && r.err == nil; n-- {
		name := r.name()
		e := Export{Kind: Kind(r.byte()), Index: r.u32()}
		var have int
		switch e.Kind {
		case KindFunc:
			have = len(p.m.funcs)
		case KindTable:
			have = len(p.m.Tables)
		case KindMemory:
			have = len(p.m.Memories)
		case KindGlobal:
			have = len(p.m.globals)
		case KindTag:
			have = int(p.m.tags)
		}
		if r.err == nil && int64(e.Index) >= int64(have) {
			r.failf("export %q: no %v %d", name, e.Kind, e.Index)
		}
		if _, twice := p.m.Exports[name]; twice {
			r.failf("export %q is repeated", name)
		}
		if r.err == nil {
			p.m.Exports[name] = e
			p.m.ExportOrder = append(p.m.ExportOrder, name)
		}
	}
}
