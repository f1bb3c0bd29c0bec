package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/backup"
	"github.com/howdahdb/howdah/runtime/snapshot"
)

// snapshotCmd is the group of commands about snapshots.
type snapshotCmd struct {
	Save    saveCmd    `cmd:"" help:"Save a server or a data directory to a file."`
	Load    loadCmd    `cmd:"" help:"Make a data directory of a snapshot."`
	Inspect inspectCmd `cmd:"" help:"Check a snapshot and tell what it holds."`
}

type saveCmd struct {
	File     string `arg:"" help:"The file to write; it must not exist."`
	URL      string `xor:"from" required:"" placeholder:"URL" help:"A running server, for a superuser: postgres://…"`
	DataDir  string `xor:"from" required:"" placeholder:"DIR" help:"A data directory that no server runs on."`
	logFlags `set:"log_level=info"`
}

func (saveCmd) Help() string {
	return `A running server, in memory or on a directory, goes on meanwhile; the snapshot
is of the moment when it is done. The file appears when it is whole.

Examples:

    howdah snapshot save --url postgres://postgres@127.0.0.1:5432/postgres night.snap
    howdah snapshot save --data-dir ./data before-upgrade.snap
`
}

func (c *saveCmd) Run() error {
	log := c.logger()
	ctx, stop := untilSignal(context.Background())
	defer stop()
	if _, err := os.Lstat(c.File); err == nil {
		return usagef("%s exists already", c.File)
	}
	f, err := os.CreateTemp(filepath.Dir(c.File), ".howdah-*")
	if err != nil {
		return usagef("make the snapshot: %w", err)
	}
	defer os.Remove(f.Name()) // unless it has got its name
	out := bufio.NewWriterSize(f, 1<<20)
	if c.URL != "" {
		report, end := newProgress(log)
		err = backup.SaveURL(ctx, c.URL, out, func(done, total int64) { report("save", done, total) })
		end()
	} else if err = pglite.SaveDir(c.DataDir, out); errors.Is(err, pglite.ErrLocked) {
		err = usagef("%w; save a running server by its --url", err)
	}
	if err == nil {
		err = errors.Join(out.Flush(), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return startError(ctx, c.DataDir, err)
	}
	if err := os.Link(f.Name(), c.File); err != nil { // unlike a rename it replaces nothing
		return err
	}
	info, err := os.Stat(c.File)
	if err != nil {
		return err
	}
	log.Info().Str("file", c.File).Int64("bytes", info.Size()).Msg("saved")
	return nil
}

type loadCmd struct {
	File     string `arg:"" help:"The snapshot."`
	DataDir  string `required:"" placeholder:"DIR" help:"The directory to make; it must not exist or be empty."`
	logFlags `set:"log_level=info"`
}

func (loadCmd) Help() string {
	return `The directory is that of the cluster at the moment of the snapshot, with its
system identifier: a server that starts on it recovers if it has to. Another
artifact's, a damaged or a cut-off snapshot is refused, and leaves nothing.

Examples:

    howdah snapshot load night.snap --data-dir ./restored
    howdah serve --data-dir ./restored
`
}

func (c *loadCmd) Run() error {
	log := c.logger()
	f, err := os.Open(c.File)
	if err != nil {
		return usageError{err}
	}
	defer f.Close()
	info, err := pglite.LoadDir(bufio.NewReaderSize(f, 1<<20), c.DataDir)
	if err != nil {
		return snapshotError(c.File, startError(context.Background(), c.DataDir, err))
	}
	log.Info().Str("data_dir", c.DataDir).Int("files", info.Files).Int64("bytes", info.Bytes).Msg("loaded")
	return nil
}

type inspectCmd struct {
	File string `arg:"" help:"The snapshot."`
}

func (c *inspectCmd) Run() error {
	f, err := os.Open(c.File)
	if err != nil {
		return usageError{err}
	}
	defer f.Close()
	info, err := snapshot.Inspect(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return snapshotError(c.File, err)
	}
	usable := "this version can load it"
	if info.Program != pglite.Program {
		usable = "this version can't load it"
	}
	fmt.Printf("format   %d\nartifact %s (%s)\nfiles    %d in %d folders, %d bytes\nstored   %d bytes, whole\n",
		info.Version, hex.EncodeToString(info.Program[:]), usable, info.Files, info.Folders, info.Bytes, info.Stored)
	return nil
}

// snapshotError says which file is wrong when the snapshot is.
func snapshotError(file string, err error) error {
	for _, wrong := range []error{snapshot.ErrCorrupt, snapshot.ErrFormat, snapshot.ErrProgram} {
		if errors.Is(err, wrong) {
			// What comes before is about where it was to go.
			_, what, _ := strings.Cut(err.Error(), wrong.Error())
			what, _, _ = strings.Cut(what, "\n")
			return usagef("%s: %w%s", file, wrong, what)
		}
	}
	return err
}

// forkCmd serves a copy of a running server.
type forkCmd struct {
	URL string `arg:"" help:"The server, for a superuser: postgres://…"`
	serveCmd
}

func (forkCmd) Help() string {
	return `The copy is of the moment when the last of it has been read. What was not
committed then is not in it, and unlogged tables are empty. Both servers go on
on their own. The flags are those of serve.

Examples:

    howdah fork postgres://postgres@127.0.0.1:5432/postgres --listen 127.0.0.1:5433
`
}

func (c *forkCmd) Run() error { return c.serve(openFork(c.URL)) }

// openFork opens a copy of the server at a URL.
func openFork(url string) openCluster {
	return func(ctx context.Context, o pglite.Options) (*pglite.Cluster, error) {
		r, w := io.Pipe()
		saved := make(chan error, 1)
		go func() {
			err := backup.SaveURL(ctx, url, w, nil)
			saved <- err
			w.CloseWithError(err)
		}()
		image, err := pglite.ReadImage(ctx, r, o)
		r.CloseWithError(err)
		if saveErr := <-saved; saveErr != nil {
			err = saveErr // why the image could not be read
		}
		if err != nil {
			if image != nil {
				err = errors.Join(err, image.Close())
			}
			return nil, err
		}
		defer image.Close()
		return image.Open(ctx, o)
	}
}

// openSnapshot opens a copy of what a file holds.
func openSnapshot(file string) openCluster {
	return func(ctx context.Context, o pglite.Options) (*pglite.Cluster, error) {
		f, err := os.Open(file)
		if err != nil {
			return nil, usagef("--from: %w", err)
		}
		defer f.Close()
		image, err := pglite.ReadImage(ctx, bufio.NewReaderSize(f, 1<<20), o)
		if err != nil {
			return nil, snapshotError(file, err)
		}
		defer image.Close()
		return image.Open(ctx, o)
	}
}
