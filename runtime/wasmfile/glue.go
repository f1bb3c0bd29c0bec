package wasmfile

// Names that the modules below import and export.
const (
	// MainModule is the module name of the program whose table is used.
	MainModule = "main"
	// FunctionTable is Emscripten's name of the table of function pointers.
	FunctionTable = "__indirect_function_table"
	// TrampolineCall is the export of [Trampoline].
	TrampolineCall = "call"
	// TablePut and TableGrow are the exports of [TableWriter].
	TablePut  = "put"
	TableGrow = "grow"
)

// Ref names a function of another module.
type Ref struct {
	Module, Name string
	Sig          Sig
}

// TableWriter builds a module that gives functions an address: it imports them
// and the program's table, and exports
//
//	put(base i32)        stores the k-th function at base+k
//	grow(n i32) → i32    grows the table by n null entries; the former size, or -1
func TableWriter(refs []Ref) []byte {
	var b Builder
	funcs := make([]uint32, len(refs))
	for k, r := range refs {
		funcs[k] = b.ImportFunc(r.Module, r.Name, r.Sig)
	}
	b.ImportTable(MainModule, FunctionTable, Limits{})
	var put Code
	for k, f := range funcs {
		put = put.LocalGet(0).I32Const(uint32(k)).I32Add().RefFunc(f).TableSet()
	}
	if len(funcs) > 0 {
		b.Declare(funcs...)
	}
	b.Export(TablePut, Func, b.Func(Sig{Params: []ValType{I32}}, put))
	grow := Code(nil).RefNullFunc().LocalGet(0).TableGrow()
	b.Export(TableGrow, Func, b.Func(Sig{Params: []ValType{I32}, Results: []ValType{I32}}, grow))
	return b.Bytes()
}

// Trampoline builds a module that calls function pointers of one signature: it
// imports the program's table and exports
//
//	call(index i32, params…) → results…
func Trampoline(s Sig) []byte {
	var b Builder
	b.ImportTable(MainModule, FunctionTable, Limits{})
	var c Code
	for i := range s.Params {
		c = c.LocalGet(uint32(i) + 1)
	}
	c = c.LocalGet(0).CallIndirect(b.Type(s))
	outer := Sig{Params: append([]ValType{I32}, s.Params...), Results: s.Results}
	b.Export(TrampolineCall, Func, b.Func(outer, c))
	return b.Bytes()
}

// Constants builds a module that exports constant i32 globals, values[k] under
// names[k]: a "GOT.mem" or "GOT.func" for a shared library whose imports are
// sealed ([Rewrite].SealGOT). Names are distinct.
func Constants(names []string, values []uint32) []byte {
	var b Builder
	for k, name := range names {
		b.Export(name, Global, b.GlobalI32(values[k], false))
	}
	return b.Bytes()
}

// Facade builds a module that offers, under names of its own, what other
// modules define: the "env" of a program or of a shared library. Calling a
// function through it costs nothing extra.
type Facade struct {
	Funcs    []FacadeFunc
	Indirect []IndirectFunc
	// Table re-exports the program's function table.
	Table bool
	// Memory re-exports, as "memory", the memory of a module of that name.
	// The limits are the widest that is accepted.
	Memory string
	// MemoryMax is the maximum of that memory in pages.
	MemoryMax uint32
	// Globals are mutable i32 globals of the program, like
	// "__stack_pointer".
	Globals   []string
	Constants []Constant
}

// FacadeFunc offers a function under a name.
type FacadeFunc struct {
	Name string
	From Ref
}

// IndirectFunc offers, under a name, the function at an entry of the program's
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
		b.Export(fn.Name, Func, b.ImportFunc(fn.From.Module, fn.From.Name, fn.From.Sig))
	}
	if f.Table || len(f.Indirect) > 0 {
		t := b.ImportTable(MainModule, FunctionTable, Limits{})
		if f.Table {
			b.Export(FunctionTable, Table, t)
		}
	}
	if f.Memory != "" {
		l := Limits{Max: f.MemoryMax, HasMax: true}
		b.Export("memory", Memory, b.ImportMemory(f.Memory, "memory", l))
	}
	for _, name := range f.Globals {
		b.Export(name, Global, b.ImportGlobal(MainModule, name, I32, true))
	}
	for _, c := range f.Constants {
		b.Export(c.Name, Global, b.GlobalI32(c.Value, false))
	}
	for _, fn := range f.Indirect {
		c := Code(nil).params(len(fn.Sig.Params)).I32Const(fn.Slot).CallIndirect(b.Type(fn.Sig))
		b.Export(fn.Name, Func, b.Func(fn.Sig, c))
	}
	return b.Bytes()
}
