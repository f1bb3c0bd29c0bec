package pglite

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/howdahdb/howdah/runtime/snapshot"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// Image is the files of a cluster at an instant. Any number of clusters can be
// started from it; those in memory share its blocks until they change them. Its
// methods may be called from any goroutine, Close after all others.
type Image struct {
	engine  *engine
	files   *vfs.Memory // of a cluster that was shut down, or forked
	process *process    // that ran before it was shut down, nil for none
}

// Fork gives an image of a cluster in memory as it is now. A cluster that is
// started from it recovers as from a crash at this moment: what was committed is
// there, what was not is rolled back, and unlogged tables are empty. The cluster
// goes on meanwhile.
func (c *Cluster) Fork(ctx context.Context) (*Image, error) {
	if err := c.inMemory("fork"); err != nil {
		return nil, err
	}
	if _, err := c.asHost(ctx, "checkpoint"); err != nil { // leaves less to recover
		return nil, err
	}
	if err := c.stopped(); err != nil {
		return nil, err
	}
	return &Image{engine: c.engine.retain(), files: c.mem.Clone()}, nil
}

// Freeze closes a cluster in memory, as Close does, and gives an image of what
// it has come to.
func (c *Cluster) Freeze(ctx context.Context) (*Image, error) {
	if err := c.inMemory("freeze"); err != nil {
		return nil, err
	}
	i := &Image{}
	if err := c.shut(ctx, i); err != nil {
		return nil, err
	}
	if i.engine == nil { // it had failed, or was closed before
		return nil, c.stopped()
	}
	return i, nil
}

func (c *Cluster) inMemory(to string) error {
	if c.dir != nil {
		return fmt.Errorf("pglite: %s: the cluster is on the directory %s, not in memory", to, c.dir.path)
	}
	return nil
}

// Open starts a cluster as the package's Open does, but from the image instead
// of initdb: in memory, or in a directory that has no cluster yet. The artifact
// and the extensions are the image's. The system identifier is that of the
// cluster that the image is of.
//
// What Freeze has given starts fastest in memory, with the settings and the
// number of backends that the cluster had: the new one then goes on from where
// that was, and boots nothing.
func (i *Image) Open(ctx context.Context, o Options) (*Cluster, error) {
	return openFrom(ctx, o, i)
}

// Close gives the image's share of the memory back.
func (i *Image) Close() error {
	return errors.Join(i.process.close(), i.files.Close(), i.engine.release())
}

// Write writes the image for ReadImage.
func (i *Image) Write(w io.Writer) error {
	if err := snapshot.Write(w, Program, i.files, guestData, Transient); err != nil {
		return fmt.Errorf("pglite: write image: %w", err)
	}
	return nil
}

// ReadImage reads what Write has written, with the artifact and the extensions
// that o says; the rest of o has no meaning here. The error is
// snapshot.ErrCorrupt, snapshot.ErrFormat or snapshot.ErrProgram for what is no
// image that can be used.
func ReadImage(ctx context.Context, r io.Reader, o Options) (*Image, error) {
	e, err := acquireEngine(ctx, &o, func(e *engine) { _, _ = e.baseFiles(ctx, &o) }) // it fails again in readCluster
	if err != nil {
		return nil, err
	}
	files, err := e.readCluster(ctx, r, &o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("pglite: read image: %w", err), e.release())
	}
	return &Image{engine: e, files: files}, nil
}

// readCluster makes a file tree with the cluster of a snapshot.
func (e *engine) readCluster(ctx context.Context, r io.Reader, o *Options) (*vfs.Memory, error) {
	base, err := e.baseFiles(ctx, o)
	if err != nil {
		return nil, err
	}
	m := base.Clone()
	if err = m.Mkdir(guestData, 0o700); err == nil {
		_, err = snapshot.Read(r, Program, m, guestData)
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Program names the artifact in snapshots.
var Program = func() (p snapshot.Program) {
	if n, err := hex.Decode(p[:], []byte(layoutHash)); err != nil || n != len(p) {
		panic("pglite: layoutHash is no SHA-256")
	}
	return p
}()

// hostFolder is what the host keeps in a data directory beside Postgres' own: it is
// about this cluster, and not a copy's.
const hostFolder = "howdah"

// Transient tells which files of a data directory a copy leaves out, by their
// path from there: those of the server that runs, and what the next one makes
// anew (excludeFiles and excludeDirContents in
// src/backend/backup/basebackup.c).
func Transient(name string) bool {
	switch path.Base(name) {
	case "postmaster.pid", "postmaster.opts", "pg_internal.init":
		return true
	}
	switch top, rest, _ := strings.Cut(name, "/"); top {
	case "pg_stat_tmp", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_subtrans":
		return rest != ""
	case initMarker, lockName, hostFolder:
		return true
	}
	return strings.HasPrefix(path.Base(name), "pgsql_tmp")
}
