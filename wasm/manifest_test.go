package wasm

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"slices"
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
