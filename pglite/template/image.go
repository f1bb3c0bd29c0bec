package template

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/wasm"
)

// bound is how much the folder holds. An image of a small schema has some 4 MB.
var bound = wasm.Bound{Files: 64, Bytes: 2 << 30}

// Image gives the image of a new cluster on which the source has run: out of
// the cache, or made and put there. The caller closes it. Of o the artifact, the
// cache, the extensions, the settings, Logger and Progress count.
func (s *Source) Image(ctx context.Context, o pglite.Options) (*pglite.Image, error) {
	return Keep(ctx, s.Key(), s.name, o, s.Apply)
}

// Key names the source, by names and contents.
func (s *Source) Key() string { return "source " + hex.EncodeToString(s.sum[:]) }

// fileName names the template of a key in the cache.
func fileName(key string, o *pglite.Options) (string, error) {
	of, err := o.Identity()
	if err != nil {
		return "", err
	}
	h := sha256.Sum256([]byte("template 1\n" + of + "\n" + key))
	return hex.EncodeToString(h[:]), nil
}

// Keep is [Source.Image] for whatever can change a new cluster. The key has to
// name all that decides what fill does; name is for reports.
func Keep(ctx context.Context, key, name string, o pglite.Options, fill func(context.Context, *pglite.Cluster) error) (*pglite.Image, error) {
	o = pglite.Options{
		Artifact: o.Artifact, CacheDir: o.CacheDir, Extensions: o.Extensions, Settings: o.Settings,
		Logger: o.Logger, Progress: o.Progress,
	}
	file, err := fileName(key, &o)
	if err != nil {
		return nil, err
	}
	k := keeper{o: &o, file: file, name: name}
	folder, err := wasm.OpenFolder(o.CacheDir, "templates", bound)
	if errors.Is(err, wasm.ErrUnusable) {
		o.Logger.Warn().Err(err).Str("template", name).Msg("the template is not kept")
		return k.make(ctx, fill)
	}
	if err != nil {
		return nil, err
	}
	k.folder = folder
	return k.find(ctx, fill)
}

// keeper is one template in the cache.
type keeper struct {
	o      *pglite.Options
	folder *wasm.Folder
	file   string
	name   string
}

// find reads the image, or makes it while others wait.
func (k *keeper) find(ctx context.Context, fill func(context.Context, *pglite.Cluster) error) (*pglite.Image, error) {
	if i, err := k.read(ctx); err == nil || ctx.Err() != nil {
		return i, err
	}
	unlock, err := k.folder.Lock(ctx, k.file)
	switch {
	case errors.Is(err, wasm.ErrUnusable): // it can only be read
		unlock = func() {}
	case err != nil:
		return nil, err
	}
	defer unlock()
	i, err := k.read(ctx)
	if err == nil || ctx.Err() != nil {
		return i, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		k.o.Logger.Warn().Err(err).Str("template", k.name).Msg("the template in the cache can't be used; it is made again")
	}
	if i, err = k.make(ctx, fill); err != nil {
		return nil, err
	}
	err = k.folder.Write(ctx, k.file, func(w io.Writer) error {
		buffered := bufio.NewWriterSize(w, 1<<20)
		return errors.Join(i.Write(buffered), buffered.Flush())
	})
	if err != nil {
		k.o.Logger.Warn().Err(err).Str("template", k.name).Msg("the template is not kept")
	}
	return i, nil
}

func (k *keeper) read(ctx context.Context) (*pglite.Image, error) {
	f, err := k.folder.Open(k.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return pglite.ReadImage(ctx, bufio.NewReaderSize(f, 1<<20), *k.o)
}

func (k *keeper) make(ctx context.Context, fill func(context.Context, *pglite.Cluster) error) (i *pglite.Image, err error) {
	if k.o.Progress != nil {
		k.o.Progress("build template "+k.name, 0, -1)
	}
	c, err := pglite.Open(ctx, *k.o)
	if err != nil {
		return nil, err
	}
	filled := false
	defer func() { // also when fill ends the goroutine, as a test does
		if !filled {
			err = errors.Join(err, c.Close(context.WithoutCancel(ctx)))
		}
	}()
	if err := fill(ctx, c); err != nil {
		return nil, err
	}
	filled = true
	if i, err = c.Freeze(ctx); err != nil {
		return nil, fmt.Errorf("template %s: %w", k.name, err)
	}
	return i, nil
}
