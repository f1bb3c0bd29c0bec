package wasmfile

// functionTable is Emscripten's name of the table of function pointers.
const functionTable = "__indirect_function_table"

// TableAdder builds a module that gives functions an address: it imports them
// and, from the module named main, the function table, and exports
//
//	put(base i32)        stores the k-th function at base+k
//	grow(n i32) → i32    grows the table by n null entries; the former size, or -1
func TableAdder(main string, refs []FuncRef) []byte {
	var b Builder
	funcs := make([]uint32, len(refs))
	for k, r := range refs {
		funcs[k] = b.ImportFunc(r.Module, r.Name, r.Sig)
	}
	b.ImportTable(main, functionTable, Limits{})
	var put Code
	for k, f := range funcs {
		put = put.LocalGet(0).I32Const(uint32(k)).I32Add().RefFunc(f).TableSet()
	}
	if len(funcs) > 0 {
		b.Declare(funcs...)
	}
	b.Export("put", KindFunc, b.Func(Sig{Params: []ValType{I32}}, put))
	grow := Code(nil).RefNullFunc().LocalGet(0).TableGrow()
	b.Export("grow", KindFunc, b.Func(Sig{Params: []ValType{I32}, Results: []ValType{I32}}, grow))
	return b.Bytes()
}

// Trampoline builds a module that calls function pointers of one signature: it
// imports, from the module named main, the function table, and exports
//
//	call(index i32, params…) → results…
func Trampoline(main string, s Sig) []byte {
	var b Builder
	b.ImportTable(main, functionTable, Limits{})
	var c Code
	for i := range s.Params {
		c = c.LocalGet(uint32(i) + 1)
	}
	c = c.LocalGet(0).CallIndirect(b.Type(s))
	outer := Sig{Params: append([]ValType{I32}, s.Params...), Results: s.Results}
	b.Export("call", KindFunc, b.Func(outer, c))
	return b.Bytes()
}

// Constants builds a module that exports constant i32 globals, values[k] under
// names[k]: a "GOT.mem" or "GOT.func" for a shared library whose imports are
// sealed ([Rewrite].SealGOT). Names are distinct.
func Constants(names []string, values []uint32) []byte {
	var b Builder
	for k, name := range names {
		b.Export(name, KindGlobal, b.GlobalI32(values[k], false))
	}
	return b.Bytes()
}

// Facade builds a module that offers, under names of its own, what other
// modules define: the "env" of a shared library. Calling a function through it
// costs nothing extra.
type Facade struct {
	// Main is the module that Table, Memory, Globals and Indirect come from.
	Main     string
	Funcs    []FacadeFunc
	Indirect []IndirectFunc
	Table    bool // offer the function table
	// MemoryMax, when not 0, offers main's memory, whose maximum in pages is
	// at most this.
	MemoryMax uint32
	Globals   []string // mutable i32 globals of main, like "__stack_pointer"
	Constants []Constant
}

// FacadeFunc offers a function under a name.
type FacadeFunc struct {
	Name string
	From FuncRef
}

// IndirectFunc offers, under a name, the function at an entry of the function
// table, which may be stored later.
type IndirectFunc struct {
	Name string
	Sig  Sig
	Slot uint32
}

// Constant is a constant i32 global.
type Constant struct {
	Name  string
	Value uint32
}

// Bytes gives the module.
func (f Facade) Bytes() []byte {
	var b Builder
	for _, fn := range f.Funcs {
		b.Export(fn.Name, KindFunc, b.ImportFunc(fn.From.Module, fn.From.Name, fn.From.Sig))
	}
	if f.Table || len(f.Indirect) > 0 {
		t := b.ImportTable(f.Main, functionTable, Limits{})
		if f.Table {
			b.Export(functionTable, KindTable, t)
		}
	}
	if f.MemoryMax > 0 {
		l := Limits{Max: f.MemoryMax, HasMax: true}
		b.Export("memory", KindMemory, b.ImportMemory(f.Main, "memory", l))
	}
	for _, name := range f.Globals {
		b.Export(name, KindGlobal, b.ImportGlobal(f.Main, name, I32, true))
	}
	for _, c := range f.Constants {
		b.Export(c.Name, KindGlobal, b.GlobalI32(c.Value, false))
	}
	for _, fn := range f.Indirect {
		c := Code(nil).params(len(fn.Sig.Params)).I32Const(fn.Slot).CallIndirect(b.Type(fn.Sig))
		b.Export(fn.Name, KindFunc, b.Func(fn.Sig, c))
	}
	return b.Bytes()
}
