package wasmfile_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// deadLoad is what clang leaves of reading a volatile field: local.get local,
// i32.load offset=12, drop.
func deadLoad(local byte) []byte { return []byte{0x20, local, 0x28, 0x02, 0x0c, 0x1a} }

// waiting is a program with three places that a host wants to know of.
//
//	loop(n, step) = n·step by adding; a place at every round
//	half(a, b) = a/2 by way of a select of floats when b ≠ 0, else a; a place
//	            before the select
//	both(a, b) = half(loop(a, 2), b); a place before
func waiting() []byte {
	var b wasmfile.Builder
	b.ImportFunc("env", "note", ii_)
	b.ImportMemory("env", "memory", wasmfile.Limits{Min: 1, Max: 1, HasMax: true})
	b.Table(wasmfile.Limits{Min: 4})
	local := func(types ...wasmfile.ValType) (l []wasmfile.LocalGroup) {
		for _, typ := range types {
			l = append(l, wasmfile.LocalGroup{Count: 1, Type: typ})
		}
		return l
	}
	c := wasmfile.Code{0x03, 0x40}                            // loop
	c = append(append(c, deadLoad(0)...), 0x20, 1, 0x20, 2)   // local.get 1, local.get 2
	c = append(c, 0x6a, 0x21, 2, 0x20, 0, 0x41, 0x7f)         // i32.add, local.set 2, local.get 0, i32.const -1
	c = append(c, 0x6a, 0x22, 0, 0x0d, 0, 0x0b, 0x20, 0x02)   // i32.add, local.tee 0, br_if 0, end, local.get 2
	loop := b.FuncLocals(ii_i, local(i32), c)                 //
	c = append(deadLoad(1), 0x20, 0, 0xb7, 0x44)              // local.get 0, f64.convert_i32_s, f64.const
	c = append(c, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f)               // 0.5
	c = append(c, 0xa2, 0x20, 0, 0xb7, 0x20, 1, 0x1b)         // f64.mul, local.get 0, f64.convert_i32_s, local.get 1, select
	half := b.Func(ii_i, append(c, 0xaa))                     // i32.trunc_f64_s
	c = append(deadLoad(0), 0x20, 1, 0x1a)                    // local.get 1, drop
	c = append(c.LocalGet(0).I32Const(2).Call(loop), 0x20, 1) // local.get 1
	both := b.Func(ii_i, c.Call(half))
	b.Elements(1, loop)
	b.Export("loop", wasmfile.KindFunc, loop)
	b.Export("half", wasmfile.KindFunc, half)
	b.Export("both", wasmfile.KindFunc, both)
	b.Export("__indirect_function_table", wasmfile.KindTable, 0)
	return b.Bytes()
}

// Where the places of waiting are.
var (
	inLoop = append(deadLoad(0), 0x20, 1, 0x20, 2)
	inHalf = append(deadLoad(1), 0x20, 0)
	inBoth = append(deadLoad(0), 0x20, 1, 0x1a)
)

// TestCall: calls happen where they were put and change nothing else, beside
// all other changes.
func TestCall(t *testing.T) {
	const note, tick = 5, 6
	at := func(old ...[]byte) (calls []wasmfile.Call) {
		for _, o := range old {
			calls = append(calls, wasmfile.Call{Name: "x", Old: o, Slot: tick})
		}
		return calls
	}
	before := []wasmfile.Interposition{
		{Export: "half", Slot: note, Mode: wasmfile.Before},
		{Export: "both", Slot: note, Mode: wasmfile.Before},
	}
	three := []wasmfile.Patch{{Name: "two is three", Old: []byte{0x41, 2, 0x10}, New: []byte{0x41, 3, 0x10}, Count: 1}}
	for _, c := range []struct {
		name         string
		rw           wasmfile.Rewrite
		both         uint32 // both(10, 1)
		ticks, notes int
	}{
		{"none", wasmfile.Rewrite{}, 10, 0, 0},
		{"in a loop", wasmfile.Rewrite{Calls: at(inLoop)}, 10, 10, 0},
		{"in every function", wasmfile.Rewrite{Calls: at(inBoth, inHalf, inLoop)}, 10, 12, 0},
		{"with selects", wasmfile.Rewrite{Calls: at(inHalf, inBoth), IntegerSelect: true}, 10, 2, 0},
		{"with selects elsewhere", wasmfile.Rewrite{Calls: at(inBoth), IntegerSelect: true}, 10, 1, 0},
		{"with a patch", wasmfile.Rewrite{Calls: at(inBoth), Patches: three}, 15, 1, 0},
		{"with old bodies", wasmfile.Rewrite{Calls: at(inHalf, inLoop), Interpose: before}, 10, 11, 2},
		{"with all", wasmfile.Rewrite{Calls: at(inBoth, inHalf, inLoop), Patches: three, Interpose: before, IntegerSelect: true}, 15, 12, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			m := w.start(waiting(), c.rw)
			if got := w.call(m, "both", 10, 1); got != c.both {
				t.Errorf("both(10, 1) = %d, expected %d", got, c.both)
			}
			if w.ticks != c.ticks || len(w.notes) != c.notes {
				t.Errorf("%d ticks and %d notes, expected %d and %d", w.ticks, len(w.notes), c.ticks, c.notes)
			}
			if got := w.call(m, "half", 10, 0); got != 10 {
				t.Errorf("half(10, 0) = %d, expected 10", got)
			}
		})
	}
}

// TestCallSlots: every place calls its own slot, and those with the same one
// share a function.
func TestCallSlots(t *testing.T) {
	w := newWorld(t)
	in := waiting()
	rw := wasmfile.Rewrite{Calls: []wasmfile.Call{
		{Name: "a", Old: inLoop, Slot: 6}, {Name: "b", Old: inBoth, Slot: 3}, {Name: "c", Old: inHalf, Slot: 6},
	}}
	m := w.start(in, rw)
	if got := w.call(m, "half", 10, 1); got != 5 || w.ticks != 1 {
		t.Errorf("half(10, 1) = %d with %d ticks, expected 5 with one", got, w.ticks)
	}
	if _, err := m.ExportedFunction("both").Call(w.ctx, 10, 1); err == nil || !strings.Contains(err.Error(), "invalid table access") {
		t.Errorf("a call of an empty slot: %v", err)
	}
	out, err := rw.Apply(in)
	if err != nil {
		t.Fatal(err)
	}
	was, _ := wasmfile.Parse(in)
	is, err := wasmfile.Parse(out)
	if err != nil || is.NumFuncs() != was.NumFuncs()+2 {
		t.Fatalf("%d functions, %v, expected two more than %d", is.NumFuncs(), err, was.NumFuncs())
	}
}

// TestCallRefuses: a place that can't be told, or none.
func TestCallRefuses(t *testing.T) {
	call := func(old []byte) wasmfile.Rewrite {
		return wasmfile.Rewrite{Calls: []wasmfile.Call{{Name: "x", Old: old}}}
	}
	twice := call(inLoop)
	twice.Calls = append(twice.Calls, twice.Calls[0])
	beyond := call(inLoop)
	beyond.Interpose = []wasmfile.Interposition{{Func: 3}}
	var tableless wasmfile.Builder
	tableless.Export("f", wasmfile.KindFunc, tableless.FuncLocals(wasmfile.Sig{}, []wasmfile.LocalGroup{{Count: 1, Type: i32}}, deadLoad(0)))
	overlaps := append(bytes.Repeat([]byte{0x41, 1, 0x1a}, 3), 0x20, 0, 0x20, 1, 0x6a)
	var again wasmfile.Builder
	again.Table(wasmfile.Limits{Min: 1})
	again.Func(ii_i, overlaps)
	for _, c := range []struct {
		name, want string
		rw         wasmfile.Rewrite
		in         []byte
	}{
		{"nowhere", `call "x": not found`, call(append(deadLoad(7), 0x20)), waiting()},
		{"in two places", `call "x": found more than once`, call(deadLoad(0)), waiting()},
		{"in two places that overlap", `call "x": found more than once`, call(overlaps[:6]), again.Bytes()},
		{"the same place twice", `call "x": not found`, twice, waiting()},
		{"no room", `call "x": 5 bytes are too few`, call(inLoop[:5]), waiting()},
		{"no table", `call "x": module has no table`, call(deadLoad(0)), tableless.Bytes()},
		{"interposed itself", `defined function 3: there are only 3`, beyond, waiting()},
	} {
		_, err := c.rw.Apply(c.in)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", c.name, err, c.want)
		}
	}
}

// TestCallDropsDebug: offsets in the code that debugging information counts in
// are not true any more; the names are.
func TestCallDropsDebug(t *testing.T) {
	custom := func(name string) []byte {
		content := append([]byte{byte(len(name))}, name...)
		return append([]byte{0, byte(len(content))}, content...)
	}
	in := append(waiting(), append(custom(".debug_line"), custom("name")...)...)
	out, err := wasmfile.Rewrite{Calls: []wasmfile.Call{{Name: "x", Old: inLoop}}}.Apply(in)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(out, []byte(".debug_line")) || !bytes.Contains(out, []byte("name")) {
		t.Error("debugging information is kept, or names are not")
	}
}
