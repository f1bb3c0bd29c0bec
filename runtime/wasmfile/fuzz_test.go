package wasmfile_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/tetratelabs/wazero"

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
	f.Add(spilled(), "f", byte(9))
	f.Add(waiting(), "half", byte(25))
	f.Fuzz(func(t *testing.T, b []byte, export string, mode byte) {
		rw := wasmfile.Rewrite{
			SealGOT:       true,
			OwnMemory:     mode&4 != 0,
			IntegerSelect: mode&8 != 0,
			ImportModule:  map[string]string{"env": "somewhere else"},
			Interpose:     []wasmfile.Interposition{{Export: export, Slot: 7, Mode: wasmfile.Mode(mode & 3)}},
		}
		if mode&16 != 0 {
			rw.Calls = []wasmfile.Call{{Name: "x", Old: inLoop, Slot: 3}}
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

// FuzzIntegerSelect checks, for the code of a function, that what wazero finds
// valid is rewritten to what it finds valid, and that nothing is left to do.
func FuzzIntegerSelect(f *testing.F) {
	ctx := context.Background()
	r := engine(f, wazero.NewRuntimeConfigInterpreter())
	valid := func(b []byte) error {
		cm, err := r.CompileModule(ctx, b)
		if err != nil {
			return err
		}
		return cm.Close(ctx)
	}
	f.Add([]byte{0x20, 3, 0x20, 3, 0x20, 0, 0x1b, 0x1a})
	f.Add([]byte{0x20, 4, 0x20, 4, 0x20, 0, 0x1c, 1, 0x7b, 0x1a})
	f.Add([]byte{0x41, 0, 0x04, 0x7d, 0x00, 0x05, 0x20, 2, 0x20, 2, 0x20, 0, 0x1b, 0x0b, 0x1a})
	f.Add([]byte{0x03, 0x40, 0x41, 0, 0x0e, 1, 0, 1, 0x1b, 0x0b})
	f.Add([]byte{0x41, 0, 0x02, 0, 0x10, 0, 0x0b, 0x1a, 0x20, 3, 0x20, 0, 0x1b, 0x1a})
	f.Fuzz(func(t *testing.T, code []byte) {
		rw := wasmfile.Rewrite{IntegerSelect: true}
		in := around(code, 0)
		invalid := valid(in)
		out, err := rw.Apply(in)
		if err != nil {
			if invalid == nil {
				t.Fatalf("valid, but: %v", err)
			}
			return
		}
		if _, err := wasmfile.Parse(out); err != nil {
			t.Fatalf("result can't be parsed: %v", err)
		}
		if invalid != nil {
			return
		}
		if err := valid(out); err != nil {
			t.Fatalf("result is not valid: %v", err)
		}
		again, err := rw.Apply(out)
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("result is not left as it is: %v", err)
		}
	})
}
