// Package wasmfile reads, rewrites and builds WebAssembly binaries: what a
// dynamic linker needs to know of a module, the few changes a host makes to
// one before it is compiled, and the small modules that tie others together.
//
// The format is that of the core specification
// (https://webassembly.github.io/spec/core/binary/): a header of 8 bytes, then
// sections of
//
//	id:byte  size:u32  content:size bytes
//
// where every integer is LEB128 and every list is preceded by its length.
// Sections but the custom ones (id 0) come at most once, in the order type 1,
// import 2, function 3, table 4, memory 5, global 6, export 7, start 8,
// element 9, data count 12, code 10, data 11. Shared libraries carry a custom
// section "dylink.0" at the front, described in DynamicLinking.md of
// https://github.com/WebAssembly/tool-conventions.
//
// Everything here is a pure function of its input: bytes in, values out. No
// input makes it panic, and what it allocates is bounded by the input's size.
// It checks what it reads, but it does not validate code; compiling a result
// does.
package wasmfile
