package runtime

import (
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// link gives a module its table entries, instantiates it at memBase and stores
// its functions. None of its code runs but its start function, which sets
// globals that are its own. What it does to the table is logged, also when it
// fails halfway.
func (i *Instance) link(path string, handle uint32, side *sideModule, b *bindings, memBase uint32) (*library, error) {
	d := side.info.Dylink
	padding := uint32(1)<<d.TableAlign - 1
	entries := padding + d.TableSize + uint32(len(b.own)+len(b.add))
	first, err := i.growTable(int(entries))
	if err != nil {
		return nil, err
	}
	step := LinkStep{
		Path: path, Hash: side.key, Handle: handle, MemBase: memBase,
		TableBase: (first + padding) &^ padding, Entries: entries, Failed: true,
	}
	l := &library{path: path, side: side, memBase: memBase, tabBase: step.TableBase, slots: map[string]uint32{}}
	added := l.place(b)
	if err := i.instantiateLibrary(l, b, added); err != nil {
		i.dl.steps = append(i.dl.steps, step)
		return nil, err
	}
	step.Failed = false
	i.dl.steps = append(i.dl.steps, step)
	i.dl.libs = append(i.dl.libs, l)
	i.dl.handles[handle] = l
	for name, slot := range added {
		i.dl.added[name] = slot
	}
	return l, nil
}

// place numbers the entries: the module's element segments first, then its own
// functions, then those of others, which it returns.
func (l *library) place(b *bindings) map[string]uint32 {
	next := l.tabBase + l.side.info.Dylink.TableSize
	for _, name := range b.own {
		l.slots[name] = next
		next++
	}
	for _, name := range l.side.exports {
		if k, ok := l.side.entry(name); ok {
			l.slots[name] = l.tabBase + k
		}
	}
	added := make(map[string]uint32, len(b.add))
	for _, ref := range b.add {
		added[ref.Name] = next
		next++
	}
	return added
}

func (i *Instance) instantiateLibrary(l *library, b *bindings, added map[string]uint32) error {
	code, err := l.side.compile()
	if err != nil {
		return err
	}
	mods := i.linkNames(nil)
	for name, bin := range map[string][]byte{
		"env": l.env(b), "GOT.mem": l.gotMem(b), "GOT.func": l.gotFunc(b, added),
	} {
		mod, err := i.instantiateOnce(bin, mods)
		if err != nil {
			return err
		}
		mods[name] = mod
	}
	if l.mod, err = i.instantiate(i.ctx, code, mods); err != nil {
		return err
	}
	return i.putFunctions(append(l.refs(b.own), b.add...), l.tabBase+l.side.info.Dylink.TableSize, l.mod)
}

// refs names functions of the module for a helper module.
func (l *library) refs(names []string) []wasmfile.FuncRef {
	refs := make([]wasmfile.FuncRef, len(names))
	for k, name := range names {
		refs[k] = l.side.ref(ownModule, name)
	}
	return refs
}

// instantiateOnce compiles a module that holds addresses of this instance. Its
// code goes with the instance.
func (i *Instance) instantiateOnce(b []byte, mods map[string]api.Module) (api.Module, error) {
	ctx := experimental.WithImportResolver(i.ctx, func(name string) api.Module { return mods[name] })
	mod, err := i.p.m.wz.InstantiateWithConfig(ctx, b, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, fmt.Errorf("runtime: link: %w", err)
	}
	i.mods = append(i.mods, mod)
	return mod, nil
}

// putFunctions stores functions in the table from base on.
func (i *Instance) putFunctions(refs []wasmfile.FuncRef, base uint32, own api.Module) error {
	if len(refs) == 0 {
		return nil
	}
	code, err := i.p.m.helper(i.ctx, wasmfile.TableAdder(mainModule, refs))
	if err != nil {
		return err
	}
	adder, err := i.instantiate(i.ctx, code, i.linkNames(own))
	if err != nil {
		return err
	}
	if _, err := adder.ExportedFunction("put").Call(i.ctx, uint64(base)); err != nil {
		return fmt.Errorf("runtime: fill function table: %w", err)
	}
	return nil
}

// widestMemory is the maximum, in pages, that an import of any memory has.
const widestMemory = 65536

func (l *library) env(b *bindings) []byte {
	f := wasmfile.Facade{
		Main:      mainModule,
		Funcs:     b.env,
		Table:     true,
		MemoryMax: widestMemory,
		Globals:   []string{"__stack_pointer"},
		Constants: []wasmfile.Constant{{Name: "__memory_base", Value: l.memBase}, {Name: "__table_base", Value: l.tabBase}},
	}
	for _, fn := range b.indirect {
		fn.Slot = l.slots[fn.Name]
		f.Indirect = append(f.Indirect, fn)
	}
	return f.Bytes()
}

func (l *library) gotMem(b *bindings) []byte {
	var names []string
	var values []uint32
	for _, s := range b.data {
		v := s.value
		if s.own {
			v += l.memBase
		}
		names, values = append(names, s.name), append(values, v)
	}
	return wasmfile.Constants(names, values)
}

func (l *library) gotFunc(b *bindings, added map[string]uint32) []byte {
	var names []string
	var values []uint32
	for _, s := range b.funcs {
		v := s.value
		switch {
		case s.own:
			v = l.slots[s.name]
		case s.added:
			v = added[s.name]
		}
		names, values = append(names, s.name), append(values, v)
	}
	return wasmfile.Constants(names, values)
}
