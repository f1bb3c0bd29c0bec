package runtime

import (
	"context"
	"fmt"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// Machine is one wazero runtime: compiled programs, side modules and helper
// modules, shared by all instances made from it. Its methods may be called
// from any goroutine.
type Machine struct {
	wz    wazero.Runtime
	cache wazero.CompilationCache

	o       MachineOptions
	workers int

	mu    sync.Mutex
	host  map[string]bool                    // names of host modules that are registered
	small map[string]wazero.CompiledModule   // helper modules by their bytes
	sides map[sideKey]*sideModule            // side modules by content
	sigs  map[string]int                     // signature key -> index of its trampoline
	tramp []wasmfile.Sig                     // signatures by that index
	funcs map[string]map[string]wasmfile.Sig // host module -> function -> signature
}

// MachineOptions configures a Machine.
type MachineOptions struct {
	// CompileCache is a folder that keeps machine code between runs; "" keeps
	// none. Machine code is executed: the folder must be nobody else's.
	CompileCache string
	// Keep keeps data for Kept of this machine and later ones, which is given
	// the same key; the error is fs.ErrNotExist when nothing is kept by it. What
	// they keep is trusted as the machine code is. With both, and CompileCache,
	// programs whose [Source] has Rewritten are loaded without their code being
	// read (hollow.go). While a program is compiled no other machine may compile
	// into the same folder.
	Keep func(key string, data []byte) error
	Kept func(key string) ([]byte, error)
	// Workers is how many goroutines compile one module; 0 is 1.
	Workers int
}

// config is how modules are compiled, part of the name of their machine code.
func config() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesThreads | experimental.CoreFeaturesTailCall)
}

// NewMachine makes an empty machine.
func NewMachine(ctx context.Context, o MachineOptions) (*Machine, error) {
	cfg := config()
	m := &Machine{
		o:       o,
		workers: max(o.Workers, 1),
		host:    map[string]bool{},
		small:   map[string]wazero.CompiledModule{},
		sides:   map[sideKey]*sideModule{},
		sigs:    map[string]int{},
		funcs:   map[string]map[string]wasmfile.Sig{},
	}
	if o.CompileCache != "" {
		c, err := wazero.NewCompilationCacheWithDir(o.CompileCache)
		if err != nil {
			return nil, fmt.Errorf("runtime: machine code cache: %w", err)
		}
		m.cache = c
		cfg = cfg.WithCompilationCache(c)
	}
	m.wz = wazero.NewRuntimeWithConfig(ctx, cfg)
	return m, nil
}

// Close frees the machine code. Every Instance must be closed before.
func (m *Machine) Close(ctx context.Context) error {
	err := m.wz.Close(ctx)
	if m.cache != nil {
		if e := m.cache.Close(ctx); err == nil {
			err = e
		}
	}
	return err
}

// helper compiles a small module of the host's own once.
func (m *Machine) helper(ctx context.Context, b []byte) (wazero.CompiledModule, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.small[string(b)]; c != nil {
		return c, nil
	}
	c, err := m.wz.CompileModule(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("runtime: compile helper module: %w", err)
	}
	m.small[string(b)] = c
	return c, nil
}

// hostModule registers fns under a name once; later calls with the same name
// do nothing.
func (m *Machine) hostModule(ctx context.Context, name string, fns []hostExport) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.host[name] {
		return nil
	}
	b := m.wz.NewHostModuleBuilder(name)
	sigs := map[string]wasmfile.Sig{}
	for _, f := range fns {
		sigs[f.name] = f.sig
		b.NewFunctionBuilder().WithGoFunction(f.fn, f.sig.Params, f.sig.Results).WithName(f.name).Export(f.name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("runtime: register host functions of %s: %w", name, err)
	}
	m.host[name], m.funcs[name] = true, sigs
	return nil
}

// hostExport is one function of a host module.
type hostExport struct {
	name string
	sig  wasmfile.Sig
	fn   hostFunc
}

// trampoline numbers a signature; an instance keeps its trampolines by that
// number (see invoke.go).
func (m *Machine) trampoline(s wasmfile.Sig) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := s.Key()
	if i, ok := m.sigs[k]; ok {
		return i
	}
	m.sigs[k] = len(m.tramp)
	m.tramp = append(m.tramp, s)
	return len(m.tramp) - 1
}

func (m *Machine) trampolineSig(i int) wasmfile.Sig {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tramp[i]
}
