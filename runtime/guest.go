package runtime

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// ExitError is how a call into the guest ends when the guest calls exit.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("guest exited with status %d", e.Code) }

// Trap is a call into the guest that ended in a fault: a wasm trap, abort(),
// a failed assertion, or a panic of a host function. The instance is lost.
type Trap struct {
	Func  string // the export that was called
	Err   error  // what happened
	Stack string // the guest's frames, innermost first, one a line
}

func (t *Trap) Error() string {
	return fmt.Sprintf("guest trapped in %s: %v\n%s", t.Func, t.Err, t.Stack)
}

func (t *Trap) Unwrap() error { return t.Err }

// Function is an export that was looked up before its calls.
type Function = api.Function

// Func returns an export as a function of the caller's own for [Instance.CallInto],
// which can't be called while a call of it is running.
func (i *Instance) Func(name string) (Function, error) {
	f := i.main.ExportedFunction(name)
	if f == nil {
		return nil, i.noExport(name)
	}
	return f, nil
}

// Call calls an export and returns its result, if it has one. It may be used
// while other calls into the guest are running beneath it, and allocates
// nothing once a function has been called as deep as it is now. The error is an
// *ExitError, a *Trap, or tells that there is no such function.
func (i *Instance) Call(name string, args ...uint64) (uint64, error) {
	f := i.funcs[name]
	if f == nil {
		fn, ok := i.p.info.ExportedFunc(name)
		if !ok {
			return 0, i.noExport(name)
		}
		f = &engines{mod: i.main, export: name, sig: i.p.info.FuncSig(fn)}
		i.funcs[name] = f
	}
	e := f.take()
	if e == nil {
		return 0, i.noExport(name)
	}
	defer f.put(e)
	if len(args) != e.params {
		return 0, fmt.Errorf("runtime: %s.%s takes %d parameters, got %d", i.p.src.Name, name, e.params, len(args))
	}
	copy(e.stack, args)
	if err := e.CallWithStack(i.ctx, e.stack); err != nil {
		return 0, i.callError(name, err)
	}
	if e.results == 0 {
		return 0, nil
	}
	return e.stack[0], nil
}

func (i *Instance) noExport(name string) error {
	return fmt.Errorf("runtime: %s exports no function %s", i.p.src.Name, name)
}

// CallInto is Call with the function found before and the stack of the
// caller: parameters in, result in stack[0]. It allocates nothing.
func (i *Instance) CallInto(name string, f api.Function, stack []uint64) error {
	err := f.CallWithStack(i.ctx, stack)
	keep(stack)
	if err != nil {
		return i.callError(name, err)
	}
	return nil
}

// callError sorts what came out of a call. A longjmp that nobody caught is
// passed on to whoever waits for it further down the stack.
func (i *Instance) callError(name string, err error) error {
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		switch {
		case exit == longjmp && i.invokes > 0:
			panic(longjmp)
		case exit == longjmp:
			return &Trap{Func: name, Err: errLongjmp}
		case exit == passedOn:
			return &Trap{Func: name, Err: i.trap.Err, Stack: i.trap.Stack}
		}
		return &ExitError{Code: int(int32(exit.ExitCode()))}
	}
	var inner *ExitError // thrown on by a host function that called the guest
	if errors.As(err, &inner) {
		return inner
	}
	var t *Trap
	if errors.As(err, &t) {
		return t
	}
	msg, stack, _ := strings.Cut(err.Error(), wasmTrace)
	return &Trap{Func: name, Err: trapCause{strings.TrimSuffix(msg, wasmRecovered), err}, Stack: i.p.nameFrames(stack)}
}

// errLongjmp is a longjmp to where nobody waits: its setjmp has returned.
var errLongjmp = errors.New("longjmp without setjmp")

// trapCause keeps the chain of an error while it leaves out the stack that
// wazero puts in its text.
type trapCause struct {
	msg string
	err error
}

func (t trapCause) Error() string { return t.msg }
func (t trapCause) Unwrap() error { return t.err }

// CallTable calls an entry of the function table that has no result.
func (i *Instance) CallTable(index uint32, sig wasmfile.Sig, args ...uint64) error {
	stack := append([]uint64{uint64(index)}, args...)
	if err := i.indirect(i.p.m.trampoline(sig), stack); err != nil {
		return i.callError(fmt.Sprintf("table entry %d", index), err)
	}
	return nil
}

// Run calls main with arguments and returns the status: of exit, or what main
// returned.
func (i *Instance) Run(args []string) (int, error) {
	argv, err := i.Call("_emscripten_stack_alloc", uint64(4*(len(args)+1)))
	if err != nil {
		return 0, err
	}
	for k, a := range args {
		p, err := i.PushString(a)
		if err != nil {
			return 0, err
		}
		i.PutUint32(uint32(argv)+uint32(4*k), p)
	}
	i.PutUint32(uint32(argv)+uint32(4*len(args)), 0)
	r, err := i.Call("__main_argc_argv", uint64(len(args)), argv)
	if exit := (*ExitError)(nil); errors.As(err, &exit) {
		return exit.Code, nil
	}
	return int(int32(r)), err
}

// PushString puts a C string on the guest's stack. Whoever calls it restores
// the stack pointer.
func (i *Instance) PushString(s string) (uint32, error) {
	p, err := i.Call("_emscripten_stack_alloc", uint64(len(s)+1))
	if err != nil {
		return 0, err
	}
	b := i.Bytes(uint32(p), uint32(len(s)+1))
	b[copy(b, s)] = 0
	return uint32(p), nil
}

// Bytes is n bytes of the guest's memory at p, valid until the guest runs
// again. An address out of bounds is a fault of the guest: it panics, and the
// call into the guest ends as a Trap.
func (i *Instance) Bytes(p, n uint32) []byte {
	m := i.mem.Bytes()
	if uint64(p)+uint64(n) > uint64(len(m)) {
		panic(fmt.Errorf("guest passed [%d, +%d), its memory has %d bytes", p, n, len(m)))
	}
	return m[p : p+n : p+n]
}

// maxCString bounds the strings that the guest passes: PATH_MAX.
const maxCString = 4096

// String reads a C string of at most 4096 bytes.
func (i *Instance) String(p uint32) string {
	m := i.mem.Bytes()
	if uint64(p) >= uint64(len(m)) {
		panic(fmt.Errorf("guest passed string at %d, its memory has %d bytes", p, len(m)))
	}
	b := m[p:min(uint64(p)+maxCString, uint64(len(m)))]
	n := bytes.IndexByte(b, 0)
	if n < 0 {
		n = len(b)
	}
	return string(b[:n])
}

// LongString reads a C string of any length.
func (i *Instance) LongString(p uint32) string {
	_ = i.Bytes(p, 1)
	b := i.mem.Bytes()[p:]
	if n := bytes.IndexByte(b, 0); n >= 0 {
		b = b[:n]
	}
	return string(b)
}

// Uint32 reads a little-endian u32.
func (i *Instance) Uint32(p uint32) uint32 { return binary.LittleEndian.Uint32(i.Bytes(p, 4)) }

// PutUint32 writes a little-endian u32.
func (i *Instance) PutUint32(p, v uint32) { binary.LittleEndian.PutUint32(i.Bytes(p, 4), v) }

// PutUint64 writes a little-endian u64.
func (i *Instance) PutUint64(p uint32, v uint64) { binary.LittleEndian.PutUint64(i.Bytes(p, 8), v) }

// SetErrno sets the guest's errno (a WASI number).
func (i *Instance) SetErrno(e uint32) error {
	p, err := i.Call("__errno_location")
	if err == nil {
		i.PutUint32(uint32(p), e)
	}
	return err
}
