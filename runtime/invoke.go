package runtime

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"unsafe"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// longjmp is what _emscripten_throw_longjmp throws. It is an ExitError
// because wazero hands those through without writing the guest's stack into a
// string, which costs more than the jump.
var longjmp = sys.NewExitError(0xffff0000)

func isLongjmp(err error) bool {
	var e *sys.ExitError
	return errors.As(err, &e) && e == longjmp
}

// passedOn is thrown in the place of a Trap that Instance.trap holds, for the
// same reason: each call into wasm that an error ends writes all of its text
// anew with its own frames, so that the work is the square of the depth.
var passedOn = sys.NewExitError(0xffff0001)

// maxTracedInvokes is how many invokes a fault may pass before the frames
// further out are left out of its stack.
const maxTracedInvokes = 16

// trampoline is a helper module whose export "call"(index, args…) is a
// call_indirect of one signature on the program's table. (wazero's
// table.LookupFunction answers with another function for table entries that
// are references to imported functions; call_indirect is right.)
type trampoline struct{ engines }

// maxParams bounds the parameters of an invoke_ signature, the index among
// them. The widest in PGlite has 13.
const maxParams = 32

// invoke makes the host function for an invoke_SIG import: the first
// parameter is the table index, the others and the result are the callee's.
func (m *Machine) invoke(sig wasmfile.Sig) hostFunc {
	n := len(sig.Params)
	results := len(sig.Results)
	t := m.trampoline(wasmfile.Sig{Params: sig.Params[1:], Results: sig.Results})
	if n > maxParams {
		panic(fmt.Sprintf("runtime: invoke with %d parameters", n))
	}
	return func(i *Instance, s []uint64) {
		sp := i.sp.Get()
		i.invokes++
		err := i.indirect(t, s[:max(n, results)])
		i.invokes--
		if err == nil {
			return
		}
		if !isLongjmp(err) {
			panic(i.passOn(err))
		}
		i.sp.Set(sp)
		if _, err := i.Call("setThrew", 1, 0); err != nil {
			panic(err)
		}
		if results > 0 {
			s[0] = 0
		}
	}
}

// passOn is what an invoke throws when its callee ended by err, which is no
// longjmp.
func (i *Instance) passOn(err error) error {
	if strings.Count(err.Error(), wasmTrace) < maxTracedInvokes {
		return err
	}
	var t *Trap
	if err = i.callError("", err); errors.As(err, &t) {
		i.trap = t
		return passedOn
	}
	return err
}

// indirect calls the table entry stack[0] with the parameters that follow and
// leaves the result in stack[0].
func (i *Instance) indirect(sig int, stack []uint64) error {
	for sig >= len(i.tramps) {
		i.tramps = append(i.tramps, nil)
	}
	t := i.tramps[sig]
	if t == nil {
		of := i.p.m.trampolineSig(sig)
		cm, err := i.p.m.helper(i.ctx, wasmfile.Trampoline(mainModule, of))
		if err != nil {
			return err
		}
		mod, err := i.instantiate(i.ctx, cm, map[string]api.Module{mainModule: i.main})
		if err != nil {
			return err
		}
		t = &trampoline{engines{mod: mod, export: "call", sig: of}}
		i.tramps[sig] = t
	}
	e := t.take()
	err := e.CallWithStack(i.ctx, stack)
	keep(stack)
	t.put(e)
	return err
}

// keep keeps the stack of a call alive until it has returned: the machine code holds
// the one pointer to it, where the collector does not look, and writes the result
// there at the end, whether anybody wants it or not.
func keep(stack []uint64) { goruntime.KeepAlive(unsafe.SliceData(stack)) }
