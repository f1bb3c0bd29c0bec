package wasm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Fetch fills the user's cache, or the folder dir when it is not "", with the
// files that Load needs for o; o.FS has no part in it. A filled folder can be
// carried along and given as Options.FS: it has no machine code in it. What is
// already there and sound is left alone; for a folder, files are taken from
// the cache if that has them.
func Fetch(ctx context.Context, o Options, dir string) error {
	return fetch(ctx, o, dir, embeddedFiles())
}

func fetch(ctx context.Context, o Options, dir string, embedded fs.FS) error {
	o.FS = nil
	if dir == "" {
		a, err := load(ctx, o, embedded)
		if err != nil {
			return err
		}
		if a.unkept != nil {
			err = fmt.Errorf("wasm: fetch: %w", a.unkept)
		}
		return errors.Join(err, a.Close())
	}
	packages, err := pinned().choose(o.Extensions)
	if err != nil {
		return err
	}
	a := newArtifact(packages)
	err = a.fillFolder(ctx, o, dir, embedded)
	if err = errors.Join(err, a.Close()); err != nil {
		return fmt.Errorf("wasm: fetch: %w", err)
	}
	return nil
}

// fillFolder writes the files of all packages into dir.
func (a *Artifact) fillFolder(ctx context.Context, o Options, dir string, embedded fs.FS) error {
	if err := a.openCache(o.CacheDir); err != nil {
		return err
	}
	missing, err := a.readMissing(nil)
	if err != nil {
		return err
	}
	s := supplier{embedded: embedded, homeless: a.cache == nil, progress: o.Progress}
	for i, p := range a.packages {
		if _, err := readFolder(os.DirFS(dir), p); err == nil {
			continue
		}
		files := a.content[i]
		if missing[i] != nil {
			if files, err = s.supply(ctx, p); err != nil {
				return fmt.Errorf("%v: %w", p, err)
			}
		}
		folder := filepath.Join(dir, p.folder())
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := writeFiles(folder, files, 0o644); err != nil {
			return err
		}
	}
	return nil
}
