package runtime

import (
	"context"
	"fmt"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// hostSig is the signature of a function of a host module.
func (m *Machine) hostSig(module, name string) (wasmfile.Sig, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sig, ok := m.funcs[module][name]
	return sig, ok
}

// isInvoke tells whether a function of this signature can be an invoke_SIG:
// the table index comes first.
func isInvoke(s wasmfile.Sig) bool {
	return len(s.Params) > 0 && len(s.Params) <= maxParams && s.Params[0] == wasmfile.I32 && len(s.Results) <= 1
}

// invokeModule registers the invoke_SIG of a signature that the program itself
// has no use for. Side modules bring new ones.
func (m *Machine) invokeModule(ctx context.Context, s wasmfile.Sig) (wasmfile.FuncRef, error) {
	ref := wasmfile.FuncRef{Module: "invoke." + s.Key(), Name: "invoke", Sig: s}
	err := m.hostModule(ctx, ref.Module, []hostExport{{ref.Name, s, m.invoke(s)}})
	return ref, err
}

// missingModule registers a stand-in for a function that nobody has. Calling
// it is up to Source.MissingFunc.
func (m *Machine) missingModule(ctx context.Context, name string, s wasmfile.Sig) (wasmfile.FuncRef, error) {
	ref := wasmfile.FuncRef{Module: "missing." + name + "." + s.Key(), Name: name, Sig: s}
	stub := func(i *Instance, _ []uint64) {
		if f := i.p.src.MissingFunc; f != nil {
			f(i, name)
		}
		panic(fmt.Errorf("call of %s, which does not exist", name))
	}
	err := m.hostModule(ctx, ref.Module, []hostExport{{name, s, stub}})
	return ref, err
}
