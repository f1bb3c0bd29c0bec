package runtime

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/runtime/wasmfile"
	"github.com/howdahdb/howdah/wasm"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const noSockets = "no sockets: clients come through the host's own callbacks, and nothing in the guest may open a connection"

// unimplemented is every import of a program that answers ENOSYS, with the
// reason why that is the right answer.
var unimplemented = map[string]string{
	"__syscall_socket":   noSockets,
	"__syscall_bind":     noSockets,
	"__syscall_listen":   noSockets,
	"__syscall_accept4":  noSockets,
	"__syscall_connect":  noSockets,
	"__syscall_sendto":   noSockets,
	"__syscall_recvfrom": noSockets,
	"__syscall_poll":     noSockets + "; of other descriptors none ever blocks",
}

const (
	noConversions = "encoding conversions: the program keeps these functions to itself, and the only encoding it speaks is UTF8"
	noOpenSSL     = "libc of the OpenSSL inside pgcrypto, on paths that pgcrypto never takes (sockets, terminals, locked memory)"
)

// unlinkable is every module that needs what neither the program nor another
// module exports, with the reason. Opening one fails and names the functions,
// unless Source.AllowMissing lists them.
var unlinkable = map[string]string{
	"pgoutput":         "logical decoding output: the program exports only what extensions use",
	"libpqwalreceiver": "a replication client: sockets, SCRAM and libpq are not exported",
	"pgcrypto":         noOpenSSL,

	"cyrillic_and_mic": noConversions, "euc2004_sjis2004": noConversions, "euc_cn_and_mic": noConversions,
	"euc_jp_and_sjis": noConversions, "euc_kr_and_mic": noConversions, "euc_tw_and_big5": noConversions,
	"latin2_and_win1250": noConversions, "latin_and_mic": noConversions, "utf8_and_big5": noConversions,
	"utf8_and_cyrillic": noConversions, "utf8_and_euc2004": noConversions, "utf8_and_euc_cn": noConversions,
	"utf8_and_euc_jp": noConversions, "utf8_and_euc_kr": noConversions, "utf8_and_euc_tw": noConversions,
	"utf8_and_gb18030": noConversions, "utf8_and_gbk": noConversions, "utf8_and_iso8859": noConversions,
	"utf8_and_iso8859_1": noConversions, "utf8_and_johab": noConversions, "utf8_and_sjis": noConversions,
	"utf8_and_sjis2004": noConversions, "utf8_and_uhc": noConversions, "utf8_and_win": noConversions,
}

// importRow is one line of the table: an import, who has it and who answers.
type importRow struct{ user, name, sig, answer string }

// TestImports compares every import of the stock programs and side modules,
// and who answers it, with testdata/imports.golden.
func TestImports(t *testing.T) {
	a, err := wasm.Load(context.Background(), wasm.Options{Extensions: wasm.Extensions()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	backend := parse(t, "pglite", a.Backend())
	sides := map[string]*wasmfile.Module{}
	for _, f := range a.Files() {
		if name, ok := strings.CutSuffix(path.Base(f.Path), ".so"); ok {
			sides[name] = parse(t, f.Path, f.Data)
		}
	}
	for name, reason := range unlinkable {
		if sides[name] == nil || reason == "" {
			t.Errorf("unlinkable: no module %s, or no reason", name)
		}
	}

	rows := slices.Concat(
		programImports(t, "pglite", backend),
		programImports(t, "initdb", parse(t, "initdb", a.Initdb())),
		sideImports(t, backend, sides),
	)
	used := map[string]bool{}
	for _, r := range rows {
		_, name, _ := strings.Cut(r.name, ".")
		used[name] = true
	}
	for name := range unimplemented {
		if !used[name] || hostFunctions[name] != nil {
			t.Errorf("unimplemented lists %s, which is implemented or imported by nobody", name)
		}
	}
	for name := range hostFunctions {
		if !used[name] {
			t.Errorf("the host implements %s, which nobody imports", name)
		}
	}
	golden(t, "testdata/imports.golden", table(rows))
}

func parse(t *testing.T, name string, b []byte) *wasmfile.Module {
	t.Helper()
	m, err := wasmfile.Parse(b)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m
}

// programImports lists the imports of a main module, which the host answers.
func programImports(t *testing.T, user string, m *wasmfile.Module) []importRow {
	t.Helper()
	var rows []importRow
	for _, im := range m.Imports {
		answer := hostAnswer(im)
		if answer == "" {
			t.Errorf("%s imports %s.%s (%s), which is neither implemented nor in the list of those that are not", user, im.Module, im.Name, im.Sig)
		}
		rows = append(rows, importRow{user, im.Module + "." + im.Name, importSig(im), answer})
	}
	return rows
}

// hostAnswer tells what the host does with an import of a program, "" when
// nobody has thought of it.
func hostAnswer(im wasmfile.Import) string {
	if im.Kind == wasmfile.KindMemory {
		return "own memory"
	}
	if strings.HasPrefix(im.Name, "invoke_") {
		return "invoke"
	}
	for _, f := range families {
		if f.calls[im.Name] != nil {
			return f.file
		}
	}
	if unimplemented[im.Name] != "" {
		return "ENOSYS"
	}
	return ""
}

// sideImports lists the imports of all side modules, each once.
func sideImports(t *testing.T, backend *wasmfile.Module, sides map[string]*wasmfile.Module) []importRow {
	t.Helper()
	host := map[string]bool{}
	for _, im := range backend.Imports {
		host[im.Name] = true
	}
	unresolved := map[string]bool{}
	seen := map[importRow]bool{}
	for _, name := range slices.Sorted(maps.Keys(sides)) {
		for _, im := range sides[name].Imports {
			answer := sideAnswer(im, name, backend, host, sides)
			if f, ok := backend.ExportedFunc(im.Name); ok && answer == fromMain && im.Module == "env" && !backend.FuncSig(f).Equal(im.Sig) {
				t.Errorf("%s imports %s as %s, which is %s", name, im.Name, im.Sig, backend.FuncSig(f))
			}
			if answer == "" {
				unresolved[name] = true
				if unlinkable[name] == "" {
					t.Errorf("%s imports %s.%s (%s), which nobody has", name, im.Module, im.Name, im.Sig)
				}
				answer = "missing"
			}
			seen[importRow{"side", im.Module + "." + im.Name, importSig(im), answer}] = true
		}
	}
	for name := range unlinkable {
		if !unresolved[name] {
			t.Errorf("unlinkable lists %s, which links", name)
		}
	}
	return slices.Collect(maps.Keys(seen))
}

// linkerGlobals are what the linker makes up for each module.
var linkerGlobals = map[string]bool{
	"memory": true, "__indirect_function_table": true,
	"__stack_pointer": true, "__memory_base": true, "__table_base": true,
}

const fromMain = "linked from main"

// sideAnswer tells who answers an import of a side module, in the linker's
// order; "" is nobody.
func sideAnswer(im wasmfile.Import, self string, backend *wasmfile.Module, host map[string]bool, sides map[string]*wasmfile.Module) string {
	name := im.Name
	if n := emscriptenNames[name]; n != "" {
		name = n
	}
	exports := func(m *wasmfile.Module) bool { _, ok := m.Exports[name]; return ok }
	switch {
	case im.Module == "env" && im.Kind != wasmfile.KindFunc:
		if linkerGlobals[name] {
			return "linker"
		}
		return ""
	case strings.HasPrefix(im.Module, "GOT.") && exports(sides[self]):
		return "own"
	case exports(backend):
		return fromMain
	case strings.HasPrefix(name, "invoke_"):
		return "invoke"
	case host[name]:
		return "linked from main's " + hostAnswer(im)
	case exports(sides[self]):
		return "own"
	case sides[self].Dylink.Weak[name]:
		return "weak"
	}
	for _, other := range slices.Sorted(maps.Keys(sides)) {
		if exports(sides[other]) {
			return "linked from " + other
		}
	}
	return ""
}

func importSig(im wasmfile.Import) string {
	if im.Kind == wasmfile.KindFunc {
		return im.Sig.Key()
	}
	return im.Kind.String()
}

// table is the rows, programs before side modules, in columns.
func table(rows []importRow) []byte {
	order := map[string]int{"pglite": 0, "initdb": 1, "side": 2}
	slices.SortFunc(rows, func(a, b importRow) int {
		return cmp.Or(order[a.user]-order[b.user], cmp.Compare(a.name, b.name), cmp.Compare(a.sig, b.sig), cmp.Compare(a.answer, b.answer))
	})
	var b bytes.Buffer
	for _, r := range rows {
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", r.user, r.name, r.sig, r.answer)
	}
	return b.Bytes()
}

// golden compares with a file, or rewrites it with -update.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(path.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if bytes.Equal(got, want) {
		return
	}
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for k := range max(len(g), len(w)) {
		if k >= len(g) || k >= len(w) || g[k] != w[k] {
			at := func(s []string) string { return strings.Join(s[min(k, len(s)):min(k+1, len(s))], "") }
			t.Fatalf("%s, line %d:\n got %q\nwant %q", file, k+1, at(g), at(w))
		}
	}
}

// TestFamilies keeps every host function in one family.
func TestFamilies(t *testing.T) {
	home := map[string]string{}
	for _, f := range families {
		if _, err := os.Stat(f.file); err != nil {
			t.Error(err)
		}
		for name := range f.calls {
			if other := home[name]; other != "" {
				t.Errorf("%s is in %s and %s", name, other, f.file)
			}
			home[name] = f.file
		}
	}
}

// TestNotImplemented: what the host lacks answers ENOSYS in the convention of
// its module, and nothing to a function without a result.
func TestNotImplemented(t *testing.T) {
	result := wasmfile.Sig{Params: []wasmfile.ValType{wasmfile.I32}, Results: []wasmfile.ValType{wasmfile.I32}}
	for _, c := range []struct {
		module string
		sig    wasmfile.Sig
		want   uint64
	}{
		{"env", result, uint64(^uint32(52) + 1)},
		{"wasi_snapshot_preview1", result, 52},
		{"env", wasmfile.Sig{Params: result.Params}, 7},
	} {
		s := []uint64{7}
		(&Machine{}).bind(wasmfile.Import{Module: c.module, Name: "nobody_has_this", Sig: c.sig})(nil, s)
		if s[0] != c.want {
			t.Errorf("%s %s: %#x, expected %#x", c.module, c.sig, s[0], c.want)
		}
	}
}
