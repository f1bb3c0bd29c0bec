package wasmfile_test

import (
	"context"
	"encoding/binary"
	"math"
	"runtime"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

const (
	f64 = wasmfile.F64
)

// engine is a runtime with the instructions that the host allows.
func engine(t testing.TB, cfg wazero.RuntimeConfig) wazero.Runtime {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, cfg.WithCoreFeatures(
		api.CoreFeaturesV2|experimental.CoreFeaturesThreads|experimental.CoreFeaturesTailCall))
	t.Cleanup(func() { r.Close(ctx) })
	return r
}

// instantiate compiles a module, which imports nothing, and instantiates it.
func instantiate(t testing.TB, r wazero.Runtime, b []byte) api.Module {
	t.Helper()
	m, err := r.InstantiateWithConfig(context.Background(), b, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func integerSelect(t testing.TB, b []byte) []byte {
	t.Helper()
	out, err := wasmfile.Rewrite{IntegerSelect: true}.Apply(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// spilled is a select whose second value, the result of a call, wazero 1.12
// loses on amd64.
//
//	func est(x f64) f64 { return 1000 }
//	func f(a, b, c, d, e, _ i32) {
//		x := *(*f64)(e + 88)
//		*(*f64)(b + 8) = a != 0 ? x : est(x)
//		*(*f64)(b + 16) = x
//	}
func spilled() []byte {
	var b wasmfile.Builder
	b.Memory(wasmfile.Limits{Min: 64})
	est := b.Func(wasmfile.Sig{Params: []wasmfile.ValType{f64}, Results: []wasmfile.ValType{f64}}, constF64(1000))
	var c wasmfile.Code
	c = append(c.LocalGet(4), 0x2b, 3, 88, 0x21, 6) // f64.load offset=88, local.set 6
	c = c.LocalGet(1).LocalGet(6).LocalGet(6).Call(est).LocalGet(0)
	c = append(c, 0x1b, 0x39, 3, 8) // select, f64.store offset=8
	c = append(c.LocalGet(1).LocalGet(6), 0x39, 3, 16)
	f := b.FuncLocals(wasmfile.Sig{Params: []wasmfile.ValType{i32, i32, i32, i32, i32, i32}}, []wasmfile.ValType{f64}, c)
	b.Export("f", wasmfile.KindFunc, f)
	b.Export("memory", wasmfile.KindMemory, 0)
	return b.Bytes()
}

func constF64(x float64) wasmfile.Code {
	return binary.LittleEndian.AppendUint64([]byte{0x44}, math.Float64bits(x))
}

func runSpilled(t *testing.T, b []byte) float64 {
	m := instantiate(t, engine(t, wazero.NewRuntimeConfig()), b)
	m.Memory().WriteFloat64Le(3088, 1000)
	if _, err := m.ExportedFunction("f").Call(context.Background(), 0, 1000, 0, 2000, 3000, 5000); err != nil {
		t.Fatal(err)
	}
	x, _ := m.Memory().ReadFloat64Le(1008)
	return x
}

// TestFloatSelectOfWazero tells when IntegerSelect is no longer needed.
func TestFloatSelectOfWazero(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skipf("the compiler for %s selects floats as it should", runtime.GOARCH)
	}
	if x := runSpilled(t, spilled()); x == 1000 {
		t.Error("this wazero selects floats as it should: remove Rewrite.IntegerSelect and what serves it")
	}
}

func TestIntegerSelect(t *testing.T) {
	if x := runSpilled(t, integerSelect(t, spilled())); x != 1000 {
		t.Errorf("got %v, expected 1000", x)
	}
}
