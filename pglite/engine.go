package pglite

import (
	"context"
	"errors"
	"fmt"
	"path"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"

	"github.com/howdahdb/howdah/runtime"
	"github.com/howdahdb/howdah/runtime/vfs"
	"github.com/howdahdb/howdah/wasm"
)

// engine is the compiled artifact and the file tree every cluster starts
// from. The clusters of a process that use the same artifact share one.
type engine struct {
	key      string
	refs     int // guarded by engines.mu
	artifact *wasm.Artifact
	machine  *runtime.Machine
	backend  *runtime.Program
	base     *vfs.Memory // what pglite.data and the extensions hold

	mu     sync.Mutex
	initdb *runtime.Program // compiled when first needed
	fresh  *vfs.Memory      // base with a cluster, made when first needed
}

// engines are the engines in use, by artifact.
var engines struct {
	mu sync.Mutex
	m  map[string]*engine
}

// acquireEngine loads and compiles the artifact, or shares one that is there.
func acquireEngine(ctx context.Context, o *Options) (*engine, error) {
	a, err := wasm.Load(ctx, wasm.Options{FS: o.Artifact, CacheDir: o.CacheDir, Extensions: o.Extensions, Progress: o.Progress})
	if err != nil {
		return nil, err
	}
	ext := slices.Sorted(slices.Values(o.Extensions))
	key := a.Hash() + " " + a.CompileCache() + " " + strings.Join(ext, ",")
	engines.mu.Lock()
	defer engines.mu.Unlock()
	if e := engines.m[key]; e != nil {
		e.refs++
		return e, a.Close()
	}
	for _, n := range a.Notices() {
		o.Logger.Info().Msg(n)
	}
	e, err := newEngine(ctx, a, o.Progress)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	e.key, e.refs = key, 1
	if engines.m == nil {
		engines.m = map[string]*engine{}
	}
	engines.m[key] = e
	return e, nil
}

func newEngine(ctx context.Context, a *wasm.Artifact, progress wasm.ProgressFunc) (*engine, error) {
	if a.Hash() != layoutHash {
		return nil, fmt.Errorf("pglite: pglite.wasm has sha256 %s; this version knows the layout of %s only", a.Hash(), layoutHash)
	}
	m, err := runtime.NewMachine(ctx, runtime.MachineOptions{CompileCache: a.CompileCache(), Workers: goruntime.NumCPU()})
	if err != nil {
		return nil, err
	}
	e := &engine{artifact: a, machine: m}
	unlock, err := a.LockCompile(ctx)
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	e.backend, err = m.Compile(ctx, backendSource(a.Backend()))
	unlock()
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	if e.base, err = baseTree(a); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// initdbProgram compiles initdb when it is first asked for. REQUIRES: mu.
func (e *engine) initdbProgram(ctx context.Context) (*runtime.Program, error) {
	if e.initdb == nil {
		p, err := e.machine.Compile(ctx, initdbSource(e.artifact.Initdb()))
		if err != nil {
			return nil, err
		}
		e.initdb = p
	}
	return e.initdb, nil
}

// release gives up a share; the last one frees the machine code.
func (e *engine) release() error {
	engines.mu.Lock()
	defer engines.mu.Unlock()
	if e.refs--; e.refs > 0 {
		return nil
	}
	delete(engines.m, e.key)
	return e.close()
}

func (e *engine) close() error {
	err := e.machine.Close(context.Background())
	for _, m := range [...]*vfs.Memory{e.fresh, e.base} {
		if m != nil {
			err = errors.Join(err, m.Close())
		}
	}
	return errors.Join(err, e.artifact.Close())
}

// Where the guest finds things.
const (
	guestData     = "/pglite/data"
	guestPostgres = "/pglite/bin/postgres"
	guestInitdb   = "/pglite/bin/initdb"
)

// baseTree is the guest's file system without a cluster.
func baseTree(a *wasm.Artifact) (*vfs.Memory, error) {
	m := vfs.NewMemory(vfs.MemoryOptions{})
	mkdir := func(name string) error {
		for k := 1; k <= len(name); k++ {
			if k == len(name) || name[k] == '/' {
				if err := m.Mkdir(name[:k], 0o755); err != nil && vfs.Errno(err) != errExist {
					return fmt.Errorf("pglite: base folder %s: %w", name[:k], err)
				}
			}
		}
		return nil
	}
	seen := map[string]bool{}
	for _, f := range a.Files() {
		if dir := path.Dir(f.Path); !seen[dir] {
			seen[dir] = true
			if err := mkdir(dir); err != nil {
				return nil, err
			}
		}
		if err := m.PutFile(f.Path, f.Mode, f.Data); err != nil {
			return nil, fmt.Errorf("pglite: base file %s: %w", f.Path, err)
		}
	}
	for _, d := range [...]string{"/tmp", "/dev/shm", "/home/postgres"} {
		if err := mkdir(d); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// freshCluster is a file tree with a cluster just made by initdb. The first
// one of the process is kept, and the next ones are copy-on-write clones of
// it: clusters of one process made fresh have one system identifier.
func (e *engine) freshCluster(ctx context.Context, log *logWriter) (*vfs.Memory, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fresh == nil {
		m := e.base.Clone()
		if err := e.runInitdb(ctx, vfs.NewNamespace(m), log); err != nil {
			return nil, errors.Join(err, m.Close())
		}
		e.fresh = m
	}
	return e.fresh.Clone(), nil
}
