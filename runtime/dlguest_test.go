package runtime_test

import (
	"bytes"
	"fmt"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

type code = wasmfile.Code

const i32 = wasmfile.I32

func sig(params int, results int) wasmfile.Sig {
	t := func(n int) []wasmfile.ValType { return bytes.Repeat([]byte{i32}, n) }
	return wasmfile.Sig{Params: t(params), Results: t(results)}
}

// dlProgram is a program with what the linker asks of one. Its allocators hand
// out rising addresses. Beside libc it has
//
//	open(handle), sym(handle, name)   the imports _dlopen_js and _dlsym_js
//	call(f, x) = (*f)(x)
//	error() = the last string given to __dl_seterr
//	triple(x) = 3x                    entry 1 of the table
//	quadruple(x) = 4x                 without an entry
//	Answer                            a variable at 1024, which is 42
func dlProgram() []byte {
	var b wasmfile.Builder
	open := b.ImportFunc("env", "_dlopen_js", sig(1, 1))
	sym := b.ImportFunc("env", "_dlsym_js", sig(3, 1))
	b.ImportMemory("env", "memory", wasmfile.Limits{Min: 32, Max: 64, HasMax: true})
	b.Table(wasmfile.Limits{Min: 2})
	sp := b.GlobalI32(65536, true)
	heap := b.GlobalI32(131072, true)
	lastError := b.GlobalI32(0, true)
	answer := b.GlobalI32(1024, false)
	export := func(name string, s wasmfile.Sig, c code) uint32 {
		f := b.Func(s, c)
		b.Export(name, wasmfile.KindFunc, f)
		return f
	}
	export("open", sig(1, 1), code(nil).LocalGet(0).Call(open))
	export("sym", sig(2, 1), code(nil).LocalGet(0).LocalGet(1).I32Const(0).Call(sym))
	export("call", sig(2, 1), code(nil).LocalGet(1).LocalGet(0).CallIndirect(b.Type(sig(1, 1))))
	export("error", sig(0, 1), code(nil).GlobalGet(lastError))
	triple := export("triple", sig(1, 1), code(nil).LocalGet(0).LocalGet(0).I32Add().LocalGet(0).I32Add())
	export("quadruple", sig(1, 1), code(nil).LocalGet(0).LocalGet(0).I32Add().LocalGet(0).I32Add().LocalGet(0).I32Add())
	// The stack grows down, by 256 bytes whatever is asked.
	export("_emscripten_stack_alloc", sig(1, 1), code(nil).GlobalGet(sp).I32Const(^uint32(255)).I32Add().GlobalSet(sp).GlobalGet(sp))
	up := code(nil).GlobalGet(heap).LocalGet(0).I32Add().I32Const(^uint32(0)).I32Add().I32Const(0).LocalGet(0)
	up = append(up, 0x6b, 0x71).GlobalSet(heap) // i32.sub, i32.and: heap up to a multiple
	export("emscripten_builtin_memalign", sig(2, 1), up.GlobalGet(heap).GlobalGet(heap).LocalGet(1).I32Add().GlobalSet(heap))
	export("free", sig(1, 0), nil)
	export("__dl_seterr", sig(2, 0), code(nil).LocalGet(0).GlobalSet(lastError))
	b.Elements(1, triple)
	b.Export("__indirect_function_table", wasmfile.KindTable, 0)
	b.Export("__stack_pointer", wasmfile.KindGlobal, sp)
	b.Export("Answer", wasmfile.KindGlobal, answer)
	return b.Bytes()
}

// dlSide is a module that uses what side modules use:
//
//	twice(x) = 2x                     entry 0 of its table
//	sixfold(x) = triple(twice(x))     calls the program
//	answer() = Answer + counter       reads both through GOT.mem
//	times4(x) = (*&quadruple)(x)      through GOT.func
//	self(x) = (*&sixfold)(x)          its own address through GOT.func
//	counter                           a variable at 16, set to 8 by its constructor
func dlSide() []byte {
	var b wasmfile.Builder
	triple := b.ImportFunc("env", "triple", sig(1, 1))
	b.ImportMemory("env", "memory", wasmfile.Limits{Min: 1})
	b.ImportTable("env", "__indirect_function_table", wasmfile.Limits{Min: 1})
	b.ImportGlobal("env", "__stack_pointer", i32, true)
	memBase := b.ImportGlobal("env", "__memory_base", i32, false)
	tabBase := b.ImportGlobal("env", "__table_base", i32, false)
	answer := b.ImportGlobal("GOT.mem", "Answer", i32, true)
	counter := b.ImportGlobal("GOT.mem", "counter", i32, true)
	weak := b.ImportGlobal("GOT.mem", "nowhere", i32, true)
	quadruple := b.ImportGlobal("GOT.func", "quadruple", i32, true)
	tripleAddr := b.ImportGlobal("GOT.func", "triple", i32, true)
	sixfoldAddr := b.ImportGlobal("GOT.func", "sixfold", i32, true)
	export := func(name string, s wasmfile.Sig, c code) uint32 {
		f := b.Func(s, c)
		b.Export(name, wasmfile.KindFunc, f)
		return f
	}
	one := b.Type(sig(1, 1))
	twice := export("twice", sig(1, 1), code(nil).LocalGet(0).LocalGet(0).I32Add())
	export("sixfold", sig(1, 1), code(nil).LocalGet(0).Call(twice).Call(triple))
	export("answer", sig(1, 1), code(nil).GlobalGet(answer).I32Load(0).GlobalGet(counter).I32Load(0).I32Add())
	export("times4", sig(1, 1), code(nil).LocalGet(0).GlobalGet(quadruple).CallIndirect(one))
	export("self", sig(1, 1), code(nil).LocalGet(0).GlobalGet(sixfoldAddr).CallIndirect(one))
	export("address_of_triple", sig(1, 1), code(nil).GlobalGet(tripleAddr))
	export("weak", sig(1, 1), code(nil).GlobalGet(weak))
	export("__wasm_call_ctors", sig(0, 0), code(nil).GlobalGet(memBase).I32Const(8).I32Store(16))
	b.ElementsAt(tabBase, twice)
	b.Export("counter", wasmfile.KindGlobal, b.GlobalI32(16, false))
	return b.SharedLibrary(wasmfile.Dylink{MemSize: 32, MemAlign: 4, TableSize: 1, TableAlign: 3, Weak: map[string]bool{"nowhere": true}})
}

// dlCousin uses a function and a variable of dlSide.
func dlCousin() []byte {
	var b wasmfile.Builder
	sixfold := b.ImportFunc("env", "sixfold", sig(1, 1))
	b.ImportMemory("env", "memory", wasmfile.Limits{Min: 1})
	b.ImportTable("env", "__indirect_function_table", wasmfile.Limits{Min: 1})
	addr := b.ImportGlobal("GOT.func", "answer", i32, true)
	data := b.ImportGlobal("GOT.mem", "counter", i32, true)
	f := b.Func(sig(1, 1), code(nil).LocalGet(0).Call(sixfold).I32Const(0).GlobalGet(addr).CallIndirect(b.Type(sig(1, 1))).I32Add().GlobalGet(data).I32Load(0).I32Add())
	b.Export("cousin", wasmfile.KindFunc, f)
	return b.SharedLibrary(wasmfile.Dylink{})
}

// dlGhost imports what nobody has, one of it listed in AllowMissing.
func dlGhost(names ...string) []byte {
	var b wasmfile.Builder
	var c code = code(nil).LocalGet(0)
	for _, name := range names {
		c = c.Call(b.ImportFunc("env", name, sig(1, 1)))
	}
	b.ImportGlobal("GOT.func", "allowed_address", i32, true)
	b.Export("ghost", wasmfile.KindFunc, b.Func(sig(1, 1), c))
	return b.SharedLibrary(wasmfile.Dylink{MemSize: 64, Weak: map[string]bool{"allowed_address": true}})
}

// dlLarge exports 1,300 functions f0, f1, … of which fK(x) = x + K.
func dlLarge() []byte {
	var b wasmfile.Builder
	b.ImportGlobal("GOT.func", "f700", i32, true)
	for k := range uint32(1300) {
		b.Export(largeName(k), wasmfile.KindFunc, b.Func(sig(1, 1), code(nil).LocalGet(0).I32Const(k).I32Add()))
	}
	return b.SharedLibrary(wasmfile.Dylink{})
}

func largeName(k uint32) string { return fmt.Sprintf("f%d", k) }

// dlFaulty traps in its constructor.
func dlFaulty() []byte {
	var b wasmfile.Builder
	b.ImportTable("env", "__indirect_function_table", wasmfile.Limits{})
	b.Export("__wasm_call_ctors", wasmfile.KindFunc, b.Func(sig(0, 0), code(nil).I32Const(0).CallIndirect(b.Type(sig(0, 0)))))
	return b.SharedLibrary(wasmfile.Dylink{})
}
