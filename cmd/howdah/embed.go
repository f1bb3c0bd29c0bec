package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/wasm"
)

// embedCmd prepares `go build -tags howdah_release`. It is for this
// repository's own use and hidden from users.
type embedCmd struct {
	artifactFlags
	Dir      string `default:"wasm/embedded" help:"Folder to replace."`
	logFlags `set:"log_level=info"`
}

// Run boots a database in a cache of its own, so that exactly the machine code
// that a first start needs is in it, and packs both.
func (c *embedCmd) Run() (err error) {
	log := c.logger()
	ctx, stop := untilSignal(context.Background())
	defer stop()
	work, err := os.MkdirTemp("", "howdah-embed-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()

	files := filepath.Join(work, "files")
	report, end := newProgress(log)
	defer end()
	source := wasm.Options{CacheDir: c.CacheDir, Extensions: c.Extensions, Progress: report}
	if err := wasm.Fetch(ctx, source, files); err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	options := pglite.Options{
		Artifact:   os.DirFS(files),
		CacheDir:   filepath.Join(work, "cache"),
		Extensions: c.Extensions,
		Logger:     log,
		Progress:   report,
		// An idle cluster puts into the cache what only a running one needs.
		NoHousekeeping: true,
	}
	cluster, err := pglite.Open(ctx, options)
	if err != nil {
		return err
	}
	if err := cluster.Close(ctx); err != nil {
		return err
	}
	artifact, err := wasm.Load(ctx, wasm.Options{FS: options.Artifact, CacheDir: options.CacheDir, Extensions: c.Extensions})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, artifact.Close()) }()
	if err := os.RemoveAll(c.Dir); err != nil {
		return err
	}
	return wasm.Embed(c.Dir, artifact, artifact.CompileCache())
}
