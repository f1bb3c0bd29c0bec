package wasmfile_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

const (
	i64  = wasmfile.I64
	f32  = wasmfile.F32
	f64  = wasmfile.F64
	v128 = wasmfile.V128
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
	f := b.FuncLocals(wasmfile.Sig{Params: []wasmfile.ValType{i32, i32, i32, i32, i32, i32}}, []wasmfile.LocalGroup{{Count: 1, Type: f64}}, c)
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

// TestIntegerSelectCode shows what becomes of a function, whose locals 0 to 5
// are of the types i32, i64, f32, f64, v128 and funcref.
func TestIntegerSelectCode(t *testing.T) {
	get := func(i byte) wasmfile.Code { return wasmfile.Code{0x20, i, 0x20, i, 0x20, 0} }
	plain := wasmfile.Code{0x1b}
	drop := wasmfile.Code{0x1a}
	// local.set cond, reinterpret, local.set b, reinterpret, local.get b,
	// local.get cond, select, reinterpret
	bits32 := wasmfile.Code{0x21, 6, 0xbc, 0x21, 7, 0xbc, 0x20, 7, 0x20, 6, 0x1b, 0xbe}
	bits64 := wasmfile.Code{0x21, 6, 0xbd, 0x21, 7, 0xbd, 0x20, 7, 0x20, 6, 0x1b, 0xbf}
	bits64After32 := wasmfile.Code{0x21, 6, 0xbd, 0x21, 8, 0xbd, 0x20, 8, 0x20, 6, 0x1b, 0xbf}
	mask := wasmfile.Code{0x45, 0xad, 0x42, 1, 0x7d, 0xfd, 0x12, 0xfd, 0x52}
	for _, c := range []struct {
		name  string
		code  []wasmfile.Code
		want  []wasmfile.Code // nil for no change
		added []wasmfile.LocalGroup
	}{
		{"none", []wasmfile.Code{get(2), drop, drop, drop}, nil, nil},
		{"i64", []wasmfile.Code{get(1), plain, drop}, nil, nil},
		{"funcref", []wasmfile.Code{get(5), {0x1c, 1, 0x70}, drop}, nil, nil},
		{"f32", []wasmfile.Code{get(2), plain, drop}, []wasmfile.Code{get(2), bits32, drop}, []wasmfile.LocalGroup{{Count: 2, Type: i32}}},
		{"f64", []wasmfile.Code{get(3), plain, drop}, []wasmfile.Code{get(3), bits64, drop}, []wasmfile.LocalGroup{{Count: 1, Type: i32}, {Count: 1, Type: i64}}},
		{"typed", []wasmfile.Code{get(3), {0x1c, 1, 0x7c}, drop}, []wasmfile.Code{get(3), bits64, drop}, []wasmfile.LocalGroup{{Count: 1, Type: i32}, {Count: 1, Type: i64}}},
		{"v128", []wasmfile.Code{get(4), plain, drop}, []wasmfile.Code{get(4), mask, drop}, nil},
		{
			"both",
			[]wasmfile.Code{get(2), plain, drop, get(3), plain, drop},
			[]wasmfile.Code{get(2), bits32, drop, get(3), bits64After32, drop},
			[]wasmfile.LocalGroup{{Count: 2, Type: i32}, {Count: 1, Type: i64}},
		},
		{"integer bytes", []wasmfile.Code{{0x41, 0x1b}, drop, {0x44, 0x1b, 0x1c, 0, 0, 0, 0, 0, 0}, drop}, nil, nil},
		{
			"results of a call",
			[]wasmfile.Code{{0x41, 0, 0x10, 0}, drop, {0x41, 0, 0x10, 0}, drop, {0x41, 0}, plain, drop},
			[]wasmfile.Code{{0x41, 0, 0x10, 0}, drop, {0x41, 0, 0x10, 0}, drop, {0x41, 0}, bits64, drop},
			[]wasmfile.LocalGroup{{Count: 1, Type: i32}, {Count: 1, Type: i64}},
		},
		{
			"block of two results", // of type 0, which takes an i32
			[]wasmfile.Code{{0x41, 0, 0x02, 0, 0x10, 0, 0x0b}, drop, {0x20, 3, 0x20, 0}, plain, drop},
			[]wasmfile.Code{{0x41, 0, 0x02, 0, 0x10, 0, 0x0b}, drop, {0x20, 3, 0x20, 0}, bits64, drop},
			[]wasmfile.LocalGroup{{Count: 1, Type: i32}, {Count: 1, Type: i64}},
		},
		{
			"code that is not reached", // a block with a branch, code behind it, and a block there
			[]wasmfile.Code{{0x02, 0x40, 0x0c, 0}, plain, drop, {0x02, 0x40}, get(3), plain, drop, {0x0b, 0x0b}},
			nil, nil,
		},
		{
			"else of what is not reached",
			[]wasmfile.Code{{0x41, 0, 0x04, 0x7c, 0x00, 0x05}, get(3), plain, {0x0b}, drop},
			[]wasmfile.Code{{0x41, 0, 0x04, 0x7c, 0x00, 0x05}, get(3), bits64, {0x0b}, drop},
			[]wasmfile.LocalGroup{{Count: 1, Type: i32}, {Count: 1, Type: i64}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := around(slices.Concat(c.code...), 0)
			want := in
			if c.want != nil {
				want = around(slices.Concat(c.want...), 0, c.added...)
			}
			got := integerSelect(t, in)
			if _, err := engine(t, wazero.NewRuntimeConfigInterpreter()).CompileModule(context.Background(), got); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got      %x\nexpected %x", got, want)
			}
		})
	}
}

// TestIntegerSelectInterposed has the body that moves behind the others
// rewritten.
func TestIntegerSelectInterposed(t *testing.T) {
	in := around(slices.Concat(zero(f64), zero(f64), zero(i32), wasmfile.Code{0x1b, 0x1a}), 0)
	out, err := wasmfile.Rewrite{
		IntegerSelect: true,
		Interpose:     []wasmfile.Interposition{{Export: "f", Slot: 1, Mode: wasmfile.Before}},
	}.Apply(in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine(t, wazero.NewRuntimeConfigInterpreter()).CompileModule(context.Background(), out); err != nil {
		t.Error(err)
	}
	if !bytes.Contains(out, []byte{0x20, 6, 0x1b, 0xbf, 0x1a, 0x0b}) {
		t.Errorf("no select of integers in %x", out)
	}
}

func TestIntegerSelectRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		code       wasmfile.Code
	}{
		{"opcode", "unknown instruction 0x1f", wasmfile.Code{0x1f, 0x1b}},
		{"second opcode", "unknown instruction 0xfd 0x100", wasmfile.Code{0xfd, 0x80, 2, 0x1b}},
		{"hole", "unknown instruction 0xfc 0x12", wasmfile.Code{0xfc, 0x12, 0x1b}},
		{"operands", "missing operand", wasmfile.Code{0x41, 0, 0x1b}},
		{"operands of the block", "missing operand", wasmfile.Code{0x41, 0, 0x41, 0, 0x41, 0, 0x02, 0x40, 0x1b}},
		{"values", "select of 2 values", wasmfile.Code{0x1c, 2}},
		{"type", "unknown type of value 0x60", wasmfile.Code{0x1c, 1, 0x60}},
		{"local", "no local 6", wasmfile.Code{0x20, 6, 0x1b}},
		{"global", "no global 1", wasmfile.Code{0x23, 1, 0x1b}},
		{"function", "no function 2", wasmfile.Code{0x10, 2, 0x1b}},
		{"function type", "no type 2", wasmfile.Code{0x11, 2, 0, 0x1b}},
		{"block type", "no type 2", wasmfile.Code{0x02, 2, 0x1b}},
		{"negative block type", "no type", wasmfile.Code{0x02, 0xff, 0x7f, 0x1b}},
		{"integer", "integer too large", append(wasmfile.Code{0x42}, bytes.Repeat([]byte{0x9b}, 12)...)},
		{"end", "unexpected end", wasmfile.Code{0x02, 0x40}},
		{"too many ends", "bytes left over", wasmfile.Code{0x0b, 0x1b}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code := append(slices.Concat(c.code), 0x41, 0x1b) // looked at for that byte
			_, err := wasmfile.Rewrite{IntegerSelect: true}.Apply(around(code, 0))
			var format *wasmfile.FormatError
			if !errors.As(err, &format) || format.Section != "code" || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, expected %q", err, c.want)
			}
		})
	}
}
