package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
	// Read, if not nil, gives Wasm when it is needed.
	Read func() ([]byte, error)
	// Rewritten, if not empty, is the SHA-256 of the module as it is compiled,
	// in hex: Wasm with all changes. By it a machine that keeps things finds
	// what it has made of the program before, and looks at Wasm no more; when it
	// does not, another sum is an error. A test has to compare it, since a
	// machine that has kept something would not notice a change of Wasm.
	Rewritten string
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
	// Countdown is wasmfile.Interposition's.
	Countdown *wasmfile.Countdown
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
	pages   codePages         // of code, when it was loaded
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
// cache. The error is ErrDamagedCode when that is damaged.
func (m *Machine) Compile(ctx context.Context, src Source) (*Program, error) {
	p := &Program{m: m, src: src, envHost: "env." + src.Name, libHost: "table." + src.Name}
	p.src.Wasm = nil
	hollow, err := m.keptHollow(&src)
	if err != nil {
		return nil, err
	}
	if hollow != nil {
		switch err := p.load(hollow); {
		case err == nil:
			return p, p.finish(ctx)
		case !errors.Is(err, errNoCode):
			return nil, err
		}
	}
	if src.Read != nil {
		if src.Wasm, err = src.Read(); err != nil {
			return nil, fmt.Errorf("runtime: %s: %w", src.Name, err)
		}
	}
	b, err := src.rewritten()
	if err != nil {
		return nil, err
	}
	if m.keeps(&src) {
		if hollow, err = m.keepHollow(ctx, &src, b); err == nil {
			err = p.load(hollow)
		}
	} else {
		err = p.compile(ctx, b)
	}
	if err != nil {
		return nil, err
	}
	return p, p.finish(ctx)
}

// Check tells whether the program can be rewritten, and has the sum that
// Rewritten says.
func (s *Source) Check() error {
	_, err := s.rewritten()
	return err
}

// rewritten is the module as it is compiled.
func (s *Source) rewritten() ([]byte, error) {
	orig, err := wasmfile.Parse(s.Wasm)
	if err != nil {
		return nil, fmt.Errorf("runtime: %s: %w", s.Name, err)
	}
	rw := wasmfile.Rewrite{
		OwnMemory: true,
		// Only amd64 needs this. What is compiled is the same everywhere, so
		// that images and caches are.
		IntegerSelect: true,
		Patches:       s.Patches,
		ImportModule: map[string]string{
			"env": "env." + s.Name, "wasi_snapshot_preview1": "wasi." + s.Name,
		},
	}
	slots := s.slots(orig)
	for _, t := range s.Takeovers {
		slot, ok := slots[t.By]
		if !ok {
			return nil, fmt.Errorf("runtime: %s: takeover of %q by unknown table function %q", s.Name, t.Export, t.By)
		}
		rw.Interpose = append(rw.Interpose, wasmfile.Interposition{Export: t.Export, Func: t.Func, Slot: slot, Mode: t.Mode, Countdown: t.Countdown})
	}
	for _, c := range s.Calls {
		k := slices.IndexFunc(s.Table, func(f TableFunc) bool { return f.Name == c.By })
		if k < 0 || !s.Table[k].Sig.Equal(wasmfile.Sig{}) {
			return nil, fmt.Errorf("runtime: %s: call %q of table function %q: not a function without parameters and result", s.Name, c.Name, c.By)
		}
		rw.Calls = append(rw.Calls, wasmfile.Call{Name: c.Name, Old: c.Old, Slot: slots[c.By]})
	}
	b, err := rw.Apply(s.Wasm)
	if err != nil {
		return nil, fmt.Errorf("runtime: %s: rewrite: %w", s.Name, err)
	}
	if sum := sha256.Sum256(b); s.Rewritten != "" && hex.EncodeToString(sum[:]) != s.Rewritten {
		return nil, fmt.Errorf("runtime: %s: rewritten, it has sha256 %x, not %s", s.Name, sum, s.Rewritten)
	}
	return b, nil
}

// slots are the table entries of the table functions, by name.
func (s *Source) slots(program *wasmfile.Module) map[string]uint32 {
	slots := map[string]uint32{}
	for k, f := range s.Table {
		slots[f.Name] = program.TableMin + uint32(k)
	}
	return slots
}

// compile compiles the rewritten module b, or takes its machine code from the
// cache. With an ended context it does the latter or fails: several workers look
// at it, a single one would not.
func (p *Program) compile(ctx context.Context, b []byte) (err error) {
	if p.info, err = wasmfile.Parse(b); err != nil {
		return fmt.Errorf("runtime: %s: rewritten: %w", p.src.Name, err)
	}
	p.table, p.slots = p.info.TableMin, p.src.slots(p.info)
	if p.code, err = p.m.wz.CompileModule(experimental.WithCompilationWorkers(ctx, max(p.m.workers, 2)), b); err != nil {
		return fmt.Errorf("runtime: compile %s: %w", p.src.Name, damaged(err))
	}
	return nil
}

// finish makes what a compiled program needs besides.
func (p *Program) finish(ctx context.Context) error {
	if err := p.bindImports(ctx); err != nil {
		return err
	}
	refs := make([]wasmfile.FuncRef, len(p.src.Table))
	for k, f := range p.src.Table {
		refs[k] = wasmfile.FuncRef{Module: p.libHost, Name: f.Name, Sig: f.Sig}
	}
	var err error
	p.adder, err = p.m.helper(ctx, wasmfile.TableAdder(mainModule, refs))
	return err
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
