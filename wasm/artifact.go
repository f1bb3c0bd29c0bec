package wasm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
)

// Artifact is a verified set of files. Its methods may be called from any
// goroutine; the bytes they return are shared, must not be written (most are
// read-only pages) and are gone after Close.
type Artifact struct {
	packages []*npmPackage
	content  []map[string][]byte // by package, by file name
	files    []File
	notices  []string
	cache    *cache // nil when none is usable
	code     string // see CompileCache
	unkept   error  // why the cache does not hold all of it, nil if it does
	mapped   [][]byte
	embedded bool
	cleanup  []func() error // in reverse order
	once     sync.Once
	closed   error
	fill     struct {
		sync.Mutex // guards also mapped, cleanup and notices once Load has returned
		read       func(context.Context) error
		done       bool
		err        error
	}
}

func newArtifact(packages []*npmPackage) *Artifact {
	return &Artifact{packages: packages, content: make([]map[string][]byte, len(packages))}
}

// Backend returns pglite.wasm, nil before the files are read.
func (a *Artifact) Backend() []byte { return a.content[0]["pglite.wasm"] }

// Initdb returns initdb.wasm.
func (a *Artifact) Initdb() []byte { return a.content[0]["initdb.wasm"] }

// Files returns the whole tree of the guest: pglite.data, the bundled contrib
// extensions and the chosen extensions, in that order of packages and sorted
// by path inside each. No path stands twice.
func (a *Artifact) Files() []File { return a.files }

// Hash returns the hex SHA-256 of pglite.wasm, which names the artifact.
func (a *Artifact) Hash() string { return a.packages[0].file("pglite.wasm").SHA256 }

// Embedded says whether this binary carries the artifact inside.
func (a *Artifact) Embedded() bool { return a.embedded }

// Notices returns what the user should be told about how the files were
// found, one sentence each: a damaged file was replaced, the cache can't be
// written, the machine code inside the binary is for another processor.
func (a *Artifact) Notices() []string {
	a.fill.Lock()
	defer a.fill.Unlock()
	return slices.Clone(a.notices)
}

// Unload takes what is mapped out of this process' resident memory. It comes
// back from the page cache when it is read; whoever has compiled the modules
// calls it, since nobody reads them any more.
func (a *Artifact) Unload() {
	a.fill.Lock()
	defer a.fill.Unlock()
	for _, data := range a.mapped {
		releasePages(data)
	}
}

// Close gives mapped memory back and removes temporary folders. Everything
// that reads what the artifact returned must have stopped.
func (a *Artifact) Close() error {
	a.once.Do(func() {
		var errs []error
		for _, f := range slices.Backward(a.cleanup) {
			errs = append(errs, f())
		}
		a.content, a.files, a.mapped = make([]map[string][]byte, len(a.packages)), nil, nil
		a.closed = errors.Join(errs...)
	})
	return a.closed
}

// noteUnkept notes that the next start has to get something anew.
func (a *Artifact) noteUnkept(err error) {
	if a.unkept == nil {
		a.unkept = err
		a.notice("%v: nothing is kept for the next start", err)
	}
}

func (a *Artifact) notice(format string, args ...any) {
	a.notices = append(a.notices, fmt.Sprintf(format, args...))
}

// temporaryDir makes a private folder that Close removes.
func (a *Artifact) temporaryDir() (string, error) {
	dir, err := os.MkdirTemp("", "howdah-code-")
	if err != nil {
		return "", err
	}
	a.cleanup = append(a.cleanup, func() error { return os.RemoveAll(dir) })
	return dir, nil
}

// plant makes files out of the trees of all packages.
func (a *Artifact) plant() error {
	seen := make(map[string]string)
	for i, p := range a.packages {
		files, err := parseTree(a.content[i]["tree"])
		if err != nil {
			return fmt.Errorf("%v: %w", p, err)
		}
		for _, f := range files {
			if other, ok := seen[f.Path]; ok {
				return fmt.Errorf("%s is in %s and in %s", f.Path, other, p.Name)
			}
			seen[f.Path] = p.Name
		}
		a.files = append(a.files, files...)
	}
	return nil
}

// readFS takes all files from fsys.
func (a *Artifact) readFS(fsys fs.FS) error {
	for i, p := range a.packages {
		files, err := readFolder(fsys, p)
		if err != nil {
			return fmt.Errorf("%v in the given folder (\"howdah fetch --dir\" fills one): %w", p, err)
		}
		a.content[i] = files
	}
	return nil
}

// readFolder reads and verifies the files of p in a folder as Fetch fills it.
func readFolder(fsys fs.FS, p *npmPackage) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for i := range p.Files {
		f := &p.Files[i]
		name := p.folder() + "/" + f.Path
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		if err := f.verify(data); err != nil {
			return nil, fmt.Errorf("%s %w", name, err)
		}
		files[f.Path] = data
	}
	return files, nil
}
