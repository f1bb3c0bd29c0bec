package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/howdahdb/howdah"

// arrow says who may import what matches a path, tests aside.
type arrow struct {
	what   string   // an import path; with "/..." also those below
	by     []string // folders of the repository, in the same form
	reason string
}

// arrows keep data going one way through the repository: no package reaches
// back up, and a third party is known at one edge.
var arrows = []arrow{
	{module + "/cmd/...", nil, "a command is wiring: what others need has its place in a package"},
	{module + "/cmd/bundle", []string{"cmd/..."}, "programs begin with it, packages are put together by it"},
	{module + "/node/...", []string{"node/...", "cmd/..."}, "the Erlang side stands on the others, and nothing stands on it"},
	{module + "/bridge/...", []string{"bridge/...", "node/...", "cmd/..."}, "a database must work without its feed; cmd ties the two"},
	{module + "/pglite/...", []string{"pglite/...", "node/...", "cmd/..."}, "the bridge reads WAL of any database, through interfaces of its own"},
	{module + "/pglite/wire", []string{"pglite/...", "cmd/..."}, "Go callers get the driver or the dial function"},
	{module + "/runtime/...", []string{"runtime/...", "pglite/...", "cmd/..."}, "what runs a guest is known to the cluster that it is part of"},
	{module + "/runtime/vfs/...", []string{"runtime/...", "pglite/...", "bridge/...", "cmd/..."}, "the boundary at which the bridge listens"},
	{module + "/wasm/...", []string{"wasm/...", "pglite/...", "cmd/..."}, "the runtime hosts any program, not the artifact"},

	{"github.com/tetratelabs/wazero/...", []string{"runtime/..."}, "the engine can be replaced in one package"},
	{"github.com/jackc/pgx/v5/pgproto3", []string{"pglite/wire", "cmd/howdah"}, "one package speaks the protocol"},
	{"github.com/jackc/pgx/...", []string{"pglite/wire", "pglite/driver", "pglite/template", "pglite/pgtest", "pglite/backup", "pglite/mark", "cmd/..."}, "a client library is for clients"},
	{"github.com/alecthomas/kong", []string{"cmd/..."}, "flags are the command's"},
	{"github.com/schollz/progressbar/...", []string{"cmd/..."}, "packages report progress by callback and leave the terminal alone"},
	{"github.com/prometheus/...", []string{"pglite/admin"}, "how figures are exposed is one package's business"},
	{"github.com/fxamacker/cbor/...", []string{"bridge/change"}, "the form of change sets is one package's, which holds its own against it in tests"},
	{"github.com/rs/zerolog/log", nil, "the global logger: loggers are passed down"},
}

// matches tells whether a path is what a pattern names.
func matches(pattern, p string) bool {
	if above, ok := strings.CutSuffix(pattern, "/..."); ok {
		return p == above || strings.HasPrefix(p, above+"/")
	}
	return p == pattern
}

// forbidden tells by which arrow a package may not import a path. Of the arrows
// that name the path, the closest decides.
func forbidden(folder, imported string) (arrow, bool) {
	var best *arrow
	for k, a := range arrows {
		if matches(a.what, imported) && (best == nil || len(a.what) > len(best.what)) {
			best = &arrows[k]
		}
	}
	if best == nil || slices.ContainsFunc(best.by, func(by string) bool { return matches(by, folder) }) {
		return arrow{}, false
	}
	return *best, true
}

// TestArrows checks every import of every package but for those of tests.
func TestArrows(t *testing.T) {
	const root = "../.."
	used := map[string]bool{}
	eachGoFile(t, root, func(file, folder string) {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, im := range f.Imports {
			imported, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range arrows {
				used[a.what] = used[a.what] || matches(a.what, imported)
			}
			if a, bad := forbidden(folder, imported); bad {
				t.Errorf("%s imports %s, which only %v may: %s", strings.TrimPrefix(file, root+"/"), imported, a.by, a.reason)
			}
		}
	})
	if !used[module+"/runtime/..."] || !used["github.com/tetratelabs/wazero/..."] {
		t.Error("found no imports of the packages that there are: is this still the repository's root?")
	}
}

// eachGoFile calls f for every file of a package, test files and what the go
// command leaves out (testdata, names with _ or .) excepted.
func eachGoFile(t *testing.T, root string, f func(file, folder string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if file != root && (name == "testdata" || strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			rel, err := filepath.Rel(root, file)
			if err != nil {
				return err
			}
			f(filepath.ToSlash(file), path.Dir(filepath.ToSlash(rel)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestForbidden tries the table on what it is there for.
func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		folder, imported string
		forbidden        bool
	}{
		{"runtime", module + "/runtime/vfs", false},
		{"runtime/vfs", module + "/runtime", false},
		{"runtime", module + "/pglite", true},
		{"runtime", module + "/wasm", true},
		{"wasm", module + "/runtime", true},
		{"wasm", module + "/wasm/embedded", false},
		{"pglite", module + "/runtime/linear", false},
		{"pglite", module + "/wasm", false},
		{"pglite/wire", module + "/bridge", true},
		{"bridge/change", module + "/pglite", true},
		{"bridge", module + "/runtime/vfs", false},
		{"bridge", module + "/runtime", true},
		{"node", module + "/bridge/change", false},
		{"node", module + "/pglite", false},
		{"node", module + "/pglite/wire", true},
		{"cmd/howdah", module + "/node", false},
		{"pglite", module + "/cmd/howdah", true},
		{"pglite", "github.com/tetratelabs/wazero/api", true},
		{"runtime/linear", "github.com/tetratelabs/wazero/experimental", false},
		{"pglite", "github.com/jackc/pgx/v5/pgproto3", true},
		{"pglite/wire", "github.com/jackc/pgx/v5/pgproto3", false},
		{"pglite/driver", "github.com/jackc/pgx/v5", false},
		{"wasm", "github.com/schollz/progressbar/v3", true},
		{"pglite", "github.com/rs/zerolog", false},
		{"pglite", "github.com/prometheus/client_golang/prometheus", true},
		{"cmd/howdah", "github.com/rs/zerolog/log", true},
		{"pglite", "fmt", false},
	} {
		if _, got := forbidden(c.folder, c.imported); got != c.forbidden {
			t.Errorf("%s imports %s: forbidden %v, expected %v", c.folder, c.imported, got, c.forbidden)
		}
	}
}
