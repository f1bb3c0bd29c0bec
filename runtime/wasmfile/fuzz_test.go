package wasmfile_test

import (
	"testing"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// library is a small shared library in the form that Emscripten's linker
// makes: "dylink.0" first, GOT imports mutable, elements from __table_base on.
func library(t testing.TB) []byte {
	t.Helper()
	var b wasmfile.Builder
	b.ImportFunc("env", "add", ii_i)
	b.ImportMemory("env", "memory", wasmfile.Limits{})
	b.ImportTable("env", "__indirect_function_table", wasmfile.Limits{Min: 1})
	b.ImportGlobal("env", "__stack_pointer", i32, true)
	base := b.ImportGlobal("env", "__table_base", i32, false)
	b.ImportGlobal("GOT.mem", "SomeVariable", i32, true)
	b.ImportGlobal("GOT.func", "add", i32, true)
	f := b.Func(ii_i, wasmfile.Code(nil).LocalGet(0).LocalGet(1).Call(0))
	b.ElementsAt(base, f)
	b.Export("pg_finfo_f", wasmfile.KindFunc, f)
	b.Export("counter", wasmfile.KindGlobal, b.GlobalI32(24, false))
	return b.SharedLibrary(wasmfile.Dylink{MemSize: 40, MemAlign: 4, TableSize: 1, Needed: []string{"libc.so"}, Weak: map[string]bool{"add": true}})
}

func FuzzParse(f *testing.F) {
	f.Add(program(f))
	f.Add(library(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wasmfile.Parse(b)
		if err != nil {
			return
		}
		for name, e := range m.Exports {
			if e.Kind == wasmfile.KindFunc {
				m.FuncSig(e.Index)
				m.TableIndex(e.Index)
			}
			m.DataAddress(name)
		}
		if len(m.Exports) != len(m.ExportOrder) {
			t.Errorf("%d exports, %d in order", len(m.Exports), len(m.ExportOrder))
		}
	})
}

// FuzzApply checks that what is rewritten can be parsed, and that rewriting
// shifts no index.
func FuzzApply(f *testing.F) {
	f.Add(program(f), "add", byte(2))
	f.Add(library(f), "pg_finfo_f", byte(1))
	f.Fuzz(func(t *testing.T, b []byte, export string, mode byte) {
		rw := wasmfile.Rewrite{
			SealGOT:      true,
			OwnMemory:    mode&4 != 0,
			ImportModule: map[string]string{"env": "somewhere else"},
			Interpose:    []wasmfile.Interposition{{Export: export, Slot: 7, Mode: wasmfile.Mode(mode & 3)}},
		}
		out, err := rw.Apply(b)
		if err != nil {
			return
		}
		m, err := wasmfile.Parse(b)
		if err != nil {
			t.Fatal("applied to what can't be parsed")
		}
		m2, err := wasmfile.Parse(out)
		if err != nil {
			t.Fatalf("result can't be parsed: %v", err)
		}
		for name, e := range m.Exports {
			if m2.Exports[name] != e {
				t.Errorf("export %q is %v, was %v", name, m2.Exports[name], e)
			}
		}
		for i := range m.NumFuncs() {
			if !m.FuncSig(i).Equal(m2.FuncSig(i)) {
				t.Errorf("function %d has another signature", i)
			}
		}
	})
}
