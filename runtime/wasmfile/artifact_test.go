package wasmfile_test

import (
	"context"
	"path"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/howdahdb/howdah/runtime/wasmfile"
	"github.com/howdahdb/howdah/wasm"
)

// TestStockBackend rewrites the real pglite.wasm in every way at once and lets
// wazero validate the result. The interpreter is enough for that.
func TestStockBackend(t *testing.T) {
	ctx := context.Background()
	a := stock(t)
	m, err := wasmfile.Parse(a.Backend())
	if err != nil {
		t.Fatal(err)
	}
	if m.TableMin != 6980 || m.NumImports(wasmfile.KindFunc) != 135 || m.NumFuncs() != 13860 {
		t.Errorf("table of %d, %d functions of which %d imported", m.TableMin, m.NumFuncs(), m.NumImports(wasmfile.KindFunc))
	}
	if l := m.Memories[0]; l != (wasmfile.Limits{Min: 2048, Max: 32768, HasMax: true}) {
		t.Errorf("memory %+v", l)
	}
	if a, ok := m.DataAddress("MyProcPid"); !ok || a != 2875608 {
		t.Errorf("MyProcPid at %d, %v", a, ok)
	}

	// getpid() is 42 and inlined: load MyProcPid; const 42; eq becomes load,
	// drop, const 1.
	myProcPid := []byte{0x41, 0xd8, 0xc1, 0xaf, 0x01, 0x28, 0x02, 0x00}
	old := append(myProcPid[:8:8], 0x41, 0x2a, 0x46)
	patch := wasmfile.Patch{Name: "pid", Old: old, New: append(myProcPid[:8:8], 0x1a, 0x41, 0x01), Count: 1}
	kill := wasmfile.Sig{Params: []wasmfile.ValType{i32, i32}, Results: []wasmfile.ValType{i32}}
	rw := wasmfile.Rewrite{
		OwnMemory:    true,
		ImportModule: map[string]string{"env": "env.backend"},
		Patches:      []wasmfile.Patch{patch},
		Interpose: []wasmfile.Interposition{
			{Export: "WaitLatch", Slot: 6980},
			{Export: "ProcessInterrupts", Slot: 6981, Mode: wasmfile.Before},
			{Export: "on_shmem_exit", Slot: 6982, Mode: wasmfile.Before},
			{Export: "mmap", Slot: 6983, Mode: wasmfile.Override},
			{Func: 13338, Sig: &kill, Slot: 6984},
		},
		// PGSemaphoreLock, inlined: the load of proc->sem is all that is
		// left of it.
		Calls: []wasmfile.Call{{Name: "semaphore", Slot: 6985, Old: []byte{
			0x20, 6, 0x28, 2, 12, 0x1a, 0x20, 4, 0x22, 2, 0x41, 1, 0x6a, 0x21, 4, 0x20, 6, 0x2d, 0, 74, 0x0d, 0}}},
		IntegerSelect: true,
	}
	b, err := rw.Apply(a.Backend())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine(t, wazero.NewRuntimeConfigInterpreter()).CompileModule(ctx, b); err != nil {
		t.Fatal(err)
	}

	rw.Patches[0].Count = 2
	if _, err := rw.Apply(a.Backend()); err == nil {
		t.Error("a patch that is found once instead of twice was applied")
	}
}

// TestStockSideModules rewrites all that comes with PGlite, as TestStockBackend
// does the program.
func TestStockSideModules(t *testing.T) {
	r := engine(t, wazero.NewRuntimeConfigInterpreter())
	n, changed := 0, 0
	for _, f := range stock(t).Files() {
		if path.Ext(f.Path) != ".so" {
			continue
		}
		n++
		b, err := wasmfile.Rewrite{SealGOT: true, IntegerSelect: true}.Apply(f.Data)
		if err != nil {
			t.Errorf("%s: %v", f.Path, err)
			continue
		}
		if len(b) > len(f.Data) {
			changed++
		}
		if code, err := r.CompileModule(context.Background(), b); err != nil {
			t.Errorf("%s: %v", f.Path, err)
		} else if err := code.Close(context.Background()); err != nil {
			t.Error(err)
		}
		m, err := wasmfile.Parse(b)
		if err != nil || m.Dylink == nil {
			t.Errorf("%s: dylink %v, %v", f.Path, m.Dylink, err)
			continue
		}
		for _, im := range m.Imports {
			if strings.HasPrefix(im.Module, "GOT.") && im.Mutable {
				t.Errorf("%s: %s.%s is mutable", f.Path, im.Module, im.Name)
			}
		}
		if _, ok := m.ExportedFunc("__wasm_call_ctors"); !ok {
			t.Errorf("%s: no constructors", f.Path)
		}
	}
	if n < 60 || changed == 0 {
		t.Errorf("%d side modules, of which %d select floats", n, changed)
	}
}

func BenchmarkApply(b *testing.B) {
	in := stock(b).Backend()
	interpose := []wasmfile.Interposition{{Export: "WaitLatch", Slot: 6980}}
	for _, c := range []struct {
		name string
		rw   wasmfile.Rewrite
	}{
		{"interpose", wasmfile.Rewrite{OwnMemory: true, Interpose: interpose}},
		{"select", wasmfile.Rewrite{OwnMemory: true, Interpose: interpose, IntegerSelect: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.rw.Apply(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// stock loads the pinned artifact as the product does.
func stock(t testing.TB) *wasm.Artifact {
	t.Helper()
	a, err := wasm.Load(context.Background(), wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}
