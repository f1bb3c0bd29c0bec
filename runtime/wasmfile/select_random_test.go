package wasmfile_test

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// randomCode writes functions full of selects, with more values alive than
// there are registers. Nothing in it makes a NaN, whose bits engines are free
// to choose: floats are only picked, compared, converted and signed.
type randomCode struct {
	rng    *rand.Rand
	locals []wasmfile.ValType // parameters first
	same   map[wasmfile.ValType]uint32
}

var randomSig = wasmfile.Sig{
	Params:  []wasmfile.ValType{f64, f64, f64, f32, f32, f32, i64, i64, i32, i32},
	Results: []wasmfile.ValType{f64, f32, f64, f32, i64, i32, f64, f32},
}

var randomLocals = []wasmfile.LocalGroup{
	{Count: 10, Type: f64}, {Count: 8, Type: f32}, {Count: 1, Type: i64}, {Count: 1, Type: i32}, {Count: 3, Type: v128},
}

// randomModule exports n such functions, "0" and on.
func randomModule(rng *rand.Rand, n int) []byte {
	g := randomCode{rng: rng, locals: slices.Clone(randomSig.Params), same: map[wasmfile.ValType]uint32{}}
	for _, l := range randomLocals {
		g.locals = append(g.locals, bytes.Repeat([]wasmfile.ValType{l.Type}, int(l.Count))...)
	}
	var b wasmfile.Builder
	for _, typ := range []wasmfile.ValType{i32, i64, f32, f64, v128} {
		one := []wasmfile.ValType{typ}
		g.same[typ] = b.Func(wasmfile.Sig{Params: one, Results: one}, wasmfile.Code(nil).LocalGet(0))
	}
	for k := range n {
		f := b.FuncLocals(randomSig, randomLocals, g.function())
		b.Export(strconv.Itoa(k), wasmfile.KindFunc, f)
	}
	return b.Bytes()
}

func (g *randomCode) function() wasmfile.Code {
	var c wasmfile.Code
	for i := len(randomSig.Params); i < len(g.locals); i++ {
		c = append(g.value(c, g.locals[i], 2), 0x21, byte(i))
	}
	for _, typ := range randomSig.Results {
		c = g.value(c, typ, 5)
	}
	return c
}

func (g *randomCode) local(typ wasmfile.ValType) byte {
	for {
		if i := g.rng.IntN(len(g.locals)); g.locals[i] == typ {
			return byte(i)
		}
	}
}

// value appends code that pushes a value of a type.
func (g *randomCode) value(c wasmfile.Code, typ wasmfile.ValType, depth int) wasmfile.Code {
	if depth == 0 {
		return c.LocalGet(uint32(g.local(typ)))
	}
	depth--
	switch g.rng.IntN(12) {
	case 0, 1, 2, 3:
		c = g.value(g.value(g.value(c, typ, depth), typ, depth), i32, depth)
		return append(c, 0x1b)
	case 4:
		c = g.value(g.value(g.value(c, typ, depth), typ, depth), i32, depth)
		return append(c, 0x1c, 1, typ)
	case 5:
		return g.value(c, typ, depth).Call(g.same[typ])
	case 6:
		return g.value(c, typ, depth).LocalTee(uint32(g.local(typ)))
	case 7: // if … else … end
		c = append(g.value(c, i32, depth), 0x04, typ)
		c = append(g.value(c, typ, depth), 0x05)
		return append(g.value(c, typ, depth), 0x0b)
	case 8: // block; br_if 0; then a branch, and a select that is never reached
		c = g.value(append(c, 0x02, typ), typ, depth)
		c = append(g.value(c, i32, depth), 0x0d, 0)
		c = append(g.value(append(c, 0x1a), typ, depth), 0x0c, 0)
		return append(c, 0x1b, 0x0b)
	}
	return g.operator(c, typ, depth)
}

// operator appends an instruction and its operands.
func (g *randomCode) operator(c wasmfile.Code, typ wasmfile.ValType, depth int) wasmfile.Code {
	type operator struct {
		operands []wasmfile.ValType
		code     wasmfile.Code
	}
	ops := map[wasmfile.ValType][]operator{
		i32: {
			{[]wasmfile.ValType{i32}, wasmfile.Code{0x45}},
			{[]wasmfile.ValType{i32, i32}, wasmfile.Code{0x6a}},
			{[]wasmfile.ValType{f64, f64}, wasmfile.Code{0x63}},
			{[]wasmfile.ValType{f32, f32}, wasmfile.Code{0x5d}},
			{[]wasmfile.ValType{v128}, wasmfile.Code{0xfd, 0x53}},
		},
		i64: {
			{[]wasmfile.ValType{i64, i64}, wasmfile.Code{0x7c}},
			{[]wasmfile.ValType{f64}, wasmfile.Code{0xbd}},
			{[]wasmfile.ValType{i32}, wasmfile.Code{0xad}},
			{[]wasmfile.ValType{v128}, wasmfile.Code{0xfd, 0x1d, 1}},
		},
		f32: {
			{[]wasmfile.ValType{f32}, wasmfile.Code{0x8c}},
			{[]wasmfile.ValType{f32, f32}, wasmfile.Code{0x97}},
			{[]wasmfile.ValType{f32, f32}, wasmfile.Code{0x98}},
			{[]wasmfile.ValType{f64}, wasmfile.Code{0xb6}},
		},
		f64: {
			{[]wasmfile.ValType{f64}, wasmfile.Code{0x9a}},
			{[]wasmfile.ValType{f64, f64}, wasmfile.Code{0xa4}},
			{[]wasmfile.ValType{f64, f64}, wasmfile.Code{0xa6}},
			{[]wasmfile.ValType{f32}, wasmfile.Code{0xbb}},
			{[]wasmfile.ValType{i64}, wasmfile.Code{0xb9}},
		},
		v128: {
			{[]wasmfile.ValType{f64}, wasmfile.Code{0xfd, 0x14}},
			{[]wasmfile.ValType{i64}, wasmfile.Code{0xfd, 0x12}},
			{[]wasmfile.ValType{v128, v128}, wasmfile.Code{0xfd, 0x51}},
			{[]wasmfile.ValType{v128, f32}, wasmfile.Code{0xfd, 0x20, 2}},
		},
	}[typ]
	op := ops[g.rng.IntN(len(ops))]
	for _, o := range op.operands {
		c = g.value(c, o, depth)
	}
	return append(c, op.code...)
}

func randomArguments(rng *rand.Rand) []uint64 {
	args := make([]uint64, len(randomSig.Params))
	for i, typ := range randomSig.Params {
		switch typ {
		case f64:
			args[i] = math.Float64bits(rng.NormFloat64() * 1000)
		case f32:
			args[i] = uint64(math.Float32bits(float32(rng.NormFloat64())))
		case i64:
			args[i] = rng.Uint64()
		case i32:
			args[i] = rng.Uint64N(2)
		}
	}
	return args
}

// TestRandomSelects holds rewritten functions, compiled, against what they
// were, interpreted.
func TestRandomSelects(t *testing.T) {
	const modules, functions, calls = 10, 12, 8
	wrong := 0 // calls of the compiled functions as they were
	for seed := range uint64(modules) {
		rng := rand.New(rand.NewPCG(seed, 2534))
		b := randomModule(rng, functions)
		out := integerSelect(t, b)
		interpreter := engine(t, wazero.NewRuntimeConfigInterpreter())
		compiler := engine(t, wazero.NewRuntimeConfig())
		original := instantiate(t, interpreter, b)
		interpreted := instantiate(t, interpreter, out)
		compiled := instantiate(t, compiler, out)
		unchanged := instantiate(t, compiler, b)
		for k := range functions {
			for range calls {
				args := randomArguments(rng)
				want := randomResults(t, original, k, args)
				if got := randomResults(t, interpreted, k, args); !slices.Equal(got, want) {
					t.Fatalf("seed %d, function %d of %#x, interpreted: %#x, expected %#x", seed, k, args, got, want)
				}
				if got := randomResults(t, compiled, k, args); !slices.Equal(got, want) {
					t.Fatalf("seed %d, function %d of %#x, compiled: %#x, expected %#x", seed, k, args, got, want)
				}
				if !slices.Equal(randomResults(t, unchanged, k, args), want) {
					wrong++
				}
			}
		}
	}
	t.Logf("%d of %d calls are wrong without the rewrite", wrong, modules*functions*calls)
}

func randomResults(t *testing.T, m api.Module, k int, args []uint64) []uint64 {
	t.Helper()
	got, err := m.ExportedFunction(strconv.Itoa(k)).Call(context.Background(), args...)
	if err != nil {
		t.Fatal(err)
	}
	for i, typ := range randomSig.Results {
		if typ == f32 || typ == i32 {
			got[i] = uint64(uint32(got[i])) // what is above means nothing
		}
	}
	return got
}
