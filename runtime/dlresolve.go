package runtime

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// ownModule is the name under which helper modules import from the side
// module that is being linked.
const ownModule = "own"

// bindings says for every import of a side module where it comes from. Nothing
// in it depends on where the module will lie.
type bindings struct {
	env      []wasmfile.FacadeFunc
	indirect []wasmfile.IndirectFunc // own exports that it imports back; Slot is set when known
	data     []dataSymbol            // GOT.mem
	funcs    []funcSymbol            // GOT.func
	own      []string                // own functions that need an entry of the table
	add      []wasmfile.FuncRef      // functions of others that need one
}

// dataSymbol is the address of a variable: from the module's memory base on
// when own, else absolute.
type dataSymbol struct {
	name  string
	own   bool
	value uint32
}

// funcSymbol is the address of a function: its own by name, an absolute entry,
// or an entry to come of bindings.add.
type funcSymbol struct {
	name  string
	own   bool
	added bool
	value uint32 // absolute, when neither own nor added
}

// UnresolvedError is why a side module was refused: nobody has these.
type UnresolvedError struct{ Names []string }

func (e *UnresolvedError) Error() string {
	return "undefined symbols: " + strings.Join(e.Names, ", ")
}

// resolver makes bindings. It changes nothing of the instance.
type resolver struct {
	i       *Instance
	side    *sideModule
	b       bindings
	missing []string
	seen    map[string]bool
}

// resolve binds every import of a side module, or gives an UnresolvedError
// with the names of all that can't be.
func (i *Instance) resolve(s *sideModule) (*bindings, error) {
	r := resolver{i: i, side: s, seen: map[string]bool{}}
	for _, im := range s.info.Imports {
		key := im.Module + "\x00" + im.Name
		if r.seen[key] {
			continue
		}
		r.seen[key] = true
		if err := r.bind(im); err != nil {
			return nil, err
		}
	}
	if len(r.missing) > 0 {
		slices.Sort(r.missing)
		return nil, &UnresolvedError{Names: slices.Compact(r.missing)}
	}
	r.needEntries()
	return &r.b, nil
}

func (r *resolver) bind(im wasmfile.Import) error {
	switch {
	case im.Module == "GOT.mem" && im.Kind == wasmfile.KindGlobal:
		r.bindData(im.Name)
	case im.Module == "GOT.func" && im.Kind == wasmfile.KindGlobal:
		r.bindAddress(im.Name)
	case im.Module == "env" && im.Kind == wasmfile.KindFunc:
		return r.bindFunc(im)
	case im.Module == "env" && slices.Contains(envNames[im.Kind], im.Name):
	default:
		r.missing = append(r.missing, im.Module+"."+im.Name)
	}
	return nil
}

// envNames is what else a side module finds in "env".
var envNames = map[wasmfile.Kind][]string{
	wasmfile.KindMemory: {"memory"},
	wasmfile.KindTable:  {"__indirect_function_table"},
	wasmfile.KindGlobal: {"__stack_pointer", "__memory_base", "__table_base"},
}

func (r *resolver) bindData(name string) {
	if a, ok := r.side.info.DataAddress(name); ok {
		r.b.data = append(r.b.data, dataSymbol{name: name, own: true, value: a})
		return
	}
	a, ok := r.i.p.info.DataAddress(name)
	for k := 0; !ok && k < len(r.i.dl.libs); k++ {
		l := r.i.dl.libs[k]
		if a, ok = l.side.info.DataAddress(name); ok {
			a += l.memBase
		}
	}
	if !ok && !r.weak(name) {
		r.missing = append(r.missing, name)
		return
	}
	r.b.data = append(r.b.data, dataSymbol{name: name, value: a})
}

func (r *resolver) weak(name string) bool { return r.side.info.Dylink.Weak[name] }

// bindAddress finds a function whose address is taken. A function of the
// program that its own element segments name keeps that entry, so that
// pointers to it compare equal everywhere.
func (r *resolver) bindAddress(name string) {
	if _, ok := r.side.info.ExportedFunc(name); ok {
		r.b.funcs = append(r.b.funcs, funcSymbol{name: name, own: true})
		return
	}
	if slot, ok := r.i.entryOf(name); ok {
		r.b.funcs = append(r.b.funcs, funcSymbol{name: name, value: slot})
		return
	}
	ref, ok := r.i.programFunc(name)
	if !ok {
		ref, ok = r.i.libraryFunc(name)
	}
	switch {
	case ok:
		r.b.add = append(r.b.add, ref)
		r.b.funcs = append(r.b.funcs, funcSymbol{name: name, added: true})
	case r.weak(name):
		r.b.funcs = append(r.b.funcs, funcSymbol{name: name})
	default:
		r.missing = append(r.missing, name)
	}
}

// emscriptenNames are functions that Emscripten's linker gives another name in
// the program (src/lib/libdylink.js).
var emscriptenNames = map[string]string{
	"setTempRet0": "_emscripten_tempret_set",
	"getTempRet0": "_emscripten_tempret_get",
}

func (r *resolver) bindFunc(im wasmfile.Import) error {
	name := im.Name
	if n, ok := emscriptenNames[name]; ok {
		name = n
	}
	ref, ok := r.i.programFunc(name)
	if !ok && !r.ownFunc(im) {
		ref, ok = r.i.libraryFunc(name)
	}
	switch {
	case ok:
		if !ref.Sig.Equal(im.Sig) {
			return fmt.Errorf("%s: signature is %v, expected %v", im.Name, ref.Sig, im.Sig)
		}
	case strings.HasPrefix(im.Name, "invoke_") && isInvoke(im.Sig):
		var err error
		if ref, err = r.i.p.m.invokeModule(r.i.ctx, im.Sig); err != nil {
			return err
		}
	case r.ownFunc(im):
		r.b.indirect = append(r.b.indirect, wasmfile.IndirectFunc{Name: im.Name, Sig: im.Sig})
		return nil
	case r.weak(im.Name) || slices.Contains(r.i.p.src.AllowMissing, im.Name):
		var err error
		if ref, err = r.i.p.m.missingModule(r.i.ctx, im.Name, im.Sig); err != nil {
			return err
		}
	default:
		r.missing = append(r.missing, im.Name)
		return nil
	}
	r.b.env = append(r.b.env, wasmfile.FacadeFunc{Name: im.Name, From: ref})
	return nil
}

// ownFunc tells whether the module exports what it imports, as C++ does for
// symbols that another module may have defined first.
func (r *resolver) ownFunc(im wasmfile.Import) bool {
	f, ok := r.side.info.ExportedFunc(im.Name)
	return ok && r.side.info.FuncSig(f).Equal(im.Sig)
}

// maxForeseen is how many exported functions of a module get an entry of the
// table at once: all when it has no more, else the neighbours of one that
// dlsym asks for. One helper module for many is much cheaper than one for
// each, but entries cost memory and pgcrypto exports 8,236 functions.
const maxForeseen = 512

// needEntries lists the own functions that get an entry in one go.
func (r *resolver) needEntries() {
	listed := map[string]bool{}
	need := func(name string) {
		if _, ok := r.side.entry(name); !ok && !listed[name] {
			listed[name] = true
			r.b.own = append(r.b.own, name)
		}
	}
	if len(r.side.exports) <= maxForeseen {
		for _, name := range r.side.exports {
			need(name)
		}
	}
	for _, f := range r.b.funcs {
		if f.own {
			need(f.name)
		}
	}
	for _, f := range r.b.indirect {
		need(f.Name)
	}
}

// programFunc finds a function of the program or of the host functions that
// the program imports.
func (i *Instance) programFunc(name string) (wasmfile.FuncRef, bool) {
	if f, ok := i.p.info.ExportedFunc(name); ok {
		return wasmfile.FuncRef{Module: mainModule, Name: name, Sig: i.p.info.FuncSig(f)}, true
	}
	if sig, ok := i.p.m.hostSig(i.p.envHost, name); ok {
		return wasmfile.FuncRef{Module: i.p.envHost, Name: name, Sig: sig}, true
	}
	return wasmfile.FuncRef{}, false
}

// libraryFunc finds a function of a module linked before, as RTLD_GLOBAL does.
func (i *Instance) libraryFunc(name string) (wasmfile.FuncRef, bool) {
	for k, l := range i.dl.libs {
		if _, ok := l.side.info.ExportedFunc(name); ok {
			return l.side.ref(libModule(k), name), true
		}
	}
	return wasmfile.FuncRef{}, false
}

// entryOf is the entry of the table that a function of the program, of the
// host, or of a module linked before has already.
func (i *Instance) entryOf(name string) (uint32, bool) {
	if slot, ok := i.dl.added[name]; ok {
		return slot, true
	}
	if f, ok := i.p.info.ExportedFunc(name); ok {
		return i.p.info.TableIndex(f)
	}
	if _, ok := i.p.m.hostSig(i.p.envHost, name); ok {
		return i.importEntry(name)
	}
	for _, l := range i.dl.libs {
		if slot, ok := l.slots[name]; ok {
			return slot, true
		}
	}
	return 0, false
}

// importEntry is the entry of an imported function that the program itself
// takes the address of.
func (i *Instance) importEntry(name string) (uint32, bool) {
	var index uint32
	for _, im := range i.p.info.Imports {
		if im.Kind != wasmfile.KindFunc {
			continue
		}
		if im.Module == i.p.envHost && im.Name == name {
			return i.p.info.TableIndex(index)
		}
		index++
	}
	return 0, false
}

// libModule names the k-th linked module for helper modules.
func libModule(k int) string { return fmt.Sprintf("lib.%d", k) }

// linkNames gives helper modules what they import by the names above.
func (i *Instance) linkNames(own api.Module) map[string]api.Module {
	mods := map[string]api.Module{mainModule: i.main, ownModule: own}
	for k, l := range i.dl.libs {
		mods[libModule(k)] = l.mod
	}
	return mods
}
