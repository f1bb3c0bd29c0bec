package wasmfile_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

func TestParseLibrary(t *testing.T) {
	m, err := wasmfile.Parse(library(t))
	if err != nil {
		t.Fatal(err)
	}
	want := &wasmfile.Dylink{MemSize: 40, MemAlign: 4, TableSize: 1, Needed: []string{"libc.so"}, Weak: map[string]bool{"add": true}}
	if !reflect.DeepEqual(m.Dylink, want) {
		t.Errorf("dylink %+v, expected %+v", m.Dylink, want)
	}
	f, ok := m.ExportedFunc("pg_finfo_f")
	if !ok || f != 1 {
		t.Errorf("pg_finfo_f is function %d, %v", f, ok)
	}
	if i, ok := m.TableIndex(f); !ok || i != 0 {
		t.Errorf("pg_finfo_f at table entry %d, %v; expected 0 from __table_base", i, ok)
	}
	if a, ok := m.DataAddress("counter"); !ok || a != 24 {
		t.Errorf("counter at %d, %v; expected 24", a, ok)
	}
	if _, ok := m.DataAddress("pg_finfo_f"); ok {
		t.Error("a function has a data address")
	}
	if all, mutable := m.NumGlobals(); all != 5 || mutable != 3 {
		t.Errorf("%d globals, %d mutable; expected 5, 3", all, mutable)
	}
}

func TestParseProgram(t *testing.T) {
	m, err := wasmfile.Parse(program(t))
	if err != nil {
		t.Fatal(err)
	}
	add, _ := m.ExportedFunc("add")
	if i, ok := m.TableIndex(add); !ok || i != 1 {
		t.Errorf("add at table entry %d, %v; expected 1", i, ok)
	}
	if s := m.FuncSig(add); !s.Equal(ii_i) || s.Key() != "ii_i" {
		t.Errorf("add has signature %v", s)
	}
	if m.TableMin != 4 || m.NumFuncs() != 5 || m.NumImports(wasmfile.KindFunc) != 1 {
		t.Errorf("table of %d, %d functions, %d imported", m.TableMin, m.NumFuncs(), m.NumImports(wasmfile.KindFunc))
	}
	order := []string{"add", "twice", "peek", "clear", "__indirect_function_table", "__stack_pointer", "SomeVariable"}
	if !reflect.DeepEqual(m.ExportOrder, order) {
		t.Errorf("exports %v, expected %v", m.ExportOrder, order)
	}
	if _, ok := m.DataAddress("__stack_pointer"); ok {
		t.Error("a mutable global has a data address")
	}
	im := m.Imports[1]
	if im.Kind != wasmfile.KindMemory || im.Limits != (wasmfile.Limits{Min: 2, Max: 4, HasMax: true}) {
		t.Errorf("memory import %+v", im)
	}
}

func TestParseRefuses(t *testing.T) {
	const head = "\x00asm\x01\x00\x00\x00"
	for _, c := range []struct{ name, wasm, want string }{
		{"empty", "", "module section at offset 0x0: not a WebAssembly binary"},
		{"component", "\x00asm\x0d\x00\x01\x00", "not a WebAssembly binary of version 1"},
		{"unknown section", head + "\x40\x00", "module section at offset 0x9: unknown section 64"},
		{"cut section", head + "\x01\x05\x00", "unexpected end"},
		{"wrong order", head + "\x03\x01\x00\x01\x01\x00", "type section is repeated or out of order"},
		{"left over", head + "\x01\x02\x00\x00", "type section at offset 0xb: 1 bytes left over"},
		{"forged count", head + "\x01\x05\xff\xff\xff\xff\x0f", "list of 4294967295 elements does not fit"},
		{"long integer", head + "\x01\x06\xff\xff\xff\xff\xff\x00", "integer too large"},
		{"no type", head + "\x03\x02\x01\x00", "function section at offset 0xc: no type 0"},
		{"no body", head + "\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00", "functions and their bodies differ"},
		{"no such export", head + "\x07\x05\x01\x01a\x00\x00", `export "a": no function 0`},
		{"bad name", head + "\x07\x05\x01\x01\xff\x00\x00", "name is not UTF-8"},
		{"constant", head + "\x06\x06\x01\x7f\x00\x6a\x0b\x00", "constant expression lacks operands"},
		{"two memories", head + "\x05\x05\x02\x00\x00\x00\x00", "several memories"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := wasmfile.Parse([]byte(c.wasm))
			var fe *wasmfile.FormatError
			if !errors.As(err, &fe) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, expected %q", err, c.want)
			}
		})
	}
}

func TestSealGOT(t *testing.T) {
	in := library(t)
	out, err := wasmfile.Rewrite{SealGOT: true}.Apply(in)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != len(in) {
		t.Errorf("length %d, was %d", len(out), len(in))
	}
	m, err := wasmfile.Parse(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, im := range m.Imports {
		if im.Kind == wasmfile.KindGlobal && im.Mutable != (im.Name == "__stack_pointer") {
			t.Errorf("%s.%s: mutable is %v", im.Module, im.Name, im.Mutable)
		}
	}
	if m.Dylink == nil || m.Dylink.MemSize != 40 {
		t.Errorf("dylink %+v", m.Dylink)
	}
}

func TestImportModule(t *testing.T) {
	out, err := wasmfile.Rewrite{ImportModule: map[string]string{"env": "env.of.a.program"}}.Apply(program(t))
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasmfile.Parse(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, im := range m.Imports {
		if im.Module != "env.of.a.program" {
			t.Errorf("%s is imported from %s", im.Name, im.Module)
		}
	}
}
