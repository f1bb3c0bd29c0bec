package pglite

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	goruntime "runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/howdahdb/howdah/pglite/internal/catalog"
	"github.com/howdahdb/howdah/runtime"
	"github.com/howdahdb/howdah/runtime/snapshot"
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
	untidy   atomic.Bool // something was loaded since the last trim
	mapped   sync.Once   // mapCode
	trimming sync.WaitGroup

	base struct {
		sync.Mutex
		files *vfs.Memory // what pglite.data and the extensions hold, made when first needed
	}
	mu    sync.Mutex
	fresh *vfs.Memory // base.files with a cluster, made when first needed

	stored stored
}

// engines are the engines in use, by artifact.
var engines struct {
	mu sync.Mutex
	m  map[string]*engine
}

// acquireEngine loads and compiles the artifact, or shares one that is there. While
// the machine code is loaded, ahead reads what will be needed next.
func acquireEngine(ctx context.Context, o *Options, ahead func(*engine)) (*engine, error) {
	ended := o.step("artifact")
	a, err := wasm.Load(ctx, wasm.Options{FS: o.Artifact, CacheDir: o.CacheDir, Extensions: o.Extensions, Progress: o.Progress, Later: true})
	ended()
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
	e, err := newEngine(ctx, a, o, ahead)
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

func newEngine(ctx context.Context, a *wasm.Artifact, o *Options, ahead func(*engine)) (*engine, error) {
	if a.Hash() != layoutHash {
		return nil, fmt.Errorf("pglite: pglite.wasm has sha256 %s; this version knows the layout of %s only", a.Hash(), layoutHash)
	}
	m, err := newMachine(ctx, a)
	if err != nil {
		return nil, err
	}
	e := &engine{artifact: a, machine: m}
	var reading sync.WaitGroup
	reading.Go(func() { ahead(e) })
	ended := o.step("machine code")
	src := backendSource(nil)
	src.Read = func() ([]byte, error) {
		err := a.Fill(ctx)
		return a.Backend(), err
	}
	e.backend, err = e.compile(ctx, src, o)
	ended()
	reading.Wait()
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// compileSilence is how long a compilation may take without being reported:
// loading machine code from the cache takes less.
const compileSilence = 700 * time.Millisecond

// newMachine makes a machine that uses the artifact's cache.
func newMachine(ctx context.Context, a *wasm.Artifact) (*runtime.Machine, error) {
	return runtime.NewMachine(ctx, runtime.MachineOptions{
		CompileCache: a.CompileCache(), Workers: goruntime.NumCPU(), Keep: a.Keep,
		Kept: func(key string) ([]byte, error) {
			f, err := a.Kept(key)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			return io.ReadAll(f)
		},
	})
}

// compile takes a program's machine code from the cache, or fills the cache
// while other processes wait for it.
func (e *engine) compile(ctx context.Context, src runtime.Source, o *Options) (*runtime.Program, error) {
	e.untidy.Store(true)
	if o.Progress != nil {
		reported := make(chan struct{})
		t := time.AfterFunc(compileSilence, func() {
			defer close(reported)
			o.Progress("compile", 0, 0)
		})
		defer func() {
			if !t.Stop() {
				<-reported
			}
		}()
	}
	unlock, err := e.artifact.LockCompile(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	p, err := e.machine.Compile(ctx, src)
	if !errors.Is(err, runtime.ErrDamagedCode) {
		return p, err
	}
	o.Logger.Warn().Err(err).Msg("machine code in the cache is damaged; it is compiled again")
	if err := e.artifact.ResetCompileCache(); err != nil {
		return nil, err
	}
	return e.machine.Compile(ctx, src)
}

// trim gives back to the system what making a cluster has needed beyond what
// it needs from now on: two copies of the module in the heap, the artifact's
// pages, what initdb has left.
func (e *engine) trim() {
	if e.untidy.Swap(false) {
		e.artifact.Unload()
		e.trimming.Go(debug.FreeOSMemory)
	}
}

// retain takes another share.
func (e *engine) retain() *engine {
	engines.mu.Lock()
	defer engines.mu.Unlock()
	e.refs++
	return e
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
	e.trimming.Wait()
	err := e.machine.Close(context.Background())
	if e.stored.process != nil {
		err = errors.Join(err, e.stored.process.close())
	} else if e.stored.files != nil {
		err = errors.Join(err, e.stored.files.Close())
	}
	for _, m := range [...]*vfs.Memory{e.fresh, e.base.files} {
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
	sharedDir     = "/dev/shm"
)

// baseFiles is the guest's file system without a cluster. It is the engine's.
func (e *engine) baseFiles(ctx context.Context, o *Options) (*vfs.Memory, error) {
	e.base.Lock()
	defer e.base.Unlock()
	if e.base.files != nil {
		return e.base.files, nil
	}
	defer o.step("base files")()
	e.untidy.Store(true)
	if err := e.artifact.Fill(ctx); err != nil {
		return nil, err
	}
	var err error
	e.base.files, err = baseTree(e.artifact)
	return e.base.files, err
}

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
		data := f.Data
		if path.Base(f.Path) == catalog.SystemViews {
			data = catalog.Extend(data)
		}
		if err := m.PutFile(f.Path, f.Mode, data); err != nil {
			return nil, fmt.Errorf("pglite: base file %s: %w", f.Path, err)
		}
	}
	for _, name := range outputPlugins {
		if err := m.PutFile(name, 0o755, outputPlugin()); err != nil {
			return nil, fmt.Errorf("pglite: output plugin %s: %w", name, err)
		}
	}
	for _, d := range [...]string{"/tmp", sharedDir, hostDir, "/home/postgres"} {
		if err := mkdir(d); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// cluster is a file tree with a cluster, of its own, which the caller closes: the
// image's, or without one a new cluster with an identifier that no other has.
func (e *engine) cluster(ctx context.Context, o *Options, from *Image) (*vfs.Memory, error) {
	if from != nil {
		return from.files.Clone(), nil
	}
	m, err := e.freshCluster(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := identify(m, guestData, newIdentity()); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// freshCluster is a file tree with a cluster just made by initdb, which others
// have, too. The process keeps the first, and the next ones are copy-on-write
// clones of it; the cache keeps an image for other processes.
func (e *engine) freshCluster(ctx context.Context, o *Options) (*vfs.Memory, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fresh == nil {
		defer o.step("cluster's files")()
		m, err := e.keptCluster(ctx, o)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				o.Logger.Warn().Err(err).Msg("the image of a new cluster in the cache can't be used; initdb runs")
			}
			if m, err = e.newCluster(ctx, o); err != nil {
				return nil, err
			}
			e.keepCluster(m, o)
		}
		m.Compact()
		e.fresh = m
	}
	return e.fresh.Clone(), nil
}

// readAhead reads what a cluster of these options needs, as far as it is kept. What
// goes wrong does so again when it is needed.
func (e *engine) readAhead(ctx context.Context, o *Options) {
	if o.likeStored() {
		e.readStored(o)
		return
	}
	if _, err := e.baseFiles(ctx, o); err != nil || o.Dir != "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	defer o.step("cluster's files")()
	if m, err := e.keptCluster(ctx, o); err == nil {
		m.Compact()
		e.fresh = m
	}
}

// keptKey names the image of a new cluster in the cache, by all that it comes
// from but the artifact.
var keptKey = fmt.Sprintf("cluster %x", sha256.Sum256([]byte(snapshot.Version+catalog.View+catalog.Marks+strings.Join(initdbArgs, " "))))

// keptCluster makes a file tree of the cache's image. The error is
// fs.ErrNotExist when it has none.
func (e *engine) keptCluster(ctx context.Context, o *Options) (*vfs.Memory, error) {
	f, err := e.artifact.Kept(keptKey)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return e.readCluster(ctx, bufio.NewReader(f), o)
}

// keepCluster puts an image of m into the cache.
func (e *engine) keepCluster(m *vfs.Memory, o *Options) {
	var b bytes.Buffer
	err := snapshot.Write(&b, Program, m, guestData, Transient)
	if err == nil {
		err = e.artifact.Keep(keptKey, b.Bytes())
	}
	if err != nil {
		o.Logger.Warn().Err(err).Msg("the image of a new cluster is not kept for the next start")
	}
}

// newCluster runs initdb.
func (e *engine) newCluster(ctx context.Context, o *Options) (*vfs.Memory, error) {
	defer o.step("initdb")()
	base, err := e.baseFiles(ctx, o) // and all files of the artifact
	if err != nil {
		return nil, err
	}
	p, err := e.compile(ctx, initdbSource(e.artifact.Initdb()), o)
	if err != nil {
		return nil, err
	}
	m := base.Clone()
	err = e.runInitdb(ctx, p, vfs.NewNamespace(m), &logWriter{log: o.Logger})
	if err = errors.Join(err, p.Close(context.WithoutCancel(ctx))); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}
