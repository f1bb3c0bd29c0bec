package wasmfile

import "bytes"

// ValType is the byte that stands for a type of value. The numbers are those
// of wazero's api.ValueType.
type ValType = byte

// The types of values.
const (
	I32       ValType = 0x7f
	I64       ValType = 0x7e
	F32       ValType = 0x7d
	F64       ValType = 0x7c
	V128      ValType = 0x7b
	RefFunc   ValType = 0x70
	RefExtern ValType = 0x6f
)

// Kind says what is imported or exported.
type Kind byte

// The kinds of imports and exports, with their bytes in the format.
const (
	KindFunc   Kind = 0
	KindTable  Kind = 1
	KindMemory Kind = 2
	KindGlobal Kind = 3
	KindTag    Kind = 4
)

func (k Kind) String() string {
	switch k {
	case KindFunc:
		return "function"
	case KindTable:
		return "table"
	case KindMemory:
		return "memory"
	case KindGlobal:
		return "global"
	case KindTag:
		return "tag"
	}
	return "unknown kind"
}

// Sig is the signature of a function.
type Sig struct{ Params, Results []ValType }

// Key is a string that is the same for equal signatures only: parameters and
// results in the letters of Emscripten (i32 i, i64 j, f32 f, f64 d, v128 V,
// funcref p, externref e), for example "ii_i".
func (s Sig) Key() string {
	k := make([]byte, 0, len(s.Params)+1+len(s.Results))
	for _, t := range s.Params {
		k = append(k, letter(t))
	}
	k = append(k, '_')
	for _, t := range s.Results {
		k = append(k, letter(t))
	}
	return string(k)
}

func letter(t ValType) byte {
	switch t {
	case I32:
		return 'i'
	case I64:
		return 'j'
	case F32:
		return 'f'
	case F64:
		return 'd'
	case V128:
		return 'V'
	case RefFunc:
		return 'p'
	case RefExtern:
		return 'e'
	}
	return '?'
}

// Equal reports whether both take and give the same types.
func (s Sig) Equal(o Sig) bool {
	return bytes.Equal(s.Params, o.Params) && bytes.Equal(s.Results, o.Results)
}

func (s Sig) String() string { return s.Key() }

// Limits bound the size of a table in entries or of a memory in pages of
// 65,536 bytes.
type Limits struct {
	Min, Max uint32 // Max counts only when HasMax
	HasMax   bool
	Shared   bool // memories: may be used by several threads
}

// Import is something that a module takes from another.
type Import struct {
	Module, Name string
	Kind         Kind
	Sig          Sig     // of a function or tag
	Type         ValType // of a global, or of a table's entries
	Mutable      bool    // of a global
	Limits       Limits  // of a table or memory
}

// FuncRef names a function of another module.
type FuncRef struct {
	Module, Name string
	Sig          Sig
}

// Export is something that a module offers; Index counts the things of its
// kind, imported ones first.
type Export struct {
	Kind  Kind
	Index uint32
}

// Dylink is what a shared library says to its linker in "dylink.0".
type Dylink struct {
	MemSize    uint32 // bytes of linear memory it needs at __memory_base
	MemAlign   uint32 // as an exponent of 2
	TableSize  uint32 // table entries it needs at __table_base
	TableAlign uint32 // as an exponent of 2
	Needed     []string
	Weak       map[string]bool // imports that may stay undefined, by name
}

// Module is what is known of a module; the code is not kept. It is read-only
// and may be shared by goroutines.
type Module struct {
	Imports     []Import
	Exports     map[string]Export
	ExportOrder []string
	Tables      []Limits // imported ones first
	TableMin    uint32   // entries that table 0 starts with; 0 without a table
	Memories    []Limits // imported ones first
	Start       *uint32  // function that runs at instantiation
	Dylink      *Dylink  // nil when the module is not a shared library

	types      []Sig
	funcs      []uint32 // type of each function, imported ones first
	globals    []global // imported ones first
	tags       uint32
	numImports [5]uint32         // by Kind
	slots      map[uint32]uint32 // function → index in table 0
}

type global struct {
	typ      ValType
	mutable  bool
	imported bool
	name     string // "module.name" of an imported one
	init     constant
}

// NumFuncs is the number of functions, imported ones included.
func (m *Module) NumFuncs() uint32 { return uint32(len(m.funcs)) }

// NumImports is the number of imports of a kind.
func (m *Module) NumImports(k Kind) uint32 {
	if int(k) >= len(m.numImports) {
		return 0
	}
	return m.numImports[k]
}

// NumGlobals is the number of globals, imported ones included, and how many of
// all are mutable.
func (m *Module) NumGlobals() (all, mutable int) {
	for _, g := range m.globals {
		if g.mutable {
			mutable++
		}
	}
	return len(m.globals), mutable
}

// FuncSig is the signature of a function, imported ones counted first. The
// index must be below NumFuncs; every index in Exports of a function is.
func (m *Module) FuncSig(index uint32) Sig { return m.types[m.funcs[index]] }

// ExportedFunc gives the index of an exported function.
func (m *Module) ExportedFunc(name string) (uint32, bool) {
	e, ok := m.Exports[name]
	return e.Index, ok && e.Kind == KindFunc
}

// TableIndex is the lowest entry of table 0 that an active element segment
// fills with the function: absolute in a program, relative to __table_base in
// a shared library. Function pointers in the module's data have this value.
func (m *Module) TableIndex(funcIndex uint32) (uint32, bool) {
	i, ok := m.slots[funcIndex]
	return i, ok
}

// DataAddress is the address of an exported variable of C: the value of an
// exported constant i32 global, absolute in a program, relative to
// __memory_base in a shared library.
func (m *Module) DataAddress(name string) (uint32, bool) {
	e, ok := m.Exports[name]
	if !ok || e.Kind != KindGlobal {
		return 0, false
	}
	g := m.globals[e.Index]
	if g.imported || g.mutable || g.typ != I32 || g.init.kind != constI32 || g.init.base != "" {
		return 0, false
	}
	return g.init.value, true
}
