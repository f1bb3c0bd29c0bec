package runtime_test

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/howdahdb/howdah/runtime"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// dlWorld is a machine with dlProgram, and a tree with the modules.
type dlWorld struct {
	t       testing.TB
	m       *runtime.Machine
	p       *runtime.Program
	fs      *vfs.Namespace
	missing []string
	next    uint32
}

var errMissing = errors.New("told by MissingFunc")

func newDLWorld(t testing.TB) *dlWorld {
	ctx := context.Background()
	w := &dlWorld{t: t, next: 2048}
	var err error
	if w.m, err = runtime.NewMachine(ctx, runtime.MachineOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.m.Close(ctx) })
	w.p, err = w.m.Compile(ctx, runtime.Source{
		Name: "dl", Wasm: dlProgram(), AllowMissing: []string{"allowed"},
		MissingFunc: func(_ *runtime.Instance, name string) {
			w.missing = append(w.missing, name)
			panic(errMissing)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.fs = vfs.NewNamespace(vfs.NewMemory(vfs.MemoryOptions{}))
	for name, b := range map[string][]byte{
		"/side.so": dlSide(), "/cousin.so": dlCousin(), "/ghost.so": dlGhost("allowed"),
		"/refused.so": dlGhost("allowed", "zebra", "aardvark"), "/text.so": []byte("not wasm"),
		"/program.so": dlProgram(), "/large.so": dlLarge(), "/faulty.so": dlFaulty(),
	} {
		w.write(name, b)
	}
	return w
}

func (w *dlWorld) write(name string, b []byte) {
	w.t.Helper()
	f, err := w.fs.Open(name, vfs.ReadWrite|vfs.Create|vfs.Truncate, 0o644)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, 0); err != nil {
		w.t.Fatal(err)
	}
}

func (w *dlWorld) instance() *runtime.Instance {
	w.t.Helper()
	i, err := w.p.Instantiate(context.Background(), runtime.Process{FS: w.fs})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(i.Close)
	i.PutUint32(1024, 42)
	return i
}

func (w *dlWorld) call(i *runtime.Instance, name string, args ...uint64) uint32 {
	w.t.Helper()
	r, err := i.Call(name, args...)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return uint32(r)
}

// open makes a struct dso and gives its address and what _dlopen_js says.
func (w *dlWorld) open(i *runtime.Instance, name string) (handle, ok uint32) {
	w.t.Helper()
	handle = w.next
	w.next += 256
	copy(i.Bytes(handle+36, 128), name+"\x00")
	return handle, w.call(i, "open", uint64(handle))
}

func (w *dlWorld) mustOpen(i *runtime.Instance, name string) uint32 {
	w.t.Helper()
	h, ok := w.open(i, name)
	if ok != 1 {
		w.t.Fatalf("dlopen %s: %s", name, w.dlerror(i))
	}
	return h
}

func (w *dlWorld) dlerror(i *runtime.Instance) string { return i.String(w.call(i, "error")) }

func (w *dlWorld) sym(i *runtime.Instance, handle uint32, name string) uint32 {
	w.t.Helper()
	copy(i.Bytes(1500, 64), name+"\x00")
	return w.call(i, "sym", uint64(handle), 1500)
}

// checkSide runs every function of dlSide.
func (w *dlWorld) checkSide(i *runtime.Instance, h uint32) {
	w.t.Helper()
	for name, want := range map[string]uint32{"twice": 14, "sixfold": 42, "times4": 28, "self": 42, "answer": 50, "address_of_triple": 1, "weak": 0} {
		f := w.sym(i, h, name)
		if f == 0 {
			w.t.Errorf("dlsym %s: %s", name, w.dlerror(i))
			continue
		}
		if got := w.call(i, "call", uint64(f), 7); got != want {
			w.t.Errorf("%s(7) = %d, expected %d", name, got, want)
		}
	}
}

func TestDlopen(t *testing.T) {
	w := newDLWorld(t)
	i := w.instance()
	sp := i.StackPointer()
	h := w.mustOpen(i, "/side.so")
	w.checkSide(i, h)
	mem, tab := i.Uint32(h+12), i.Uint32(h+20)
	if i.Bytes(h+8, 1)[0] != 1 || mem == 0 || i.Uint32(h+16) != 32 || tab%8 != 0 || i.Uint32(h+24) != 1 {
		t.Errorf("struct dso is %x", i.Bytes(h, 36))
	}
	if a := w.sym(i, h, "counter"); a != mem+16 {
		t.Errorf("counter at %d, expected %d", a, mem+16)
	}
	c := w.mustOpen(i, "cousin.so")
	if got := w.call(i, "call", uint64(w.sym(i, c, "cousin")), 1); got != 6+50+8 {
		t.Errorf("cousin(1) = %d, expected 64", got)
	}
	again := w.mustOpen(i, "/side.so")
	if w.sym(i, again, "twice") != w.sym(i, h, "twice") {
		t.Error("opened twice, linked twice")
	}
	if i.StackPointer() != sp {
		t.Errorf("stack pointer is %d, was %d", i.StackPointer(), sp)
	}
}

func TestDlopenRefuses(t *testing.T) {
	w := newDLWorld(t)
	i := w.instance()
	before := w.call(i, "emscripten_builtin_memalign", 16, 16)
	for name, want := range map[string]string{
		"/refused.so": "/refused.so: undefined symbols: aardvark, zebra",
		"/none.so":    "/none.so: no such file",
		"/text.so":    "/text.so: wasm: module section at offset 0x0: not a WebAssembly binary",
		"/program.so": "/program.so: not a shared library",
		"/%s%n.so":    "/%%s%%n.so: no such file",
		"/":           "/: not a regular file",
	} {
		if _, ok := w.open(i, name); ok != 0 || !strings.HasPrefix(w.dlerror(i), want) {
			t.Errorf("dlopen %s: %d, error %q, expected %q", name, ok, w.dlerror(i), want)
		}
	}
	if after := w.call(i, "emscripten_builtin_memalign", 16, 16); after != before+16 {
		t.Error("a refused module was given memory")
	}
	if steps := i.LinkSteps(); len(steps) != 0 {
		t.Errorf("refused modules left %v", steps)
	}
	h := w.mustOpen(i, "/side.so")
	if w.sym(i, h, "nothing") != 0 || w.dlerror(i) != "undefined symbol nothing" {
		t.Errorf("dlsym of nothing: %q", w.dlerror(i))
	}
	if w.sym(i, 99, "twice") != 0 || w.dlerror(i) != "not a handle of dlopen" {
		t.Errorf("dlsym of no handle: %q", w.dlerror(i))
	}
}

func TestMissingFunc(t *testing.T) {
	w := newDLWorld(t)
	i := w.instance()
	f := w.sym(i, w.mustOpen(i, "/ghost.so"), "ghost")
	if len(w.missing) != 0 {
		t.Error("told of a missing function before it was called")
	}
	if _, err := i.Call("call", uint64(f), 1); !errors.Is(err, errMissing) {
		t.Errorf("error %v, expected what MissingFunc panics with", err)
	}
	if len(w.missing) != 1 || w.missing[0] != "allowed" {
		t.Errorf("told of %v, expected [allowed]", w.missing)
	}
}

func TestFaultyConstructor(t *testing.T) {
	w := newDLWorld(t)
	i := w.instance()
	copy(i.Bytes(2048+36, 16), "/faulty.so\x00")
	_, err := i.Call("open", 2048)
	if trap := (*runtime.Trap)(nil); !errors.As(err, &trap) {
		t.Errorf("error %v, expected a trap", err)
	}
}

// TestDlopenTogether links one module in several instances of a machine at the
// same time.
func TestDlopenTogether(t *testing.T) {
	w := newDLWorld(t)
	var wg sync.WaitGroup
	for range 8 {
		i := w.instance()
		wg.Go(func() {
			copy(i.Bytes(2048+36, 16), "/side.so\x00")
			if ok, err := i.Call("open", 2048); ok != 1 || err != nil {
				t.Errorf("dlopen: %d, %v", ok, err)
			}
		})
	}
	wg.Wait()
}

func TestLargeModule(t *testing.T) {
	w := newDLWorld(t)
	i := w.instance()
	h := w.mustOpen(i, "/large.so")
	for _, k := range []uint32{0, 511, 512, 700, 1299, 3} {
		f := w.sym(i, h, largeName(k))
		if got := w.call(i, "call", uint64(f), 10000); got != 10000+k {
			t.Errorf("f%d(10000) = %d", k, got)
		}
	}
	if steps := i.LinkSteps(); len(steps) != 4 {
		t.Errorf("%d steps, expected the load and 3 blocks", len(steps))
	}
}

// TestSideModuleVariants: what the cache of machine code keeps for a module
// does not depend on the instance, unless that has a whole page of memory more
// in use. Then it is modules without a function.
func TestSideModuleVariants(t *testing.T) {
	ctx := context.Background()
	w := &dlWorld{t: t, next: 2048, fs: vfs.NewNamespace(vfs.NewMemory(vfs.MemoryOptions{}))}
	w.write("/side.so", dlSide())
	cache := t.TempDir()
	var err error
	if w.m, err = runtime.NewMachine(ctx, runtime.MachineOptions{CompileCache: cache}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.m.Close(ctx) })
	if w.p, err = w.m.Compile(ctx, runtime.Source{Name: "dl", Wasm: dlProgram()}); err != nil {
		t.Fatal(err)
	}
	// load links the module in an instance with n bytes in use, and tells
	// how many files that made and how large they are at most.
	load := func(n uint32) (made int, largest int64) {
		before := codeFiles(t, cache)
		i := w.instance()
		w.call(i, "emscripten_builtin_memalign", 16, uint64(n))
		w.mustOpen(i, "/side.so")
		for name, size := range codeFiles(t, cache) {
			if _, ok := before[name]; !ok {
				made, largest = made+1, max(largest, size)
			}
		}
		return made, largest
	}
	if made, largest := load(16); made == 0 || largest < 1000 {
		t.Fatalf("the first made %d files of at most %d bytes: this test knows nothing", made, largest)
	}
	for n := uint32(1000); n <= 20_000; n += 1000 {
		if made, _ := load(n); made > 0 {
			t.Errorf("an instance with %d bytes in use made %d files", n, made)
		}
	}
	if made, largest := load(100_000); made == 0 || largest > 100 {
		t.Errorf("at another page %d files of at most %d bytes were made", made, largest)
	}
}

// codeFiles gives the files of a cache of machine code with their sizes.
func codeFiles(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	files := map[string]int64{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			files[name] = info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestRelink(t *testing.T) {
	w := newDLWorld(t)
	i := w.instance()
	handles := map[string]uint32{}
	for _, name := range []string{"/large.so", "/side.so", "/cousin.so"} {
		handles[name] = w.mustOpen(i, name)
	}
	f := w.sym(i, handles["/large.so"], "f1200")
	twice := w.sym(i, handles["/side.so"], "twice")
	cousin := w.sym(i, handles["/cousin.so"], "cousin")
	steps := i.LinkSteps()

	clone := w.instance()
	if err := clone.Relink(steps); err != nil {
		t.Fatal(err)
	}
	copy(clone.Memory().Bytes(), i.Memory().Bytes())
	for _, c := range []struct{ f, x, want uint32 }{{f, 1, 1201}, {twice, 7, 14}, {cousin, 1, 64}} {
		if got := w.call(clone, "call", uint64(c.f), uint64(c.x)); got != c.want {
			t.Errorf("clone: entry %d of (%d) = %d, expected %d", c.f, c.x, got, c.want)
		}
	}
	w.checkSide(clone, handles["/side.so"])

	// A clone of the clone, in another machine, by its files.
	w2 := newDLWorld(t)
	clone2 := w2.instance()
	if err := clone2.Relink(clone.LinkSteps()); err != nil {
		t.Fatal(err)
	}
	copy(clone2.Memory().Bytes(), clone.Memory().Bytes())
	w2.checkSide(clone2, handles["/side.so"])

	// Not where it was, or not what it was.
	steps[0].TableBase++
	if err := w.instance().Relink(steps); err == nil {
		t.Error("relinked at another table base")
	}
	w3 := newDLWorld(t)
	w3.write("/large.so", dlSide())
	if err := w3.instance().Relink(clone.LinkSteps()); err == nil || !strings.Contains(err.Error(), "the file has changed") {
		t.Errorf("relinked another file: %v", err)
	}
}

// BenchmarkDlopen links a module that the machine knows already.
func BenchmarkDlopen(b *testing.B) {
	w := newDLWorld(b)
	b.ReportAllocs()
	for b.Loop() {
		i, err := w.p.Instantiate(context.Background(), runtime.Process{FS: w.fs})
		if err != nil {
			b.Fatal(err)
		}
		copy(i.Bytes(2048+36, 16), "/side.so\x00")
		if ok, err := i.Call("open", 2048); ok != 1 || err != nil {
			b.Fatal(ok, err)
		}
		i.Close()
	}
}
