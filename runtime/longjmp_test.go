package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

// jumpProgram is testProgram with functions that jump. Of those in the table
// ("entries") each has the signature i_i:
//
//	try(f, x) = invoke(f, x), which is f(x), or 0 when f throws
//	plain(f, x) = f(x)
//	pass(x) = x + 1
//	throw(x) throws, with 4,096 bytes more on the stack
//	nested(x) = try(throw, x), and throws then
//	through(x) calls "go", the function of the host
//	trap(x) calls the null entry of the table
//	exit(x) exits with status x
//	deepF(x) = x when x is 0, else try(deepF, x-1) + 1, for pass, trap, exit
//	and throw: 0 is where F is called
type jumpEntries struct {
	pass, throw, nested, through, trap, exit           uint32
	deepPass, deepThrow, deepTrap, deepExit, deepHosts uint32
}

func jumpProgram() ([]byte, jumpEntries) {
	var e jumpEntries
	const callGo = 64 // the first TableFunc follows the program's own entries
	b := testProgram([]string{"ii_i"}, func(b *guestBuilder) {
		invoke, throw := b.host["invoke_ii_i"], b.host["_emscripten_throw_longjmp"]
		one := b.Type(signature("i_i"))
		function := func(name string, c code) uint32 { return b.entry(b.export(name, "i_i", c)) }
		deep := func(name string, f uint32) uint32 {
			self := b.next
			return function(name, code(nil).
				LocalGet(0).If().
				I32Const(self).LocalGet(0).I32Const(^uint32(0)).I32Add().Call(invoke).I32Const(1).I32Add().Return().
				EndIf().
				LocalGet(0).I32Const(f).CallIndirect(one))
		}
		b.export("try", "ii_i", code(nil).LocalGet(0).LocalGet(1).Call(invoke))
		b.export("plain", "ii_i", code(nil).LocalGet(1).LocalGet(0).CallIndirect(one))
		e.pass = function("pass", code(nil).LocalGet(0).I32Const(1).I32Add())
		e.throw = function("throw", code(nil).GlobalGet(b.sp).I32Const(^uint32(4095)).I32Add().GlobalSet(b.sp).Call(throw).I32Const(7))
		e.nested = function("nested", code(nil).I32Const(e.throw).LocalGet(0).Call(invoke).Call(throw))
		e.through = function("through", code(nil).LocalGet(0).I32Const(callGo).CallIndirect(one))
		e.trap = function("trap", code(nil).LocalGet(0).I32Const(0).CallIndirect(one))
		e.exit = function("exits", code(nil).LocalGet(0).Call(b.host["exit"]).I32Const(7))
		e.deepPass = deep("deep_pass", e.pass)
		e.deepThrow = deep("deep_throw", e.throw)
		e.deepTrap = deep("deep_trap", e.trap)
		e.deepExit = deep("deep_exit", e.exit)
		e.deepHosts = deep("deep_hosts", e.through)
	})
	return b, e
}

// newJumper makes a guest of jumpProgram; call is the host's function "go".
func newJumper(t testing.TB, call func(*Instance, []uint64)) (*guest, jumpEntries) {
	t.Helper()
	b, e := jumpProgram()
	if call == nil {
		call = func(*Instance, []uint64) {}
	}
	p := compile(t, Source{Name: "jump", Wasm: b, Table: []TableFunc{{Name: "go", Sig: signature("i_i"), Call: call}}})
	return startGuest(t, p, Process{}), e
}

func TestLongjmp(t *testing.T) {
	throwFromGo := func(i *Instance, s []uint64) {
		if _, err := i.Call("throw", s[0]); err != nil {
			panic(err)
		}
	}
	g, e := newJumper(t, throwFromGo)
	for _, c := range []struct {
		name  string
		entry uint32
		x     int
		want  int
		threw int // calls of setThrew
	}{
		{"no jump", e.pass, 7, 8, 0},
		{"a jump", e.throw, 7, 0, 1},
		{"one after a caught one", e.nested, 7, 0, 2},
		{"out of a function of the host", e.through, 7, 0, 1},
		{"40 levels, none jumps", e.deepPass, 40, 41, 0},
		{"the innermost of 40 levels", e.deepThrow, 40, 40, 1},
		{"out of the host, 40 levels deep", e.deepHosts, 40, 40, 1},
	} {
		sp, threw := g.StackPointer(), int(g.sys("counter"))
		if got := g.sys("try", c.entry, c.x); int(got) != c.want {
			t.Errorf("%s: %d, expected %d", c.name, got, c.want)
		}
		if n := int(g.sys("counter")) - threw; n != c.threw {
			t.Errorf("%s: setThrew was called %d times, expected %d", c.name, n, c.threw)
		}
		if g.StackPointer() != sp {
			t.Errorf("%s: stack pointer %d, was %d", c.name, g.StackPointer(), sp)
		}
	}
}

// TestLongjmpUncaught: a jump that nobody waits for is a fault of the guest.
func TestLongjmpUncaught(t *testing.T) {
	g, e := newJumper(t, nil)
	for range 2 {
		if trap := g.trap("throw", 7); !strings.Contains(trap.Err.Error(), "longjmp") {
			t.Errorf("%v", trap)
		}
		g.trap("plain", e.throw, 7)
		g.want(0, "try", e.throw, 7) // one that is caught still works
	}
}

// TestDeepInvoke: recursion through 10,000 invokes leaves a bounded number of
// engines behind, however it ends.
func TestDeepInvoke(t *testing.T) {
	const depth = 10000
	for _, end := range []string{"pass", "throw", "trap", "exit", "host"} {
		t.Run(end, func(t *testing.T) {
			cause := errors.New("told by the host")
			g, e := newJumper(t, func(*Instance, []uint64) { panic(cause) })
			switch end {
			case "pass":
				g.want(depth+1, "try", e.deepPass, depth)
			case "throw":
				g.want(depth, "try", e.deepThrow, depth)
			case "trap":
				trap := g.trap("try", e.deepTrap, depth)
				if n := len(trap.Error()); n > 10000 || n < 1000 {
					t.Errorf("a trap of %d bytes", n)
				}
			case "host":
				if trap := g.trap("try", e.deepHosts, depth); !errors.Is(trap, cause) {
					t.Errorf("%v", trap)
				}
			case "exit":
				_, err := g.Call("try", uint64(e.deepExit), depth)
				if exit := (*ExitError)(nil); !errors.As(err, &exit) || exit.Code != 0 {
					t.Errorf("%v", err)
				}
			}
			for _, tramp := range g.tramps {
				if tramp != nil && len(tramp.free) > maxFreeEngines {
					t.Errorf("%d engines are kept", len(tramp.free))
				}
			}
			for name, f := range g.funcs {
				if len(f.free) > maxFreeEngines {
					t.Errorf("%d engines of %s are kept", len(f.free), name)
				}
			}
		})
	}
}

// TestExit: exit unwinds all of the guest, out of nested invokes and through
// functions of the host.
func TestExit(t *testing.T) {
	exitFromGo := func(i *Instance, s []uint64) {
		if _, err := i.Call("exits", s[0]); err != nil {
			panic(err)
		}
	}
	g, e := newJumper(t, exitFromGo)
	for _, c := range []struct {
		call string
		args []any
		code int
	}{
		{"exits", []any{99}, 99},
		{"exit", []any{0}, 0},
		{"proc_exit", []any{3}, 3},
		{"exits", []any{-1}, -1},
		{"try", []any{e.exit, 100}, 100},
		{"through", []any{7}, 7},
		{"try", []any{e.through, 8}, 8},
		{"try", []any{e.deepExit, 40}, 0},
		{"try", []any{e.deepHosts, 40}, 0},
	} {
		_, err := g.Call(c.call, g.encode(c.args)...)
		if exit := (*ExitError)(nil); !errors.As(err, &exit) || exit.Code != c.code {
			t.Errorf("%s%v: %v, expected status %d", c.call, c.args, err, c.code)
		}
		g.want(8, "try", e.pass, 7) // the instance can be called on
	}
}

// TestTrap: what a fault looks like, from wherever it comes.
func TestTrap(t *testing.T) {
	var fault func()
	g, e := newJumper(t, func(*Instance, []uint64) { fault() })
	cause := fmt.Errorf("told by the host: %w", fs.ErrExist)
	for _, c := range []struct {
		name   string
		fault  func()
		call   string
		args   []any
		is     error
		says   string
		frames []string // in this order
	}{
		{"a wasm trap", nil, "trap", []any{7}, nil, "invalid table access", []string{"trap"}},
		{"inside two invokes", nil, "try", []any{e.deepTrap, 1}, nil, "invalid table access", []string{"trap", "deep_trap", "deep_trap", "try"}},
		{"abort", nil, "_abort_js", nil, errAbort, "abort", []string{"_abort_js"}},
		{"a failed assertion", nil, "__assert_fail", []any{"x > 0", "file.c", 42, "function"}, nil, "x > 0 at file.c:42", []string{"__assert_fail"}},
		{"an error of the host", func() { panic(cause) }, "through", []any{7}, fs.ErrExist, "told by the host", []string{"through"}},
		{"inside an invoke", func() { panic(cause) }, "try", []any{e.through, 7}, fs.ErrExist, "told by the host", []string{"through", "try"}},
		{"a string", func() { panic("words") }, "through", []any{7}, nil, "words", []string{"through"}},
		{"a number", func() { panic(42) }, "through", []any{7}, nil, "42", []string{"through"}},
		{"a bug of the host", func() { []int(nil)[g.free] = 1 }, "through", []any{7}, nil, "index out of range", []string{"through"}},
		{"a null pointer of the host", func() { fault = nil; fault() }, "through", []any{7}, nil, "nil pointer", []string{"through"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fault = c.fault
			trap := g.trap(c.call, c.args...)
			if trap.Func != c.call {
				t.Errorf("in %q, expected %q", trap.Func, c.call)
			}
			if c.is != nil && !errors.Is(trap, c.is) {
				t.Errorf("%v is not %v", trap.Err, c.is)
			}
			if s := trap.Err.Error(); !strings.Contains(s, c.says) || strings.Contains(s, "\n") || strings.Contains(s, "wazero") {
				t.Errorf("says %q, expected one line with %q", s, c.says)
			}
			rest := trap.Stack
			for _, f := range c.frames {
				_, after, ok := strings.Cut(rest, "."+f+"(")
				if !ok {
					t.Fatalf("no frame %s in order in\n%s", f, trap.Stack)
				}
				rest = after
			}
			if strings.Contains(trap.Stack, "recovered by") {
				t.Errorf("stack\n%s", trap.Stack)
			}
		})
	}
}
