package change_test

import (
	"bytes"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

//go:embed testdata/node
var nodeFiles embed.FS

// TestNode has the golden sets read by cbor-x, a decoder that nobody here has
// written, and compares with what another one of Go finds.
func TestNode(t *testing.T) {
	files, err := fs.Sub(nodeFiles, "testdata/node")
	if err != nil {
		t.Fatal(err)
	}
	node, modules := need.Node(t), need.NodePackages(t, files)
	dir := t.TempDir()
	if err := os.CopyFS(dir, files); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(samples()))
	args := []string{"read.mjs"}
	for _, name := range names {
		file, err := filepath.Abs(filepath.Join("testdata", name+".hex"))
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	cmd := exec.CommandContext(t.Context(), node, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(found) != len(names) {
		t.Fatalf("%d sets of %d", len(found), len(names))
	}
	for k, name := range names {
		var got any
		if err := json.Unmarshal(found[k], &got); err != nil {
			t.Fatal(err)
		}
		if want := asNode(t, args[k+1]); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: cbor-x has found %s", name, difference(got, want))
		}
	}
}

// asNode reads a golden set as read.mjs does.
func asNode(t *testing.T, file string) any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(string(bytes.ReplaceAll(text, []byte("\n"), nil)))
	if err != nil {
		t.Fatal(err)
	}
	dec, err := cbor.DecOptions{}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	return plainItem(t, dec, b)
}

// plainItem looks at raw items, since a decoder that fills Go's values forgets the
// difference between undefined and null.
func plainItem(t *testing.T, dec cbor.DecMode, b []byte) any {
	t.Helper()
	into := func(v any) {
		if err := dec.Unmarshal(b, v); err != nil {
			t.Fatal(err)
		}
	}
	switch b[0] >> 5 {
	case 0, 1:
		var n int64
		into(&n)
		return map[string]any{"number": strconv.FormatInt(n, 10)}
	case 2:
		var p []byte
		into(&p)
		return map[string]any{"bytes": hex.EncodeToString(p)}
	case 3:
		var s string
		into(&s)
		return s
	case 4:
		var items []cbor.RawMessage
		into(&items)
		list := []any{}
		for _, item := range items {
			list = append(list, plainItem(t, dec, item))
		}
		return list
	case 5:
		var items map[uint64]cbor.RawMessage
		into(&items)
		pairs := []any{}
		for _, k := range slices.Sorted(maps.Keys(items)) {
			pairs = append(pairs, []any{map[string]any{"number": strconv.FormatUint(k, 10)}, plainItem(t, dec, items[k])})
		}
		return map[string]any{"map": pairs}
	case 6:
		var tag cbor.RawTag
		into(&tag)
		return map[string]any{"tag": float64(tag.Number), "value": plainItem(t, dec, tag.Content)}
	}
	switch b[0] {
	case 0xf7:
		return map[string]any{"undefined": true}
	case 0xfa, 0xfb:
		var f float64
		into(&f)
		return map[string]any{"number": jsNumber(f)}
	}
	var v any
	into(&v)
	return v
}

// jsNumber writes a float as JavaScript does.
func jsNumber(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 0):
		return map[bool]string{true: "Infinity", false: "-Infinity"}[f > 0]
	}
	b, _ := json.Marshal(f)
	return string(b)
}

// difference tells of the first place where two values differ.
func difference(got, want any) string {
	g, gok := got.([]any)
	w, wok := want.([]any)
	if !gok || !wok || len(g) != len(w) {
		gm, gok := got.(map[string]any)
		wm, wok := want.(map[string]any)
		if !gok || !wok || len(gm) != len(wm) {
			return fmt.Sprintf("%#v, not %#v", got, want)
		}
		for k := range gm {
			if !reflect.DeepEqual(gm[k], wm[k]) {
				return difference(gm[k], wm[k])
			}
		}
	}
	for k := range min(len(g), len(w)) {
		if !reflect.DeepEqual(g[k], w[k]) {
			return difference(g[k], w[k])
		}
	}
	return "nothing else"
}
