package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// Source is a program before it is compiled.
type Source struct {
	Name string // names its host modules; unique in a Machine
	Wasm []byte
	// Table lists Go functions that every instance finds in its function
	// table, right after the program's own entries and in this order.
	Table []TableFunc
	// Takeovers puts functions of Table in the place of the program's own.
	Takeovers []Takeover
	// Patches are same-length changes of the code; see wasmfile.Patch.
	Patches []wasmfile.Patch
	// Calls are places inside of the program's functions at which functions
	// of Table are called.
	Calls []CallSite
	// MissingFunc answers a call of a function that a side module imports
	// and nobody has, from the list AllowMissing. It must not return.
	MissingFunc  func(i *Instance, name string)
	AllowMissing []string
}

// TableFunc is a Go function that the guest calls through its function table.
// Call gets the parameters in stack and leaves the result in stack[0]; it runs
// on the goroutine that runs the instance and may call into the guest.
type TableFunc struct {
	Name string
	Sig  wasmfile.Sig
	Call func(i *Instance, stack []uint64)
}

// Takeover replaces or precedes a function of the program by a function of
// Source.Table; see wasmfile.Mode for how.
type Takeover struct {
	Export string // the function by its export name,
	Func   uint32 // or by its index among the defined functions
	By     string // name of the TableFunc
	Mode   wasmfile.Mode
}

// CallSite makes a place in the code call a function of Source.Table that has
// neither parameters nor result; see wasmfile.Call for what Old must be.
type CallSite struct {
	Name string // for errors
	Old  []byte
	By   string // name of the TableFunc
}

// Program is a compiled main module.
type Program struct {
	m       *Machine
	src     Source
	info    *wasmfile.Module
	code    wazero.CompiledModule
	table   uint32            // index of the first TableFunc
	slots   map[string]uint32 // TableFunc name -> table index
	adder   wazero.CompiledModule
	envHost string // host module that holds the program's env functions
	libHost string // host module that holds the table functions
}

// maxMemoryPages bounds a program that brings no limit of its own: 2 GiB,
// Emscripten's MAXIMUM_MEMORY.
const maxMemoryPages = 32768

// Compile rewrites and compiles a program, or takes its machine code from the
// cache.
func (m *Machine) Compile(ctx context.Context, src Source) (*Program, error) {
	orig, err := wasmfile.Parse(src.Wasm)
	if err != nil {
		return nil, fmt.Errorf("runtime: %s: %w", src.Name, err)
	}
	p := &Program{
		m: m, src: src, table: orig.TableMin, slots: map[string]uint32{},
		envHost: "env." + src.Name, libHost: "table." + src.Name,
	}
	for k, f := range src.Table {
		p.slots[f.Name] = p.table + uint32(k)
	}
	rw := wasmfile.Rewrite{
		OwnMemory: true,
		// Only amd64 needs this. What is compiled is the same everywhere, so
		// that images and caches are.
		IntegerSelect: true,
		Patches:       src.Patches,
		ImportModule: map[string]string{
			"env": p.envHost, "wasi_snapshot_preview1": "wasi." + src.Name,
		},
	}
	for _, t := range src.Takeovers {
		slot, ok := p.slots[t.By]
		if !ok {
			return nil, fmt.Errorf("runtime: %s: takeover of %q by unknown table function %q", src.Name, t.Export, t.By)
		}
		rw.Interpose = append(rw.Interpose, wasmfile.Interposition{Export: t.Export, Func: t.Func, Slot: slot, Mode: t.Mode})
	}
	for _, c := range src.Calls {
		k := slices.IndexFunc(src.Table, func(f TableFunc) bool { return f.Name == c.By })
		if k < 0 || !src.Table[k].Sig.Equal(wasmfile.Sig{}) {
			return nil, fmt.Errorf("runtime: %s: call %q of table function %q: not a function without parameters and result", src.Name, c.Name, c.By)
		}
		rw.Calls = append(rw.Calls, wasmfile.Call{Name: c.Name, Old: c.Old, Slot: p.slots[c.By]})
	}
	b, err := rw.Apply(src.Wasm)
	if err != nil {
		return nil, fmt.Errorf("runtime: %s: rewrite: %w", src.Name, err)
	}
	if p.info, err = wasmfile.Parse(b); err != nil {
		return nil, fmt.Errorf("runtime: %s: rewritten: %w", src.Name, err)
	}
	p.src.Wasm = nil
	if err := p.bindImports(ctx); err != nil {
		return nil, err
	}
	if p.code, err = m.wz.CompileModule(experimental.WithCompilationWorkers(ctx, m.workers), b); err != nil {
		return nil, fmt.Errorf("runtime: compile %s: %w", src.Name, err)
	}
	refs := make([]wasmfile.FuncRef, len(src.Table))
	for k, f := range src.Table {
		refs[k] = wasmfile.FuncRef{Module: p.libHost, Name: f.Name, Sig: f.Sig}
	}
	if p.adder, err = m.helper(ctx, wasmfile.TableAdder(mainModule, refs)); err != nil {
		return nil, err
	}
	return p, nil
}

// Close frees the program's machine code. All its instances must be closed
// before; a Machine that closes frees its programs, too.
func (p *Program) Close(ctx context.Context) error {
	if err := p.code.Close(ctx); err != nil {
		return fmt.Errorf("runtime: close %s: %w", p.src.Name, err)
	}
	return nil
}

// mainModule is the name under which helper and side modules import what the
// program exports.
const mainModule = "main"

// bindImports registers a host function for every import of the program.
func (p *Program) bindImports(ctx context.Context) error {
	byModule := map[string][]hostExport{}
	for _, im := range p.info.Imports {
		if im.Kind != wasmfile.KindFunc {
			return fmt.Errorf("runtime: %s imports %s.%s, which is no function", p.src.Name, im.Module, im.Name)
		}
		byModule[im.Module] = append(byModule[im.Module], hostExport{im.Name, im.Sig, p.m.bind(im)})
	}
	for mod, fns := range byModule {
		if err := p.m.hostModule(ctx, mod, fns); err != nil {
			return err
		}
	}
	var fns []hostExport
	for _, f := range p.src.Table {
		fns = append(fns, hostExport{f.Name, f.Sig, f.Call})
	}
	if len(fns) == 0 {
		return nil
	}
	return p.m.hostModule(ctx, p.libHost, fns)
}

// bind finds the host function for an import.
func (m *Machine) bind(im wasmfile.Import) hostFunc {
	if strings.HasPrefix(im.Name, "invoke_") {
		return m.invoke(im.Sig)
	}
	if f, ok := hostFunctions[im.Name]; ok {
		return f
	}
	return func(_ *Instance, s []uint64) {
		if len(im.Sig.Results) > 0 {
			s[0] = notImplemented(im)
		}
	}
}

// notImplemented is the answer of an import without an implementation: errno
// for a WASI function, −errno for all others.
func notImplemented(im wasmfile.Import) uint64 {
	if strings.HasPrefix(im.Module, "wasi") {
		return uint64(eNOSYS)
	}
	return eNOSYS.result()
}

// Slot is the table index of a TableFunc.
func (p *Program) Slot(name string) (uint32, bool) {
	s, ok := p.slots[name]
	return s, ok
}
