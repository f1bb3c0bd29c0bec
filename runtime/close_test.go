package runtime

import (
	"bytes"
	"errors"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// usage is what a process holds of things that Close gives back.
type usage struct{ goroutines, mappings, pages, files int }

func measure(t *testing.T) usage {
	t.Helper()
	debug.FreeOSMemory()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip("there is no /proc/self/maps")
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	resident, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return usage{goruntime.NumGoroutine(), bytes.Count(maps, []byte("\n")), resident, len(files)}
}

// TestClose: a thousand processes come and go, those that fail to start among
// them, and leave nothing behind.
func TestClose(t *testing.T) {
	m := newMachine(t)
	tree := vfs.NewMemory(vfs.MemoryOptions{})
	defer tree.Close()
	ns, shm := vfs.NewNamespace(tree), vfs.NewShared()
	defer shm.Close()
	if err := errors.Join(ns.Mkdir("/shm", 0o777), ns.Mount("/shm", shm)); err != nil {
		t.Fatal(err)
	}
	b, e := jumpProgram()
	src := Source{Name: "good", Wasm: b, Table: []TableFunc{{Name: "go", Sig: signature("i_i"), Call: func(*Instance, []uint64) {}}}}
	good, err := m.Compile(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	var bad []*Program
	for name, b := range failingPrograms() {
		p, err := m.Compile(t.Context(), Source{Name: name, Wasm: b})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		bad = append(bad, p)
	}
	cycle := func() {
		g := &guest{t: t, free: guestScratch}
		var err error
		if g.Instance, err = good.Instantiate(t.Context(), Process{FS: ns, Alarm: func() {}}); err != nil {
			t.Fatal(err)
		}
		g.file("/f", "content")
		p := g.mmap(g.open("/f", oRDWR), 7, protRead|protWrite, mapShared, 0)
		copy(g.Bytes(p, 7), "written")
		g.file("/shm/f", "content")
		p = g.mmap(g.open("/shm/f", oRDWR), 7, protRead|protWrite, mapShared, 0)
		copy(g.Bytes(p, 7), "written")
		g.want(0, "__syscall_unlinkat", atFDCWD, "/shm/f", 0)
		copy(g.Bytes(guestPages, guestSize-guestPages), bytes.Repeat([]byte("in use"), 100000))
		g.want(41, "try", e.deepPass, 40)
		g.want(0, "try", e.throw, 1)
		g.trap("trap", 1)
		g.want(0, "_setitimer_js", 0, 1e9)
		g.Close()
		for _, p := range bad {
			if i, err := p.Instantiate(t.Context(), Process{FS: ns}); err == nil {
				i.Close()
				t.Fatalf("%s starts", p.src.Name)
			}
		}
	}
	for range 50 { // until pools and tables have their size
		cycle()
	}
	before := measure(t)
	for range 1000 {
		cycle()
	}
	after := measure(t)
	t.Logf("before %+v, after %+v", before, after)
	// The collector's own arenas and threads come and go, under the race
	// detector by tens of megabytes; one leak a cycle would be a thousand, and
	// a memory has 150 pages in use.
	if after.goroutines > before.goroutines+2 || after.mappings > before.mappings+50 || after.files > before.files+20 || after.pages > before.pages+16384 {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// failingPrograms compile and don't start.
func failingPrograms() map[string][]byte {
	memory := wasmfile.Limits{Min: 1, Max: 2, HasMax: true}
	programs := map[string][]byte{}
	{
		var b wasmfile.Builder // without a stack pointer
		b.ImportMemory("env", "memory", memory)
		b.Table(wasmfile.Limits{Min: 1})
		b.Export("__indirect_function_table", wasmfile.KindTable, 0)
		programs["no stack pointer"] = b.Bytes()
	}
	{
		var b wasmfile.Builder // whose stack pointer can't be set
		b.ImportMemory("env", "memory", memory)
		b.Table(wasmfile.Limits{Min: 1})
		b.Export("__stack_pointer", wasmfile.KindGlobal, b.GlobalI32(0, false))
		programs["constant stack pointer"] = b.Bytes()
	}
	{
		var b wasmfile.Builder // without a table
		b.ImportMemory("env", "memory", memory)
		b.Export("__stack_pointer", wasmfile.KindGlobal, b.GlobalI32(0, true))
		programs["no table"] = b.Bytes()
	}
	return programs
}

// TestInstantiateErrors: why a program does not start stands in the error.
func TestInstantiateErrors(t *testing.T) {
	says := map[string]string{
		"no stack pointer": "__stack_pointer", "constant stack pointer": "__stack_pointer",
		"no table": "__indirect_function_table",
	}
	for name, b := range failingPrograms() {
		_, err := compile(t, Source{Name: name, Wasm: b}).Instantiate(t.Context(), Process{})
		if err == nil || !strings.Contains(err.Error(), says[name]) {
			t.Errorf("%s: %v, expected a word of %s", name, err, says[name])
		}
	}
}

// TestCompileErrors: what can't be hosted is refused before anything runs.
func TestCompileErrors(t *testing.T) {
	var global wasmfile.Builder
	global.ImportMemory("env", "memory", wasmfile.Limits{Min: 1})
	global.ImportGlobal("env", "g", wasmfile.I32, false)
	m := newMachine(t)
	for _, c := range []struct {
		name, says string
		src        Source
	}{
		{"not wasm", "not wasm:", Source{Wasm: []byte("not wasm")}},
		{"empty", "empty:", Source{}},
		{"an imported global", "which is no function", Source{Wasm: global.Bytes()}},
		{"a takeover by nobody", `unknown table function "nobody"`, Source{Wasm: testProgram(nil, nil), Takeovers: []Takeover{{Export: "counter", By: "nobody"}}}},
		{"a call of nobody", `call "x" of table function "nobody"`, Source{Wasm: testProgram(nil, nil), Calls: []CallSite{{Name: "x", By: "nobody"}}}},
		{"a call with a parameter", `call "x" of table function "f"`, Source{Wasm: testProgram(nil, nil),
			Table: []TableFunc{{Name: "f", Sig: signature("i_"), Call: func(*Instance, []uint64) {}}}, Calls: []CallSite{{Name: "x", By: "f"}}}},
		{"a call from nowhere", `call "x": not found`, Source{Wasm: testProgram(nil, nil),
			Table: []TableFunc{{Name: "f", Call: func(*Instance, []uint64) {}}}, Calls: []CallSite{{Name: "x", Old: []byte("nowhere in the code"), By: "f"}}}},
	} {
		c.src.Name = c.name
		if _, err := m.Compile(t.Context(), c.src); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %q", c.name, err, c.says)
		}
	}
}
