package wasm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

// Options says which files to load and from where.
type Options struct {
	FS         fs.FS        // nil: look for them, see the package comment; else a folder as Fetch fills it, and nowhere else
	CacheDir   string       // "" = os.UserCacheDir()/howdah
	Extensions []string     // names out of Extensions(); bundled contrib extensions need not be named
	Progress   ProgressFunc // nil ok
	Later      bool         // the files are read by Artifact.Fill: what was made of them may be enough
}

// ProgressFunc is told how far a slow step is: stage names it ("fetch
// @electric-sql/pglite 0.5.16"), done and total are bytes, total <= 0 when it
// is not known. It is called on the goroutine that called Load or Fetch.
type ProgressFunc func(stage string, done, total int64)

func (f ProgressFunc) report(stage string, done, total int64) {
	if f != nil {
		f(stage, done, total)
	}
}

// Load returns the verified artifact. It fetches with npm what it does not
// find otherwise, which takes seconds and ends when ctx does; all else is
// milliseconds. The caller closes the artifact.
func Load(ctx context.Context, o Options) (*Artifact, error) {
	return load(ctx, o, embeddedFiles())
}

// load is Load with the files that the binary carries, nil for none.
func load(ctx context.Context, o Options, embedded fs.FS) (*Artifact, error) {
	packages, err := pinned().choose(o.Extensions)
	if err != nil {
		return nil, err
	}
	a := newArtifact(packages)
	a.embedded = embedded != nil
	if err := a.find(ctx, o, embedded); err != nil {
		return nil, fmt.Errorf("wasm: %w", errors.Join(err, a.Close()))
	}
	return a, nil
}

func (a *Artifact) find(ctx context.Context, o Options, embedded fs.FS) error {
	if err := a.openCache(o.CacheDir); err != nil {
		return err
	}
	a.fill.read = func(ctx context.Context) error {
		if o.FS != nil {
			return a.readFS(o.FS)
		}
		return a.readCache(ctx, supplier{embedded: embedded, progress: o.Progress})
	}
	if !o.Later {
		if err := a.fillOnce(ctx); err != nil {
			return err
		}
	}
	return a.openCode(ctx, embedded)
}

// Fill reads and verifies the files of an artifact that was loaded with
// Options.Later. They are there when it has returned nil. All but the first call
// return at once what that did.
func (a *Artifact) Fill(ctx context.Context) error {
	if err := a.fillOnce(ctx); err != nil {
		return fmt.Errorf("wasm: %w", err)
	}
	return nil
}

func (a *Artifact) fillOnce(ctx context.Context) error {
	a.fill.Lock()
	defer a.fill.Unlock()
	if !a.fill.done {
		a.fill.done = true
		if a.fill.err = a.fill.read(ctx); a.fill.err == nil {
			a.fill.err = a.plant()
		}
	}
	return a.fill.err
}

// openCache sets a.cache, or leaves it nil with a notice.
func (a *Artifact) openCache(dir string) error {
	c, err := openCache(dir)
	if errors.Is(err, errUnusable) {
		a.noteUnkept(err)
		return nil
	}
	a.cache = c
	return err
}

// readCache takes all files from the cache and has s supply what is missing
// or damaged there.
func (a *Artifact) readCache(ctx context.Context, s supplier) error {
	missing, err := a.readMissing(nil)
	if err != nil || len(missing) == 0 {
		return err
	}
	s.homeless = true
	if a.cache != nil {
		unlock, err := a.cache.lock(ctx, "fetch")
		switch {
		case err == nil:
			defer unlock()
			s.homeless = false
			// Another process may have filled the cache meanwhile.
			if missing, err = a.readMissing(missing); err != nil {
				return err
			}
		case errors.Is(err, errUnusable):
			a.noteUnkept(err)
		default:
			return err
		}
	}
	for i, p := range a.packages {
		why, ok := missing[i]
		if !ok {
			continue
		}
		files, err := s.supply(ctx, p)
		if err != nil {
			return fmt.Errorf("%v: %w; %w", p, why, err)
		}
		if err := a.keep(i, files); err != nil {
			return err
		}
		if !errors.Is(why, errMissing) {
			a.notice("%v: it was replaced", why)
		}
	}
	return nil
}

// keep writes the files of a package to the cache and takes them back in
// their mapped form, so that they leave the heap; if the cache can't be
// written they stay there.
func (a *Artifact) keep(i int, files map[string][]byte) error {
	if a.unkept == nil {
		err := a.cache.write(a.packages[i], files)
		if err == nil {
			return a.readPackage(i)
		}
		if errors.As(err, new(insecureError)) {
			return err
		}
		if !errors.Is(err, errUnusable) {
			err = fmt.Errorf("%w: %w", errUnusable, err)
		}
		a.noteUnkept(err)
	}
	a.content[i] = files
	return nil
}

// readMissing reads the packages whose index is in among (nil = all) from the
// cache and returns those that are missing or damaged there, with the reason.
// A file that may not be used ends it with an error.
func (a *Artifact) readMissing(among map[int]error) (missing map[int]error, err error) {
	missing = make(map[int]error)
	for i := range a.packages {
		if _, ok := among[i]; among != nil && !ok {
			continue
		}
		err := errMissing
		if a.cache != nil {
			err = a.readPackage(i)
		}
		if errors.As(err, new(insecureError)) {
			return nil, err
		}
		if err != nil {
			missing[i] = err
		}
	}
	return missing, nil
}

// readPackage maps and verifies the files of one package, all at once.
func (a *Artifact) readPackage(i int) error {
	p := a.packages[i]
	type result struct {
		data  []byte
		unmap func()
		err   error
	}
	results := make([]result, len(p.Files))
	var wg sync.WaitGroup
	for j := range p.Files {
		wg.Go(func() {
			r := &results[j]
			if r.data, r.unmap, r.err = a.cache.read(p, p.Files[j].Path); r.err != nil {
				return
			}
			if err := p.Files[j].verify(r.data); err != nil {
				r.err = fmt.Errorf("%s %w", a.cache.path(p, p.Files[j].Path), err)
			}
			releasePages(r.data)
		})
	}
	wg.Wait()
	files := make(map[string][]byte)
	var err error
	for j, r := range results {
		files[p.Files[j].Path] = r.data
		switch {
		case r.err == nil:
		case err == nil || errors.Is(err, errMissing):
			err = r.err
		case !errors.Is(r.err, errMissing):
			err = fmt.Errorf("%w; %w", err, r.err)
		}
	}
	for _, r := range results {
		switch {
		case r.unmap == nil:
		case err != nil:
			r.unmap()
		default:
			a.mapped = append(a.mapped, r.data)
			a.cleanup = append(a.cleanup, func() error { r.unmap(); return nil })
		}
	}
	if err == nil {
		a.content[i] = files
	}
	return err
}
