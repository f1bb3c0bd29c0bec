package runtime

import (
	"github.com/tetratelabs/wazero/api"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// engine is a function of the guest that can be called: a call engine of
// wazero, and room for parameters and result where the caller brings none. It
// can't be entered while a call of it is running.
type engine struct {
	api.Function
	params, results int
	stack           []uint64
}

// engines are the engines of one export. Making one costs a stack of 10 kB and
// more, so those that are not running are kept; nested calls take one each.
type engines struct {
	mod    api.Module
	export string
	// sig is the export's. wazero would tell it too, but describes all functions
	// of a module to the first who asks for one, each by a look at all exports:
	// of pglite.wasm in 20 ms.
	sig  wasmfile.Sig
	free []*engine
}

// maxFreeEngines bounds the engines that are kept: deep recursion makes
// thousands, and calls that deep are rare.
const maxFreeEngines = 64

// take returns an engine for one call; nil when there is no such export.
func (p *engines) take() *engine {
	if n := len(p.free); n > 0 {
		e := p.free[n-1]
		p.free = p.free[:n-1]
		return e
	}
	f := p.mod.ExportedFunction(p.export)
	if f == nil {
		return nil
	}
	e := &engine{Function: f, params: len(p.sig.Params), results: len(p.sig.Results)}
	e.stack = make([]uint64, max(e.params, e.results))
	return e
}

// put takes an engine back when its call is over, however it ended.
func (p *engines) put(e *engine) {
	if len(p.free) < maxFreeEngines {
		p.free = append(p.free, e)
	}
}
