// Package runtime hosts Emscripten programs on wazero. It knows no SQL.
//
// A [Machine] is one wazero runtime with its compiled code. A [Program] is a
// compiled main module: rewritten at load (package wasmfile) so that its
// memory is its own and chosen functions can be taken over, its imports bound
// to host functions. An [Instance] is a process of that program: linear
// memory, globals, function table, descriptors, environment, side modules.
//
// # Host functions
//
// Every import of a program is one entry of one of the tables in the files
// named after the families: sys_file.go, sys_dir.go, sys_fd.go, sys_mem.go,
// sys_time.go, sys_process.go, sys_net.go, wasi.go, dlopen.go. What is imported
// and not implemented answers ENOSYS, never silent success;
// testdata/imports.golden lists both. The ABI is Emscripten's
// (system/lib/libc/musl, src/lib/libsyscall.js, libwasi.js): __syscall_*
// functions return a negative errno, WASI functions return the errno, and errno
// values are WASI's (see errno.go).
//
// # Goroutines
//
// An Instance is used by one goroutine at a time: its memory, globals, table
// and descriptors belong to whoever runs it. Between two calls into the guest
// no frame of it is on any stack, and what the Instance holds is its whole
// state. The exceptions say so in their comment.
//
// # Shared memory
//
// Instances share memory as processes do: a linear.Segment is mapped into each
// of their memories. A guest does so by a shared mmap of a file in a
// vfs.Shared; the owner of instances by linear.Memory.Map, and by Share for
// what an instance has already. Programs compiled without threads have no
// atomic instructions: their owner lets one of those that share memory run at
// a time. Process.Blocking and Process.Wrote are where he may let another run
// meanwhile, and Source.Calls are places in the program's code at which he is asked.
//
// # setjmp and longjmp
//
// The compiler turns calls that may longjmp into imports invoke_SIG(index,
// args…): the host calls table entry index, and when the callee throws the
// longjmp (a Go panic), restores the stack pointer, calls setThrew(1, 0) and
// returns (src/lib/libdylink.js and library.js, makeInvoke). See invoke.go.
package runtime
