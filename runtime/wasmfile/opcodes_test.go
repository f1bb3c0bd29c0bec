package wasmfile_test

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// TestShapes has wazero validate, for every instruction of the tables, a
// function that is nothing but its operands, the instruction and its result.
// Since nothing may be left on the stack, only the right shape is valid with
// operands of some types.
func TestShapes(t *testing.T) {
	r := engine(t, wazero.NewRuntimeConfigInterpreter())
	valid := func(operands []wasmfile.ValType, code wasmfile.Code, result wasmfile.ValType) bool {
		var all wasmfile.Code
		for _, typ := range operands {
			all = append(all, zero(typ)...)
		}
		cm, err := r.CompileModule(context.Background(), wasmfile.WithData(around(append(all, code...), result)))
		if err != nil {
			return false
		}
		return cm.Close(context.Background()) == nil
	}
	plains := wasmfile.Plains()
	for _, p := range plains {
		if bytes.Equal(p.Opcode, []byte{0x22}) {
			// local.tee has an operand and a result, of one type.
			if !valid([]wasmfile.ValType{i32}, wasmfile.Code{0x22, 0}, i32) {
				t.Error("local.tee")
			}
			continue
		}
		if !slices.ContainsFunc(operandTypes(p), func(operands []wasmfile.ValType) bool {
			for align := range byte(4) { // atomic accesses have one alignment
				code := slices.Concat(p.Opcode, make([]byte, p.LEBs+p.Bytes))
				if p.LEBs == 2 {
					code[len(p.Opcode)] = align
				}
				if bytes.Equal(p.Opcode, []byte{0xd0}) {
					code[1] = p.Pushes // ref.null
				}
				if valid(operands, code, p.Pushes) {
					return true
				}
				if p.Pushes == wasmfile.RefExtern && valid(operands, code, wasmfile.RefFunc) {
					return true
				}
			}
			return false
		}) {
			t.Errorf("%#x: pops %d, pushes %#x, %d integers and %d bytes: not valid", p.Opcode, p.Pops, p.Pushes, p.LEBs, p.Bytes)
		}
	}
	// 168 of one byte, 18 behind 0xfc, 236 behind 0xfd, 67 behind 0xfe.
	if len(plains) != 489 {
		t.Errorf("%d instructions", len(plains))
	}
}

// operandTypes gives all lists of types of a length, the likely ones first.
func operandTypes(p wasmfile.Plain) [][]wasmfile.ValType {
	types := []wasmfile.ValType{i32, i64, f32, f64, v128, wasmfile.RefFunc}
	if p.Opcode[0] == 0xfd {
		types = []wasmfile.ValType{v128, i32, i64, f32, f64}
	}
	lists := [][]wasmfile.ValType{nil}
	for range p.Pops {
		var longer [][]wasmfile.ValType
		for _, l := range lists {
			for _, typ := range types {
				longer = append(longer, append(slices.Clip(l), typ))
			}
		}
		lists = longer
	}
	return lists
}

// zero pushes a value of a type.
func zero(typ wasmfile.ValType) wasmfile.Code {
	switch typ {
	case i32:
		return wasmfile.Code{0x41, 0}
	case i64:
		return wasmfile.Code{0x42, 0}
	case f32:
		return append(wasmfile.Code{0x43}, make([]byte, 4)...)
	case f64:
		return append(wasmfile.Code{0x44}, make([]byte, 8)...)
	case v128:
		return append(wasmfile.Code{0xfd, 0x0c}, make([]byte, 16)...)
	}
	return wasmfile.Code{0xd0, typ}
}

// around is a module with a function of this code, of no parameters, at most
// one result (0 for none) and a local of each type and more, and with whatever
// an instruction may name by index 0.
func around(code wasmfile.Code, result wasmfile.ValType, more ...wasmfile.LocalGroup) []byte {
	var sig wasmfile.Sig
	if result != 0 {
		sig.Results = []wasmfile.ValType{result}
	}
	var b wasmfile.Builder
	b.Memory(wasmfile.Limits{Min: 1, Max: 1, HasMax: true, Shared: true})
	b.Table(wasmfile.Limits{Min: 4})
	b.GlobalI32(0, true)
	pair := b.Func(pairSig, slices.Concat(zero(f64), zero(f32)))
	b.Export("pair", wasmfile.KindFunc, pair)
	b.Declare(pair)
	var locals []wasmfile.LocalGroup
	for _, typ := range []wasmfile.ValType{i32, i64, f32, f64, v128, wasmfile.RefFunc} {
		locals = append(locals, wasmfile.LocalGroup{Count: 1, Type: typ})
	}
	b.Export("f", wasmfile.KindFunc, b.FuncLocals(sig, append(locals, more...), code))
	return b.Bytes()
}

// pairSig is the type of function 0 of around, and its type 0.
var pairSig = wasmfile.Sig{Params: []wasmfile.ValType{i32}, Results: []wasmfile.ValType{f64, f32}}
