package runtime

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/sys"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// processCalls are identity, exit, signals and jumps.
var processCalls = map[string]hostFunc{
	"__syscall_getuid32":                  posix(root),
	"__syscall_geteuid32":                 posix(root),
	"__syscall_getgid32":                  posix(root),
	"__syscall_getegid32":                 posix(root),
	"__syscall_umask":                     posix(umask),
	"exit":                                exit,
	"_abort_js":                           func(*Instance, []uint64) { panic(errAbort) },
	"__assert_fail":                       assertFail,
	"__call_sighandler":                   callSighandler,
	"_emscripten_throw_longjmp":           func(*Instance, []uint64) { panic(longjmp) },
	"_emscripten_runtime_keepalive_clear": func(*Instance, []uint64) {},
}

var errAbort = errors.New("abort() called")

// root: the guest's only user is 0; the programs ask their own getuid
// (pgl_getuid) where it matters to them.
func root(*Instance, args) (uint32, errno) { return 0, 0 }

func umask(i *Instance, a args) (uint32, errno) {
	old := i.umask
	i.umask = a.u32(0) & 0o777
	return old, 0
}

// exit unwinds the guest's stack; the call into the guest ends as an
// ExitError.
func exit(_ *Instance, s []uint64) { panic(sys.NewExitError(uint32(s[0]))) }

// assertFail: __assert_fail(condition, file, line, function).
func assertFail(i *Instance, s []uint64) {
	a := args(s)
	panic(fmt.Errorf("assertion failed: %s at %s:%d", i.String(a.u32(0)), i.String(a.u32(1)), a.u32(2)))
}

// callSighandler: __call_sighandler(table index, signal).
func callSighandler(i *Instance, s []uint64) {
	if err := i.indirect(i.p.m.trampoline(sigHandler), []uint64{s[0], s[1]}); err != nil {
		panic(err)
	}
}

// sigHandler is void (*)(int).
var sigHandler = wasmfile.Sig{Params: []wasmfile.ValType{wasmfile.I32}}

// Raise runs the guest's handler of a signal, as its kernel would, at a safe
// point. The default action and an ignored signal do nothing.
func (i *Instance) Raise(signal int) error {
	const sigDfl, sigIgn = 0, 1
	sp := i.StackPointer()
	defer i.SetStackPointer(sp)
	buf, err := i.Call("_emscripten_stack_alloc", 160)
	if err != nil {
		return err
	}
	if _, err := i.Call("sigaction", uint64(signal), 0, buf); err != nil {
		return err
	}
	h := i.Uint32(uint32(buf)) // sa_handler comes first in struct sigaction
	if h == sigDfl || h == sigIgn {
		return nil
	}
	return i.CallTable(h, sigHandler, uint64(signal))
}

// Context is what host functions of the instance are called with.
func (i *Instance) Context() context.Context { return i.ctx }
