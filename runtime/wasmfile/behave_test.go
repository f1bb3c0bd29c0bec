package wasmfile_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

var (
	i32  = wasmfile.I32
	ii_i = wasmfile.Sig{Params: []wasmfile.ValType{i32, i32}, Results: []wasmfile.ValType{i32}}
	ii_  = wasmfile.Sig{Params: []wasmfile.ValType{i32, i32}}
)

// program is a small stand-in for a program: it imports its memory and the
// function note, has a table of four entries, and exports
//
//	add(a, b) = a + b + 1000          defined function 0, table entry 1
//	twice(a, b) = add(add(a, b), b)   defined function 1
//	peek() = the i32 at 8             defined function 2
//	clear() makes the i32 at 64 zero  defined function 3
func program(t testing.TB) []byte {
	t.Helper()
	var b wasmfile.Builder
	b.ImportFunc("env", "note", ii_)
	b.ImportMemory("env", "memory", wasmfile.Limits{Min: 2, Max: 4, HasMax: true})
	b.Table(wasmfile.Limits{Min: 4})
	add := b.Func(ii_i, wasmfile.Code(nil).LocalGet(0).LocalGet(1).I32Add().I32Const(1000).I32Add())
	twice := b.Func(ii_i, wasmfile.Code(nil).LocalGet(0).LocalGet(1).Call(add).LocalGet(1).Call(add))
	peek := b.Func(wasmfile.Sig{Results: []wasmfile.ValType{i32}}, wasmfile.Code(nil).I32Const(8).I32Load(0))
	b.Elements(1, add)
	b.Export("add", wasmfile.KindFunc, add)
	b.Export("twice", wasmfile.KindFunc, twice)
	b.Export("peek", wasmfile.KindFunc, peek)
	b.Export("clear", wasmfile.KindFunc, b.Func(wasmfile.Sig{}, wasmfile.Code(nil).I32Const(64).I32Const(0).I32Store(0)))
	b.Export("__indirect_function_table", wasmfile.KindTable, 0)
	b.Export("__stack_pointer", wasmfile.KindGlobal, b.GlobalI32(65536, true))
	b.Export("SomeVariable", wasmfile.KindGlobal, b.GlobalI32(2607568, false))
	return b.Bytes()
}

// world is a runtime in which modules are linked by a map of names.
type world struct {
	t     *testing.T
	ctx   context.Context
	r     wazero.Runtime
	mods  map[string]api.Module
	notes [][2]uint32
	ticks int
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, mods: map[string]api.Module{}}
	w.ctx = experimental.WithImportResolver(context.Background(), func(name string) api.Module { return w.mods[name] })
	cfg := wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesThreads)
	w.r = wazero.NewRuntimeWithConfig(w.ctx, cfg)
	t.Cleanup(func() { w.r.Close(w.ctx) })
	note := func(_ context.Context, stack []uint64) {
		w.notes = append(w.notes, [2]uint32{uint32(stack[0]), uint32(stack[1])})
	}
	// mul answers 0 unless a is 7: what Override takes for "not mine".
	mul := func(_ context.Context, stack []uint64) {
		if uint32(stack[0]) != 7 {
			stack[0] = 0
			return
		}
		stack[0] *= stack[1]
	}
	tick := func(context.Context, []uint64) { w.ticks++ }
	_, err := w.r.NewHostModuleBuilder("host").
		NewFunctionBuilder().WithGoFunction(api.GoFunc(tick), nil, nil).Export("tick").
		NewFunctionBuilder().WithGoFunction(api.GoFunc(note), ii_.Params, nil).Export("note").
		NewFunctionBuilder().WithGoFunction(api.GoFunc(mul), ii_i.Params, ii_i.Results).Export("mul").
		Instantiate(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// add instantiates a module under the name that others import it by.
func (w *world) add(name string, b []byte) api.Module {
	w.t.Helper()
	cm, err := w.r.CompileModule(w.ctx, b)
	if err != nil {
		w.t.Fatalf("compile %s: %v", name, err)
	}
	m, err := w.r.InstantiateModule(w.ctx, cm, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		w.t.Fatalf("instantiate %s: %v", name, err)
	}
	w.mods[name] = m
	return m
}

func (w *world) call(m api.Module, fn string, args ...uint64) uint32 {
	w.t.Helper()
	res, err := m.ExportedFunction(fn).Call(w.ctx, args...)
	if err != nil {
		w.t.Fatalf("%s: %v", fn, err)
	}
	if len(res) == 0 {
		return 0
	}
	return uint32(res[0])
}

func hostRef(name string, s wasmfile.Sig) wasmfile.FuncRef {
	return wasmfile.FuncRef{Module: "host", Name: name, Sig: s}
}

// boot rewrites the program and puts the host's functions into its table:
// mul at 4, note at 5, tick at 6.
func (w *world) boot(rw wasmfile.Rewrite) api.Module {
	w.t.Helper()
	return w.start(program(w.t), rw)
}

// start is boot of another program with a table of four entries.
func (w *world) start(b []byte, rw wasmfile.Rewrite) api.Module {
	w.t.Helper()
	env := wasmfile.Facade{Funcs: []wasmfile.FacadeFunc{{Name: "note", From: hostRef("note", ii_)}}}
	w.add("env", env.Bytes())
	rw.OwnMemory = true
	b, err := rw.Apply(b)
	if err != nil {
		w.t.Fatal(err)
	}
	main := w.add("main", b)
	tw := w.add("writer", wasmfile.TableAdder("main", []wasmfile.FuncRef{
		hostRef("mul", ii_i), hostRef("note", ii_), hostRef("tick", wasmfile.Sig{})}))
	base := w.call(tw, "grow", 3)
	if base != 4 {
		w.t.Fatalf("table grew from %d, expected 4", base)
	}
	w.call(tw, "put", uint64(base))
	return main
}

func TestInterpose(t *testing.T) {
	const mul, note = 4, 5
	for _, c := range []struct {
		name      string
		ip        wasmfile.Interposition
		add7      uint32 // add(7, 5)
		add1      uint32 // add(1, 5)
		twice7    uint32 // twice(7, 5): the calls inside go through the slot too
		wantNotes int
	}{
		{"none", wasmfile.Interposition{Export: "peek", Slot: 1}, 1012, 1006, 2017, 0},
		{"replace by export", wasmfile.Interposition{Export: "add", Sig: &ii_i, Slot: mul}, 35, 0, 0, 0},
		{"replace by index", wasmfile.Interposition{Func: 0, Slot: mul}, 35, 0, 0, 0},
		{"before", wasmfile.Interposition{Export: "add", Slot: note, Mode: wasmfile.Before}, 1012, 1006, 2017, 4},
		{"override", wasmfile.Interposition{Export: "add", Slot: mul, Mode: wasmfile.Override}, 35, 1006, 1040, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			ips := []wasmfile.Interposition{c.ip}
			if c.ip.Export == "peek" {
				ips = nil
			}
			m := w.boot(wasmfile.Rewrite{Interpose: ips})
			if got := w.call(m, "add", 7, 5); got != c.add7 {
				t.Errorf("add(7, 5) = %d, expected %d", got, c.add7)
			}
			if got := w.call(m, "add", 1, 5); got != c.add1 {
				t.Errorf("add(1, 5) = %d, expected %d", got, c.add1)
			}
			if got := w.call(m, "twice", 7, 5); got != c.twice7 {
				t.Errorf("twice(7, 5) = %d, expected %d", got, c.twice7)
			}
			if len(w.notes) != c.wantNotes {
				t.Errorf("%d notes, expected %d", len(w.notes), c.wantNotes)
			}
			if c.wantNotes > 0 && w.notes[0] != [2]uint32{7, 5} {
				t.Errorf("first note %v, expected [7 5]", w.notes[0])
			}
		})
	}
}

// TestCountdown: a function that counts down runs when the number is 1 or 0, and
// begins anew.
func TestCountdown(t *testing.T) {
	const addr, start = 64, 3
	w := newWorld(t)
	m := w.boot(wasmfile.Rewrite{Interpose: []wasmfile.Interposition{
		{Export: "clear", Slot: 6, Mode: wasmfile.Before, Countdown: &wasmfile.Countdown{Addr: addr, Start: start}},
	}})
	var ticked []bool
	for range 8 {
		before := w.ticks
		w.call(m, "clear")
		ticked = append(ticked, w.ticks > before)
	}
	if want := []bool{true, false, false, true, false, false, true, false}; !slices.Equal(ticked, want) {
		t.Errorf("got %v, expected %v", ticked, want)
	}
	m.Memory().WriteUint32Le(addr, 1) // somebody wants it now
	before := w.ticks
	if w.call(m, "clear"); w.ticks == before {
		t.Error("1 does not let it run")
	}
}

func TestInterposeSeveral(t *testing.T) {
	w := newWorld(t)
	m := w.boot(wasmfile.Rewrite{Interpose: []wasmfile.Interposition{
		{Export: "twice", Slot: 5, Mode: wasmfile.Before},
		{Export: "add", Slot: 4, Mode: wasmfile.Override},
	}})
	if got := w.call(m, "twice", 7, 5); got != 1040 {
		t.Errorf("twice(7, 5) = %d, expected 1040", got)
	}
	if len(w.notes) != 1 || w.notes[0] != [2]uint32{7, 5} {
		t.Errorf("notes %v, expected [[7 5]]", w.notes)
	}
}

func TestOwnMemory(t *testing.T) {
	w := newWorld(t)
	m := w.boot(wasmfile.Rewrite{})
	mem := m.ExportedMemory("memory")
	if mem == nil {
		t.Fatal("no memory exported")
	}
	if mem.Size() != 2<<16 {
		t.Errorf("memory of %d bytes", mem.Size())
	}
	mem.WriteUint32Le(8, 77)
	if got := w.call(m, "peek"); got != 77 {
		t.Errorf("peek = %d, expected 77", got)
	}
	if _, ok := mem.Grow(2); !ok {
		t.Error("can't grow to the maximum")
	}
	if _, ok := mem.Grow(1); ok {
		t.Error("grew past the maximum")
	}
}

func TestRewriteRefuses(t *testing.T) {
	one := []byte{0x41, 0xe8, 0x07, 0x6a} // i32.const 1000, i32.add
	other := []byte{0x41, 0xe9, 0x07, 0x6a}
	iii_i := wasmfile.Sig{Params: []wasmfile.ValType{i32, i32, i32}, Results: ii_i.Results}
	for _, c := range []struct {
		name, want string
		rw         wasmfile.Rewrite
	}{
		{"patch missing", `patch "x": found 0 times, expected 1`, wasmfile.Rewrite{Patches: []wasmfile.Patch{{Name: "x", Old: other, New: one, Count: 1}}}},
		{"patch too often", `patch "x": found 1 times, expected 2`, wasmfile.Rewrite{Patches: []wasmfile.Patch{{Name: "x", Old: one, New: other, Count: 2}}}},
		{"patch of another length", `patch "x": 3 bytes for 4`, wasmfile.Rewrite{Patches: []wasmfile.Patch{{Name: "x", Old: one, New: other[:3], Count: 1}}}},
		{"no such export", `function "gone": not exported`, wasmfile.Rewrite{Interpose: []wasmfile.Interposition{{Export: "gone"}}}},
		{"no function", `function "memory": not exported`, wasmfile.Rewrite{OwnMemory: true, Interpose: []wasmfile.Interposition{{Export: "memory"}}}},
		{"index", `defined function 4: there are only 4`, wasmfile.Rewrite{Interpose: []wasmfile.Interposition{{Func: 4}}}},
		{"signature", `function "add": signature is ii_i, expected iii_i`, wasmfile.Rewrite{Interpose: []wasmfile.Interposition{{Export: "add", Sig: &iii_i}}}},
		{"twice", `defined function 0: named twice`, wasmfile.Rewrite{Interpose: []wasmfile.Interposition{{Export: "add"}, {Func: 0}}}},
		{"countdown", `before of signature ii_i can't count down`, wasmfile.Rewrite{Interpose: []wasmfile.Interposition{{Export: "add", Mode: wasmfile.Before, Countdown: &wasmfile.Countdown{}}}}},
		{"mode", `unknown mode 3`, wasmfile.Rewrite{Interpose: []wasmfile.Interposition{{Export: "add", Mode: 3}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.rw.Apply(program(t))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, expected %q", err, c.want)
			}
		})
	}
}

func TestPatch(t *testing.T) {
	w := newWorld(t)
	m := w.boot(wasmfile.Rewrite{
		Patches:   []wasmfile.Patch{{Name: "thousand", Old: []byte{0x41, 0xe8, 0x07, 0x6a}, New: []byte{0x41, 0xe9, 0x07, 0x6a}, Count: 1}},
		Interpose: []wasmfile.Interposition{{Export: "add", Slot: 4, Mode: wasmfile.Override}},
	})
	if got := w.call(m, "add", 1, 5); got != 1007 {
		t.Errorf("add(1, 5) = %d, expected 1007 of the patched old body", got)
	}
}

func TestSideModuleGlue(t *testing.T) {
	w := newWorld(t)
	w.boot(wasmfile.Rewrite{})
	env := wasmfile.Facade{
		Main:      "main",
		Funcs:     []wasmfile.FacadeFunc{{Name: "renamed", From: wasmfile.FuncRef{Module: "main", Name: "add", Sig: ii_i}}},
		Indirect:  []wasmfile.IndirectFunc{{Name: "late", Sig: ii_i, Slot: 4}},
		Table:     true,
		MemoryMax: 32768,
		Globals:   []string{"__stack_pointer"},
		Constants: []wasmfile.Constant{{Name: "__memory_base", Value: 4096}, {Name: "__table_base", Value: 1 << 31}},
	}
	m := w.add("side env", env.Bytes())
	if got := w.call(m, "renamed", 1, 2); got != 1003 {
		t.Errorf("renamed(1, 2) = %d, expected 1003", got)
	}
	if got := w.call(m, "late", 7, 6); got != 42 {
		t.Errorf("late(7, 6) = %d, expected 42", got)
	}
	for name, want := range map[string]uint64{"__memory_base": 4096, "__table_base": 1 << 31, "__stack_pointer": 65536} {
		if got := m.ExportedGlobal(name).Get(); got != want {
			t.Errorf("%s = %d, expected %d", name, got, want)
		}
	}
	call := w.add("trampoline", wasmfile.Trampoline("main", ii_i))
	if got := w.call(call, "call", 1, 30, 12); got != 1042 {
		t.Errorf("entry 1 of (30, 12) = %d, expected 1042", got)
	}
	got := w.add("GOT.mem", wasmfile.Constants([]string{"a", "b"}, []uint32{1, 0xfffffff0}))
	if a, b := got.ExportedGlobal("a").Get(), got.ExportedGlobal("b").Get(); a != 1 || uint32(b) != 0xfffffff0 {
		t.Errorf("globals %d, %#x", a, b)
	}
}
