package runtime

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// linkCalls are the host's part of dlopen(3) and dlsym(3); the rest is
// Emscripten's system/lib/libc/dynlink.c.
var linkCalls = map[string]hostFunc{
	"_dlopen_js": func(i *Instance, s []uint64) { s[0] = uint64(i.dlopen(uint32(s[0]))) },
	"_dlsym_js":  func(i *Instance, s []uint64) { s[0] = uint64(i.dlsym(uint32(s[0]), uint32(s[1]))) },
}

// dlState is what an instance has linked.
type dlState struct {
	libs    []*library          // in the order they were linked
	handles map[uint32]*library // by address of struct dso
	added   map[string]uint32   // table entries that functions of the program or the host were given
	steps   []LinkStep
}

func (d *dlState) init() {
	d.handles, d.added = map[uint32]*library{}, map[string]uint32{}
}

// library is a side module in one instance.
type library struct {
	path    string
	side    *sideModule
	mod     api.Module
	memBase uint32
	tabBase uint32
	slots   map[string]uint32 // its functions that have an entry of the table
}

func (d *dlState) byPath(path string) *library {
	for _, l := range d.libs {
		if l.path == path {
			return l
		}
	}
	return nil
}

// Fields of Emscripten's struct dso (system/lib/libc/dynlink.c).
const (
	dsoMemAllocated = 8 // a byte
	dsoMemAddr      = 12
	dsoMemSize      = 16
	dsoTableAddr    = 20
	dsoTableSize    = 24
	dsoName         = 36
)

// dlopen implements _dlopen_js(handle): it links the module whose name stands
// in the struct dso at handle. It returns 1, or 0 and sets dlerror.
func (i *Instance) dlopen(handle uint32) uint32 {
	name, e := i.abs(atFDCWD, i.String(handle+dsoName))
	if e != 0 {
		return i.dlError(errors.New("no file name"))
	}
	if l := i.dl.byPath(name); l != nil {
		i.dl.handles[handle] = l
		i.dl.steps = append(i.dl.steps, LinkStep{Path: name, Hash: l.side.key, Handle: handle, MemBase: l.memBase, TableBase: l.tabBase})
		return 1
	}
	if err := i.load(handle, name); err != nil {
		return i.dlError(fmt.Errorf("%s: %w", name, err))
	}
	return 1
}

// load links a module in this order: everything that can be refused is, before
// anything is allocated; memory; table entries, whose numbers the module's
// globals need; the instance; the entries' contents; relocations and
// constructors.
func (i *Instance) load(handle uint32, name string) error {
	b, err := i.readFile(name)
	if err != nil {
		return err
	}
	side, err := i.p.m.side(b)
	if err != nil {
		return err
	}
	binds, err := i.resolve(side)
	if err != nil {
		return err
	}
	if _, err := side.compile(); err != nil {
		return err
	}
	memBase, err := i.placeMemory(side.info.Dylink.MemSize)
	if err != nil {
		return err
	}
	l, err := i.link(name, handle, side, binds, memBase)
	if err != nil {
		if _, ferr := i.Call("free", uint64(memBase)); ferr != nil {
			panic(ferr)
		}
		return err
	}
	i.Bytes(handle+dsoMemAllocated, 1)[0] = 1
	i.PutUint32(handle+dsoMemAddr, l.memBase)
	i.PutUint32(handle+dsoMemSize, side.info.Dylink.MemSize)
	i.PutUint32(handle+dsoTableAddr, l.tabBase)
	i.PutUint32(handle+dsoTableSize, side.info.Dylink.TableSize)
	for _, f := range []string{"__wasm_apply_data_relocs", "__wasm_call_ctors"} {
		if fn := l.mod.ExportedFunction(f); fn != nil {
			if _, err := fn.Call(i.ctx); err != nil {
				panic(err) // a fault of the guest, which half a module won't survive
			}
		}
	}
	return nil
}

// sideMemoryAlign is where a side module's memory begins. What is compiled for
// a module contains that address (see link) and is kept in the folder of
// machine code: coarse addresses are few.
const sideMemoryAlign = 1 << maxSideAlign

// placeMemory allocates zeroed memory of the guest for a module.
func (i *Instance) placeMemory(size uint32) (uint32, error) {
	if size == 0 {
		return 0, nil
	}
	p, err := i.Call("emscripten_builtin_memalign", sideMemoryAlign, uint64(size))
	if err != nil {
		panic(err)
	}
	if p == 0 {
		return 0, errors.New("out of memory")
	}
	clear(i.Bytes(uint32(p), size))
	return uint32(p), nil
}

func (i *Instance) readFile(name string) ([]byte, error) {
	f, err := i.FS.Open(name, vfs.ReadOnly, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode.IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if info.Size > maxSideFile {
		return nil, fmt.Errorf("%d bytes is too large for a side module", info.Size)
	}
	b := make([]byte, info.Size)
	n, err := f.ReadAt(b, 0)
	return b[:n], err
}

// dlError sets what dlerror(3) answers and returns 0.
func (i *Instance) dlError(err error) uint32 {
	sp := i.StackPointer()
	defer i.SetStackPointer(sp)
	// __dl_seterr(format, varargs).
	msg := strings.ReplaceAll(err.Error(), "%", "%%")
	p, err := i.PushString(msg)
	if err == nil {
		_, err = i.Call("__dl_seterr", uint64(p), 0)
	}
	if err != nil {
		panic(err)
	}
	return 0
}
