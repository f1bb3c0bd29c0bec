package runtime

import (
	"bytes"
	"slices"
	"testing"
)

func TestEnviron(t *testing.T) {
	for _, env := range [][]string{nil, {"A=1"}, {"HOME=/home/postgres", "EMPTY=", "UTF8=é"}} {
		g := newGuest(t, Process{Env: env})
		count, size := g.alloc(4), g.alloc(4)
		g.want(0, "environ_sizes_get", count, size)
		total := 0
		for _, e := range env {
			total += len(e) + 1
		}
		if g.Uint32(count) != uint32(len(env)) || g.Uint32(size) != uint32(total) {
			t.Fatalf("%d variables of %d bytes, expected %d of %d", g.Uint32(count), g.Uint32(size), len(env), total)
		}
		pointers, text := g.alloc(4*len(env)+4), g.alloc(total+1)
		g.PutUint32(pointers+uint32(4*len(env)), 0xdeadbeef)
		g.want(0, "environ_get", pointers, text)
		var got []string
		for k := range env {
			got = append(got, g.String(g.Uint32(pointers+uint32(4*k))))
		}
		if !slices.Equal(got, env) || g.Uint32(pointers+uint32(4*len(env))) != 0xdeadbeef {
			t.Errorf("environment %q, expected %q and nothing behind it", got, env)
		}
	}
}

func TestRandom(t *testing.T) {
	g := newGuest(t, Process{})
	p := g.alloc(64)
	g.want(0, "random_get", p, 32)
	a := bytes.Clone(g.Bytes(p, 64))
	g.want(0, "random_get", p, 32)
	if bytes.Equal(a[:32], g.Bytes(p, 32)) || !bytes.Equal(a[32:], make([]byte, 32)) {
		t.Errorf("%x then %x", a, g.Bytes(p, 64))
	}
	g.want(0, "random_get", p, 0)
}

// TestSignals: a handler is a table entry, called by libc's raise or by the
// host.
func TestSignals(t *testing.T) {
	g := newGuest(t, Process{})
	g.sys("__call_sighandler", countEntry, 10)
	g.want(1, "counter")
	sp := g.StackPointer()
	if err := g.Raise(10); err != nil {
		t.Fatal(err)
	}
	g.want(2, "counter")
	if g.StackPointer() != sp {
		t.Error("raising a signal moved the stack pointer")
	}
	g.trap("__call_sighandler", 40, 10) // a null entry
	g.sys("_emscripten_runtime_keepalive_clear")
}

// TestRun: main gets its arguments; its status is what it returns, or exits
// with.
func TestRun(t *testing.T) {
	// main(argc, argv) exits with argc when there are more than the name, and
	// returns the first four bytes of the name otherwise.
	b := testProgram(nil, func(b *guestBuilder) {
		b.export("__main_argc_argv", "ii_i", code(nil).
			LocalGet(0).I32Const(^uint32(0)).I32Add().If().LocalGet(0).Call(b.host["exit"]).EndIf().
			LocalGet(1).I32Load(0).I32Load(0))
	})
	g := startGuest(t, compile(t, Source{Name: "run", Wasm: b}), Process{})
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"name", "a", ""}, 3},
		{[]string{"\x07"}, 7},
		{[]string{"\xff\xff\xff\xff"}, -1},
	} {
		if got, err := g.Run(c.args); err != nil || got != c.want {
			t.Errorf("Run(%q) = %d, %v, expected %d", c.args, got, err, c.want)
		}
	}
	without := newGuest(t, Process{})
	if _, err := without.Run([]string{"name"}); err == nil {
		t.Error("a program without main runs")
	}
}
