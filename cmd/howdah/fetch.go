package main

import (
	"context"
	"fmt"

	"github.com/howdahdb/howdah/wasm"
)

type fetchCmd struct {
	artifactFlags
	Dir      string `placeholder:"DIR" help:"Write the files here and leave the cache alone."`
	logFlags `set:"log_level=info"`
}

func (fetchCmd) Help() string {
	return `Uses npm with your own configuration. Every file is checked against the hash
that this program was built with. With the cache filled, howdah needs neither
npm nor a network.

Examples:

    howdah fetch
    howdah fetch --extensions pgvector,pg_uuidv7
    howdah fetch --dir ./pglite      # for pglite.Options.Artifact
`
}

func (c *fetchCmd) Run() error {
	log := c.logger()
	ctx, stop := untilSignal(context.Background())
	defer stop()
	report, end := newProgress(log)
	err := wasm.Fetch(ctx, wasm.Options{
		CacheDir:   c.CacheDir,
		Extensions: c.Extensions,
		Progress:   report,
	}, c.Dir)
	end()
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	event := log.Info()
	if c.Dir != "" {
		event = event.Str("dir", c.Dir)
	}
	event.Msg("fetched")
	return nil
}
