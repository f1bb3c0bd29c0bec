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
	a := &Artifact{packages: packages, content: make([]map[string][]byte, len(packages)), embedded: embedded != nil}
	if err := a.find(ctx, o, embedded); err != nil {
		return nil, fmt.Errorf("wasm: %w", errors.Join(err, a.Close()))
	}
	return a, nil
}

func (a *Artifact) find(ctx context.Context, o Options, embedded fs.FS) error {
	if err := a.openCache(o.CacheDir); err != nil {
		return err
	}
	if o.FS != nil {
		if err := a.readFS(o.FS); err != nil {
			return err
		}
	} else if err := a.readCache(ctx, supplier{embedded: embedded, progress: o.Progress}); err != nil {
		return err
	}
	if err := a.plant(); err != nil {
		return err
	}
	return a.openCode(ctx, embedded)
}

// openCache sets a.cache, or leaves it nil with a notice.
func (a *Artifact) openCache(dir string) error {
	c, err := openCache(dir)
	if errors.Is(err, errUnusable) {
		a.notice("%v: nothing is kept for the next start", err)
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
	writable := false
	if a.cache != nil {
		unlock, err := a.cache.lock(ctx, "fetch")
		switch {
		case err == nil:
			defer unlock()
			writable = true
			// Another process may have filled the cache meanwhile.
			if missing, err = a.readMissing(missing); err != nil {
				return err
			}
		case errors.Is(err, errUnusable):
			a.notice("the cache can't be written (%v): what it lacks is not kept for the next start", err)
		default:
			return err
		}
	}
	s.homeless = !writable
	for i, why := range missing {
		files, err := s.supply(ctx, a.packages[i])
		if err != nil {
			return fmt.Errorf("%v: %w: %w", a.packages[i], why, err)
		}
		if writable {
			err = a.cache.write(a.packages[i], files)
		}
		if errors.As(err, new(insecureError)) {
			return err
		}
		if err != nil || !writable {
			a.content[i] = files
		}
		if err != nil {
			a.notice("the cache can't be written (%v): %v is not kept for the next start", err, a.packages[i])
			delete(missing, i)
		} else if !errors.Is(why, fs.ErrNotExist) {
			a.notice("%v: it was replaced", why)
		}
	}
	if !writable {
		return nil
	}
	// What was written is used in its mapped form, so that it leaves the heap.
	missing, err = a.readMissing(missing)
	for _, why := range missing {
		err = errors.Join(err, why)
	}
	return err
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
		err := fmt.Errorf("not in the cache: %w", fs.ErrNotExist)
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
	var errs []error
	for j, r := range results {
		files[p.Files[j].Path] = r.data
		errs = append(errs, r.err)
	}
	err := errors.Join(errs...)
	for _, r := range results {
		switch {
		case r.unmap == nil:
		case err != nil:
			r.unmap()
		default:
			a.cleanup = append(a.cleanup, func() error { r.unmap(); return nil })
		}
	}
	if err == nil {
		a.content[i] = files
	}
	return err
}
