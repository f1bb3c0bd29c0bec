package pglite

import (
	"encoding/binary"
	"slices"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// Logical replication slots name an output plugin, a library that Postgres loads
// when it makes one. The artifact's pgoutput can't be linked, and nothing here
// would call it: what a slot's subscriber gets is made outside of Postgres. So
// the libraries by these names are ones of the host's own. They let a slot be
// made, kept and advanced, and refuse when SQL asks one for its changes.
const (
	libraryDir            = "/pglite/lib/postgresql/"
	outputPluginLibraries = "pgoutput, howdah, test_decoding"
)

var outputPlugins = [...]string{libraryDir + "pgoutput.so", libraryDir + "howdah.so"}

// What stands in a plugin's memory.
const (
	pluginMagicAt = 0
	pluginWordsAt = 64
	pluginMemory  = 256
	pluginWords   = "changes of this slot are given by the streaming replication protocol only\x00"
)

// Of src/include/replication/output_plugin.h: the callbacks that a plugin must
// have, by their places in OutputPluginCallbacks.
const (
	pluginStartup = 0
	pluginBegin   = 4
	pluginChange  = 8
	pluginCommit  = 16
)

// Of src/include/utils/elog.h and errcodes.h.
const (
	elevelError         = 21
	featureNotSupported = ('A' - '0') << 6 // 0A000, as MAKE_SQLSTATE packs it
)

// outputPlugin writes the library. Its start-up callback is told whether the slot
// is just being made; if not, it ends the statement, so that the other callbacks
// are never called.
func outputPlugin() []byte {
	i32s := func(n int) []wasmfile.ValType { return slices.Repeat([]wasmfile.ValType{wasmfile.I32}, n) }
	sig := func(params, results int) wasmfile.Sig {
		return wasmfile.Sig{Params: i32s(params), Results: i32s(results)}
	}
	var b wasmfile.Builder
	errstart := b.ImportFunc("env", "errstart", sig(2, 1))
	errcode := b.ImportFunc("env", "errcode", sig(1, 1))
	errmsg := b.ImportFunc("env", "errmsg", sig(2, 1))
	errfinish := b.ImportFunc("env", "errfinish", sig(3, 0))
	b.ImportMemory("env", "memory", wasmfile.Limits{Min: 1})
	b.ImportTable("env", "__indirect_function_table", wasmfile.Limits{Min: 1})
	memory := b.ImportGlobal("env", "__memory_base", wasmfile.I32, false)
	table := b.ImportGlobal("env", "__table_base", wasmfile.I32, false)

	var c wasmfile.Code
	words := c.GlobalGet(memory).I32Const(pluginWordsAt).I32Add()
	refuse := slices.Clone(c).LocalGet(2).If().Return().EndIf()
	// The statements' results are dropped by storing them where nobody looks.
	drop := func(code wasmfile.Code, fn uint32) wasmfile.Code { return code.Call(fn).I32Store(pluginMemory - 4) }
	refuse = drop(refuse.GlobalGet(memory).I32Const(elevelError).I32Const(0), errstart)
	refuse = drop(refuse.GlobalGet(memory).I32Const(featureNotSupported), errcode)
	refuse = drop(append(refuse.GlobalGet(memory), words...).I32Const(0), errmsg)
	refuse = append(refuse, words...).I32Const(0)
	refuse = append(refuse, words...).Call(errfinish)
	startup := b.Func(sig(3, 0), refuse)

	b.Export("Pg_magic_func", wasmfile.KindFunc, b.Func(sig(0, 1), c.GlobalGet(memory)))
	initialise := wasmfile.Code(nil)
	for _, at := range [...]uint32{pluginStartup, pluginBegin, pluginChange, pluginCommit} {
		initialise = initialise.LocalGet(0).GlobalGet(table).I32Store(at)
	}
	b.Export("_PG_output_plugin_init", wasmfile.KindFunc, b.Func(sig(1, 0), initialise))
	fill := wasmfile.Code(nil)
	for at, data := uint32(0), pluginData(); len(data) > 0; at, data = at+4, data[4:] {
		fill = fill.GlobalGet(memory).I32Const(binary.LittleEndian.Uint32(data)).I32Store(at)
	}
	b.Export("__wasm_call_ctors", wasmfile.KindFunc, b.Func(sig(0, 0), fill))
	b.ElementsAt(table, startup)
	return b.SharedLibrary(wasmfile.Dylink{MemSize: pluginMemory, MemAlign: 2, TableSize: 1, TableAlign: 0})
}

// pluginData is the block by which Postgres knows a library that was made for it
// (Pg_magic_struct in src/include/fmgr.h: its own length; version, FUNC_MAX_ARGS,
// INDEX_MAX_KEYS, NAMEDATALEN, whether float8 goes by value, 32 bytes of ABI; no
// name, no version), and the message behind it. A multiple of four bytes.
func pluginData() []byte {
	data := make([]byte, pluginMemory-4)
	for k, x := range [...]uint32{64, 1800, 100, 32, 64, 0} {
		binary.LittleEndian.PutUint32(data[pluginMagicAt+4*k:], x)
	}
	copy(data[pluginMagicAt+24:], "PostgreSQL")
	copy(data[pluginWordsAt:], pluginWords)
	return data
}
