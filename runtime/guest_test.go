package runtime

import (
	"bufio"
	"context"
	"errors"
	"math"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/howdahdb/howdah/runtime/linear"
	"github.com/howdahdb/howdah/runtime/vfs"
	"github.com/howdahdb/howdah/runtime/wasmfile"
)

type code = wasmfile.Code

// Where testProgram keeps what it has.
const (
	guestScratch = 4096    // the tests' own: strings, buffers, structures
	guestStack   = 1 << 20 // where the stack begins; it grows down
	guestHeap    = 1 << 20 // where malloc begins
	guestPages   = 2 << 20 // where memalign begins
	guestMinimum = 64      // pages of memory at the start
	guestMaximum = 1024    // and at most

	countEntry = 2 // of the table: 0 and 1 are SIG_DFL and SIG_IGN
)

// signature reads a Sig.Key.
func signature(key string) wasmfile.Sig {
	types := map[rune]wasmfile.ValType{'i': wasmfile.I32, 'j': wasmfile.I64, 'f': wasmfile.F32, 'd': wasmfile.F64}
	params, results, _ := strings.Cut(key, "_")
	var s wasmfile.Sig
	for _, c := range params {
		s.Params = append(s.Params, types[c])
	}
	for _, c := range results {
		s.Results = append(s.Results, types[c])
	}
	return s
}

// stockImports are the functions that pglite.wasm and initdb.wasm import and
// the host implements, with their signatures, out of testdata/imports.golden.
var stockImports = sync.OnceValue(func() map[string]wasmfile.Sig {
	f, err := os.Open("testdata/imports.golden")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	all := map[string]wasmfile.Sig{}
	for s := bufio.NewScanner(f); s.Scan(); {
		col := strings.Split(s.Text(), "\t")
		module, name, _ := strings.Cut(col[1], ".")
		if col[0] != "side" && strings.HasSuffix(col[3], ".go") {
			all[module+"."+name] = signature(col[2])
		}
	}
	return all
})

// guestBuilder is testProgram while it is built; tests add functions.
type guestBuilder struct {
	wasmfile.Builder
	host map[string]uint32 // imported functions by name
	sp   uint32
	next uint32 // free entry of the table
}

func (b *guestBuilder) export(name, key string, c code) uint32 {
	f := b.Func(signature(key), c)
	b.Export(name, wasmfile.KindFunc, f)
	return f
}

// entry puts a function in the table.
func (b *guestBuilder) entry(f uint32) uint32 {
	b.Elements(b.next, f)
	b.next++
	return b.next - 1
}

// testProgram imports every host function and exports it under its own name,
// with the allocators and callbacks that the host asks of an Emscripten
// program. malloc gives at most 4,096 bytes. sigaction says that the handler
// of every signal is countEntry, which adds to the counter, as do
// _emscripten_timeout and setThrew.
func testProgram(invokes []string, more func(*guestBuilder)) []byte {
	b := &guestBuilder{host: map[string]uint32{}, next: countEntry}
	for name, sig := range stockImports() {
		module, name, _ := strings.Cut(name, ".")
		b.host[name] = b.ImportFunc(module, name, sig)
	}
	for _, key := range invokes {
		b.host["invoke_"+key] = b.ImportFunc("env", "invoke_"+key, signature(key))
	}
	b.ImportMemory("env", "memory", wasmfile.Limits{Min: guestMinimum, Max: guestMaximum, HasMax: true})
	b.Table(wasmfile.Limits{Min: 64})
	b.sp = b.GlobalI32(guestStack, true)
	heap, pages, counter := b.GlobalI32(guestHeap, true), b.GlobalI32(guestPages, true), b.GlobalI32(0, true)
	for name, sig := range stockImports() {
		_, name, _ = strings.Cut(name, ".")
		var c code
		for k := range sig.Params {
			c = c.LocalGet(uint32(k))
		}
		b.Export(name, wasmfile.KindFunc, b.Func(sig, c.Call(b.host[name])))
	}
	count := code(nil).GlobalGet(counter).I32Const(1).I32Add().GlobalSet(counter)
	b.entry(b.Func(signature("i_"), count))
	b.export("counter", "_i", code(nil).GlobalGet(counter))
	b.export("_emscripten_timeout", "id_", count)
	b.export("setThrew", "ii_", count)
	b.export("sigaction", "iii_i", code(nil).LocalGet(2).I32Const(countEntry).I32Store(0).I32Const(0))
	b.export("_emscripten_stack_alloc", "i_i", code(nil).GlobalGet(b.sp).I32Const(^uint32(255)).I32Add().GlobalSet(b.sp).GlobalGet(b.sp))
	b.export("free", "i_", nil)
	b.export("malloc", "i_i", code(nil).GlobalGet(heap).GlobalGet(heap).I32Const(4096).I32Add().GlobalSet(heap))
	align := code(nil).GlobalGet(pages).LocalGet(0).I32Add().I32Const(^uint32(0)).I32Add().I32Const(0).LocalGet(0)
	align = append(align, 0x6b, 0x71).GlobalSet(pages) // i32.sub, i32.and: pages up to a multiple
	b.export("emscripten_builtin_memalign", "ii_i", align.GlobalGet(pages).GlobalGet(pages).LocalGet(1).I32Add().GlobalSet(pages))
	if more != nil {
		more(b)
	}
	b.Export("__stack_pointer", wasmfile.KindGlobal, b.sp)
	b.Export("__indirect_function_table", wasmfile.KindTable, 0)
	return b.Bytes()
}

func newMachine(t testing.TB) *Machine {
	t.Helper()
	m, err := NewMachine(t.Context(), MachineOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.Background()) })
	return m
}

func compile(t testing.TB, src Source) *Program {
	t.Helper()
	p, err := newMachine(t).Compile(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// guest is an instance of testProgram that a test calls the host through.
type guest struct {
	*Instance
	t    testing.TB
	tree *vfs.Memory
	free uint32 // of the scratch memory
}

// newGuest makes a guest with an empty tree, or with the process given.
func newGuest(t testing.TB, proc Process) *guest {
	t.Helper()
	return startGuest(t, compile(t, Source{Name: "guest", Wasm: testProgram(nil, nil)}), proc)
}

func startGuest(t testing.TB, p *Program, proc Process) *guest {
	t.Helper()
	g := &guest{t: t, free: guestScratch}
	if proc.FS == nil {
		g.tree = vfs.NewMemory(vfs.MemoryOptions{})
		t.Cleanup(func() { g.tree.Close() })
		proc.FS = vfs.NewNamespace(g.tree)
	}
	var err error
	if g.Instance, err = p.Instantiate(t.Context(), proc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// mode is the varargs of open: a pointer to a number.
type mode uint32

// alloc gives n zero bytes of scratch memory.
func (g *guest) alloc(n int) uint32 {
	p := g.free
	if g.free += uint32(n+15) &^ 15; g.free > guestStack/2 {
		g.t.Fatal("out of scratch memory")
	}
	clear(g.Bytes(p, uint32(n)))
	return p
}

func (g *guest) put(b []byte) uint32 {
	p := g.alloc(len(b))
	copy(g.Bytes(p, uint32(len(b))), b)
	return p
}

// iov makes iovecs of the given lengths with buffers one after the other, and
// gives both addresses.
func (g *guest) iov(lengths ...int) (iov, buf uint32) {
	total := 0
	for _, n := range lengths {
		total += n
	}
	buf, iov = g.alloc(total), g.alloc(8*len(lengths))
	at := buf
	for k, n := range lengths {
		g.PutUint32(iov+uint32(8*k), at)
		g.PutUint32(iov+uint32(8*k)+4, uint32(n))
		at += uint32(n)
	}
	return iov, buf
}

// encode turns arguments into parameters: strings become addresses of C
// strings, modes addresses of numbers.
func (g *guest) encode(args []any) []uint64 {
	out := make([]uint64, len(args))
	for k, a := range args {
		switch v := a.(type) {
		case int:
			out[k] = uint64(uint32(v))
		case uint32:
			out[k] = uint64(v)
		case errno:
			out[k] = uint64(v)
		case int64:
			out[k] = uint64(v)
		case float64:
			out[k] = math.Float64bits(v)
		case string:
			out[k] = uint64(g.put(append([]byte(v), 0)))
		case mode:
			p := g.alloc(4)
			g.PutUint32(p, uint32(v))
			out[k] = uint64(p)
		default:
			g.t.Fatalf("argument of type %T", a)
		}
	}
	return out
}

// sys calls a host function through the guest; scratch memory taken by the
// arguments is given back.
func (g *guest) sys(name string, args ...any) int32 {
	g.t.Helper()
	free := g.free
	r, err := g.Call(name, g.encode(args)...)
	g.free = free
	if err != nil {
		g.t.Fatalf("%s%v: %v", name, args, err)
	}
	return int32(r)
}

// want calls and compares the result; an errno stands for itself in WASI
// functions and for its negative in the others.
func (g *guest) want(want any, name string, args ...any) {
	g.t.Helper()
	var w int32
	switch v := want.(type) {
	case int:
		w = int32(v)
	case errno:
		w = int32(v)
		if wasiCalls[name] == nil {
			w = -w
		}
	}
	if got := g.sys(name, args...); got != w {
		g.t.Errorf("%s%v = %d, expected %d", name, args, got, w)
	}
}

// trap calls and expects a Trap.
func (g *guest) trap(name string, args ...any) *Trap {
	g.t.Helper()
	free := g.free
	_, err := g.Call(name, g.encode(args)...)
	g.free = free
	var t *Trap
	if !errors.As(err, &t) {
		g.t.Fatalf("%s%v: %v, expected a trap", name, args, err)
	}
	return t
}

// open opens and expects success.
func (g *guest) open(name string, flags int) int {
	g.t.Helper()
	fd := g.sys("__syscall_openat", atFDCWD, name, flags, mode(0o644))
	if fd < 0 {
		g.t.Fatalf("open %s %#o: errno %d", name, flags, -fd)
	}
	return int(fd)
}

// write writes a string at the descriptor's position.
func (g *guest) write(fd int, s string) {
	g.t.Helper()
	free := g.free
	iov, buf := g.iov(len(s))
	copy(g.Bytes(buf, uint32(len(s))), s)
	n := g.alloc(4)
	g.want(0, "fd_write", fd, iov, 1, n)
	if got := g.Uint32(n); got != uint32(len(s)) {
		g.t.Errorf("wrote %d of %d bytes", got, len(s))
	}
	g.free = free
}

// read reads up to n bytes at the descriptor's position.
func (g *guest) read(fd, n int) string {
	g.t.Helper()
	free := g.free
	defer func() { g.free = free }()
	iov, buf := g.iov(n)
	count := g.alloc(4)
	g.want(0, "fd_read", fd, iov, 1, count)
	return string(g.Bytes(buf, g.Uint32(count)))
}

// content is a whole file.
func (g *guest) content(name string) string {
	g.t.Helper()
	fd := g.open(name, 0)
	defer g.want(0, "fd_close", fd)
	return g.read(fd, linear.PageSize)
}

// file makes a file with a content.
func (g *guest) file(name, content string) {
	g.t.Helper()
	fd := g.open(name, oCREAT|oTRUNC|oWRONLY)
	g.write(fd, content)
	g.want(0, "fd_close", fd)
}
