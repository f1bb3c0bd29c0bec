package wasm

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "fetch the packages that manifest.json names and write their pins")

// TestManifest compares the pins that follow from the sources with those in
// manifest.json. It needs npm and a registry, so it only runs with -update,
// which writes the file; every fetch in use checks the same pins.
func TestManifest(t *testing.T) {
	if !*update {
		t.Skip("needs -update")
	}
	text, err := os.ReadFile("manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	m := new(manifest)
	if err := json.Unmarshal(text, m); err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Packages {
		tarball, err := npmPack(t.Context(), p.Name+"@"+p.Version, false)
		if err != nil {
			t.Fatal(err)
		}
		sources, err := readPackage(tarball, isSource)
		if err != nil {
			t.Fatal(err)
		}
		files, err := makeFiles(sources)
		if err != nil {
			t.Fatal(err)
		}
		p.Integrity, p.Sources, p.Files = integrityOf(tarball), pins(sources), pins(files)
	}
	if text, err = json.MarshalIndent(m, "", "\t"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("manifest.json", append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func pins(files map[string][]byte) (list []pin) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		list = append(list, pinOf(name, files[name]))
	}
	return list
}

func TestManifestIsConsistent(t *testing.T) {
	m := pinned()
	if m.base().Extension != "" || m.base().Name != "@electric-sql/pglite" {
		t.Errorf("first package is %v", m.base())
	}
	if !slices.IsSorted(Extensions()) {
		t.Errorf("extensions are not sorted: %v", Extensions())
	}
	contrib := 0
	for _, p := range m.Packages {
		for _, f := range slices.Concat(p.Sources, p.Files) {
			if len(f.SHA256) != 64 || f.Size <= 0 {
				t.Errorf("%v: %+v", p, f)
			}
			if p == m.base() && strings.HasSuffix(f.Path, ".tar.gz") {
				contrib++
			}
		}
		if len(p.Integrity) != len("sha512-")+88 || len(p.Sources) == 0 || p.file("tree") == nil {
			t.Errorf("%v is not pinned: run with -update", p)
		}
		if (p != m.base()) != (p.Extension != "") {
			t.Errorf("%v has extension name %q", p, p.Extension)
		}
	}
	if contrib != 37 {
		t.Errorf("%d contrib extensions", contrib)
	}
}

func TestChoose(t *testing.T) {
	for _, tt := range []struct {
		name       string
		extensions []string
		want       []string
		err        string
	}{
		{name: "none", want: []string{"pglite-0.5.16"}},
		{name: "contrib is there without", extensions: []string{"hstore", "uuid-ossp"}, want: []string{"pglite-0.5.16"}},
		{name: "twice", extensions: []string{"pgvector", "pgvector"}, want: []string{"pglite-0.5.16", "pglite-pgvector-0.0.15"}},
		{name: "postgis", extensions: []string{"postgis"}, err: "does not link"},
		{name: "unknown", extensions: []string{"vektor"}, err: `unknown extension "vektor": have age, pg_hashids,`},
		{name: "empty", extensions: []string{""}, err: `unknown extension ""`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			packages, err := pinned().choose(tt.extensions)
			var got []string
			for _, p := range packages {
				got = append(got, p.folder())
			}
			if !slices.Equal(got, tt.want) || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}
