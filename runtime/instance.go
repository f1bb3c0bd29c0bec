package runtime

import (
	"context"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/howdahdb/howdah/runtime/linear"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// Process is what an instance is given by its host, as a process by its
// kernel.
type Process struct {
	FS     *vfs.Namespace
	Env    []string // NAME=value
	Dir    string   // working directory; "" is "/"
	Stdin  vfs.File // nil is an empty input
	Stdout func(p []byte)
	Stderr func(p []byte)
	// Log gets what goes wrong without the guest being told; may be nil.
	Log func(msg string)
	// Alarm is called on a goroutine of its own when the interval timer is
	// due; the owner of the instance then calls [Instance.FireTimer] at the
	// next safe point. nil: timers never fire.
	Alarm func()
	// Blocking is given the system calls that wait for a disk: fsync and
	// fdatasync. It calls do once, on the guest's goroutine, before it
	// returns, and may let others use what the instance shares with them
	// while do runs: do touches nothing of the instance. nil: do is called
	// as it is.
	Blocking func(do func())
	// Wrote is called after each write to a file, on the guest's goroutine:
	// there may be many without another system call, as when a database
	// writes its cache out. It may let others use what the instance shares
	// with them before it returns. nil: nothing is called.
	Wrote func()
	// Data is the owner's: table functions find it here.
	Data any
}

// Instance is one process of a Program. See the package comment for which
// goroutine may use it.
type Instance struct {
	Process

	p     *Program
	ctx   context.Context
	mem   *linear.Memory
	main  api.Module
	mods  []api.Module // all, in order of instantiation
	sp    api.MutableGlobal
	start time.Time

	funcs   map[string]*engines
	grow    api.Function // (n) -> old size of the table
	tramps  []*trampoline
	invokes int   // that are running: those that wait for a longjmp
	trap    *Trap // what passedOn stands for
	fds     fdTable
	cwd     string
	umask   uint32
	timer   *time.Timer
	timerAt time.Time // when it is due
	maps    map[uint32]mapping
	dl      dlState
}

// instanceContext leads host functions back to their instance. It has none of
// the values of the context it was made under: wazero looks for some at every
// call, which in a long chain of contexts takes time.
type instanceContext struct {
	context.Context
	i *Instance
}

type instanceKey struct{}

func (c *instanceContext) Value(key any) any {
	if _, ok := key.(instanceKey); ok {
		return c.i
	}
	return nil
}

func instanceOf(ctx context.Context) *Instance {
	if c, ok := ctx.(*instanceContext); ok {
		return c.i
	}
	return ctx.Value(instanceKey{}).(*Instance) // while a module is instantiated
}

// Instantiate makes an instance and runs none of its code. Close it in the
// end.
func (p *Program) Instantiate(ctx context.Context, proc Process) (_ *Instance, err error) {
	i := &Instance{
		Process: proc, p: p, cwd: "/", start: time.Now(),
		funcs: map[string]*engines{}, maps: map[uint32]mapping{},
	}
	if proc.Dir != "" {
		i.cwd = proc.Dir
	}
	i.ctx = &instanceContext{context.Background(), i}
	i.fds.init(i)
	i.dl.init()
	defer func() {
		if err != nil {
			i.Close()
		}
	}()
	mctx := experimental.WithMemoryAllocator(i.ctx, experimental.MemoryAllocatorFunc(
		func(_, max uint64) experimental.LinearMemory {
			m, merr := linear.Reserve(max)
			if merr != nil {
				err = merr
				return nil
			}
			i.mem = m
			return keepUntilClose{m}
		}))
	if i.main, err = i.instantiate(mctx, p.code, nil); err != nil {
		return nil, err
	}
	if i.mem == nil {
		return nil, fmt.Errorf("runtime: %s has no memory of its own", p.src.Name)
	}
	g := i.main.ExportedGlobal("__stack_pointer")
	sp, ok := g.(api.MutableGlobal)
	if !ok {
		return nil, fmt.Errorf("runtime: %s exports no mutable __stack_pointer", p.src.Name)
	}
	i.sp = sp
	adder, err := i.instantiate(i.ctx, p.adder, map[string]api.Module{mainModule: i.main})
	if err != nil {
		return nil, err
	}
	i.grow = adder.ExportedFunction("grow")
	base, err := i.growTable(len(p.src.Table))
	if err != nil {
		return nil, err
	}
	if base != p.table {
		return nil, fmt.Errorf("runtime: %s: table functions land at %d, expected %d", p.src.Name, base, p.table)
	}
	if _, err = adder.ExportedFunction("put").Call(i.ctx, uint64(base)); err != nil {
		return nil, fmt.Errorf("runtime: fill function table: %w", err)
	}
	return i, nil
}

// keepUntilClose leaves the memory mapped when wazero closes the module:
// views of it live in the Instance, which frees it last.
type keepUntilClose struct{ *linear.Memory }

func (keepUntilClose) Free() {}

// instantiate links a module to mods (host modules are found by name) and
// notes it for Close.
func (i *Instance) instantiate(ctx context.Context, cm wazero.CompiledModule, mods map[string]api.Module) (api.Module, error) {
	ctx = experimental.WithImportResolver(ctx, func(name string) api.Module { return mods[name] })
	mod, err := i.p.m.wz.InstantiateModule(ctx, cm, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, fmt.Errorf("runtime: instantiate: %w", err)
	}
	i.mods = append(i.mods, mod)
	return mod, nil
}

// Close frees everything the instance holds: mapped files (the end of a process
// writes back what is shared), descriptors, modules (the owner of memory and
// table last) and memory. The instance must not be running.
func (i *Instance) Close() {
	i.stopTimer()
	for p := range i.maps {
		if err := i.unmap(p); err != nil && i.Log != nil {
			i.Log(fmt.Sprintf("write back mapped file: %v", err))
		}
	}
	i.fds.closeAll()
	for k := len(i.mods) - 1; k >= 0; k-- {
		_ = i.mods[k].Close(i.ctx)
	}
	i.mods, i.funcs, i.tramps = nil, nil, nil
	if i.mem != nil {
		i.mem.Free()
		i.mem = nil
	}
}

// Memory is the instance's linear memory. Its atomic loads and stores may be
// used from any goroutine until Close.
func (i *Instance) Memory() *linear.Memory { return i.mem }

// Program is what the instance runs.
func (i *Instance) Program() *Program { return i.p }

// growTable adds n null entries to the function table and returns the index
// of the first.
func (i *Instance) growTable(n int) (uint32, error) {
	r, err := i.grow.Call(i.ctx, uint64(n))
	if err != nil {
		return 0, fmt.Errorf("runtime: grow function table: %w", err)
	}
	if int32(r[0]) < 0 {
		return 0, fmt.Errorf("runtime: function table refuses %d more entries", n)
	}
	return uint32(r[0]), nil
}

// Address is the address of an exported C variable.
func (i *Instance) Address(name string) (uint32, error) {
	a, ok := i.p.info.DataAddress(name)
	if !ok {
		return 0, fmt.Errorf("runtime: %s exports no variable %s", i.p.src.Name, name)
	}
	return a, nil
}

// StackPointer is the guest's C stack pointer.
func (i *Instance) StackPointer() uint32 { return uint32(i.sp.Get()) }

// SetStackPointer restores what StackPointer gave.
func (i *Instance) SetStackPointer(v uint32) { i.sp.Set(uint64(v)) }
