package runtime

import (
	"testing"
)

// TestCallSite: a place in a function calls a Go function, which finds its
// instance and may call into the guest; the function goes on as it was.
func TestCallSite(t *testing.T) {
	// wait(a, b) = a + b + 77, with a load in front whose result is dropped.
	dead := []byte{0x20, 0, 0x28, 0x02, 0x0c, 0x1a}
	rest := []byte{0x20, 1, 0x20, 0, 0x6a}
	b := testProgram(nil, func(b *guestBuilder) {
		c := append(append(code(nil), dead...), rest...)
		b.export("wait", "ii_i", c.I32Const(77).I32Add())
	})
	p := compile(t, Source{
		Name: "calls", Wasm: b,
		Table: []TableFunc{
			{Name: "unused", Sig: signature("i_i"), Call: func(*Instance, []uint64) {}},
			{Name: "waiting", Call: func(i *Instance, _ []uint64) {
				if _, err := i.Call("setThrew", 1, 0); err != nil { // counts
					panic(err)
				}
			}},
		},
		Calls: []CallSite{{Name: "wait", Old: append(dead, rest...), By: "waiting"}},
	})
	for range 2 {
		g := startGuest(t, p, Process{})
		for n := range 3 {
			g.want(n, "counter")
			g.want(77+5+6, "wait", 5, 6)
		}
	}
}
