package wasmfile

// Builder writes a small module. The zero value is an empty one. Imports of a
// kind come before definitions of it, since they share their indices; a
// Builder panics when that order is broken. Table and memory are at most one
// each.
type Builder struct {
	types    []Sig
	byKey    map[string]uint32
	imports  [][]byte
	count    [4]uint32 // by Kind, imports included
	defined  [4]uint32 // of these, defined here
	funcs    [][]byte
	bodies   [][]byte
	table    []byte
	memory   []byte
	globals  [][]byte
	exports  [][]byte
	elements [][]byte
}

// Type gives the index of a function type.
func (b *Builder) Type(s Sig) uint32 {
	k := s.Key()
	if i, ok := b.byKey[k]; ok {
		return i
	}
	if b.byKey == nil {
		b.byKey = map[string]uint32{}
	}
	i := uint32(len(b.types))
	b.byKey[k] = i
	b.types = append(b.types, s)
	return i
}

func (b *Builder) imported(module, name string, k Kind, desc []byte) uint32 {
	if b.defined[k] > 0 {
		panic("wasmfile: import of a " + k.String() + " behind a definition")
	}
	im := append(appendName(appendName(nil, module), name), byte(k))
	b.imports = append(b.imports, append(im, desc...))
	b.count[k]++
	return b.count[k] - 1
}

func (b *Builder) define(k Kind) uint32 {
	b.defined[k]++
	b.count[k]++
	return b.count[k] - 1
}

// ImportFunc imports a function and gives its index.
func (b *Builder) ImportFunc(module, name string, s Sig) uint32 {
	return b.imported(module, name, KindFunc, appendU32(nil, b.Type(s)))
}

// ImportTable imports a table of functions and gives its index.
func (b *Builder) ImportTable(module, name string, l Limits) uint32 {
	return b.imported(module, name, KindTable, appendLimits([]byte{RefFunc}, l))
}

// ImportMemory imports a memory and gives its index.
func (b *Builder) ImportMemory(module, name string, l Limits) uint32 {
	return b.imported(module, name, KindMemory, appendLimits(nil, l))
}

// ImportGlobal imports a global and gives its index.
func (b *Builder) ImportGlobal(module, name string, t ValType, mutable bool) uint32 {
	return b.imported(module, name, KindGlobal, []byte{t, mutability(mutable)})
}

func mutability(mutable bool) byte {
	if mutable {
		return 1
	}
	return 0
}

// Func defines a function and gives its index.
func (b *Builder) Func(s Sig, c Code) uint32 {
	b.funcs = append(b.funcs, appendU32(nil, b.Type(s)))
	b.bodies = append(b.bodies, c.body(0))
	return b.define(KindFunc)
}

// Table defines a table of functions and gives its index.
func (b *Builder) Table(l Limits) uint32 {
	b.table = appendLimits([]byte{RefFunc}, l)
	return b.define(KindTable)
}

// Memory defines a memory and gives its index.
func (b *Builder) Memory(l Limits) uint32 {
	b.memory = appendLimits(nil, l)
	return b.define(KindMemory)
}

// GlobalI32 defines a global and gives its index.
func (b *Builder) GlobalI32(value uint32, mutable bool) uint32 {
	g := append([]byte{I32, mutability(mutable)}, Code(nil).I32Const(value)...)
	b.globals = append(b.globals, append(g, opEnd))
	return b.define(KindGlobal)
}

// Elements fills table 0 from offset on at instantiation.
func (b *Builder) Elements(offset uint32, funcs ...uint32) {
	seg := append([]byte{0}, Code(nil).I32Const(offset)...)
	b.elements = append(b.elements, appendIndices(append(seg, opEnd), funcs))
}

// ElementsAt is Elements with an offset from a global: of a shared library,
// __table_base.
func (b *Builder) ElementsAt(global uint32, funcs ...uint32) {
	seg := appendU32([]byte{0, opGlobalGet}, global)
	b.elements = append(b.elements, appendIndices(append(seg, opEnd), funcs))
}

// Declare lets [Code.RefFunc] name functions.
func (b *Builder) Declare(funcs ...uint32) {
	b.elements = append(b.elements, appendIndices([]byte{3, 0}, funcs))
}

func appendIndices(p []byte, indices []uint32) []byte {
	p = appendU32(p, uint32(len(indices)))
	for _, i := range indices {
		p = appendU32(p, i)
	}
	return p
}

// Export offers something under a name.
func (b *Builder) Export(name string, k Kind, index uint32) {
	ex := append(appendName(nil, name), byte(k))
	b.exports = append(b.exports, appendU32(ex, index))
}

// SharedLibrary gives the module as a shared library.
func (b *Builder) SharedLibrary(d Dylink) []byte {
	content := d.appendTo(appendName(nil, "dylink.0"))
	out := appendSection([]byte(header), secCustom, content)
	return append(out, b.Bytes()[len(header):]...)
}

// Bytes gives the module.
func (b *Builder) Bytes() []byte {
	var types, tables, memories [][]byte
	for _, s := range b.types {
		types = append(types, appendSig(nil, s))
	}
	if b.table != nil {
		tables = [][]byte{b.table}
	}
	if b.memory != nil {
		memories = [][]byte{b.memory}
	}
	out := []byte(header)
	for _, s := range []struct {
		id      sectionID
		entries [][]byte
	}{
		{secType, types}, {secImport, b.imports}, {secFunc, b.funcs}, {secTable, tables},
		{secMemory, memories}, {secGlobal, b.globals}, {secExport, b.exports},
		{secElement, b.elements}, {secCode, b.bodies},
	} {
		if len(s.entries) == 0 {
			continue
		}
		content := appendU32(nil, uint32(len(s.entries)))
		for _, entry := range s.entries {
			content = append(content, entry...)
		}
		out = appendSection(out, s.id, content)
	}
	return out
}
