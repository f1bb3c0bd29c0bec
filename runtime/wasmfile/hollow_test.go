package wasmfile_test

import (
	"bytes"
	"context"
	"reflect"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// TestHollow: a hollow module looks like the real one, can be compiled, and does
// nothing.
func TestHollow(t *testing.T) {
	for name, b := range map[string][]byte{"program": program(t), "library": library(t)} {
		hollow, err := wasmfile.Hollow(b, []byte("sum"))
		if err != nil {
			t.Fatal(name, err)
		}
		real, err := wasmfile.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wasmfile.Parse(hollow); err != nil || !reflect.DeepEqual(got, real) {
			t.Errorf("%s: %v, %+v, not %+v", name, err, got, real)
		}
		other, err := wasmfile.Hollow(b, []byte("another sum"))
		if err != nil || bytes.Equal(hollow, other) {
			t.Errorf("%s: %v, or the sum makes no difference", name, err)
		}
		r := engine(t, wazero.NewRuntimeConfigInterpreter())
		if _, err := r.CompileModule(context.Background(), hollow); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := wasmfile.Hollow(program(t)[:40], nil); err == nil {
		t.Error("half a module has a hollow one")
	}
}

func FuzzHollow(f *testing.F) {
	f.Add(program(f))
	f.Add(library(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, whole := wasmfile.Parse(b)
		hollow, err := wasmfile.Hollow(b, []byte("sum"))
		if (whole == nil) != (err == nil) {
			t.Fatalf("a module with the error %v is hollow with %v", whole, err)
		}
		if err != nil {
			return
		}
		again, err := wasmfile.Hollow(hollow, []byte("sum"))
		if err != nil || !bytes.Equal(again, hollow) {
			t.Errorf("a hollow module is not its own: %v", err)
		}
	})
}
