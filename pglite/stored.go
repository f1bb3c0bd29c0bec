package pglite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/runtime/snapshot"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// stored is what the cache has of the process of a new cluster: in a file that is
// mapped, so that a start reads what it uses. The first start makes it, out of a
// cluster that has booted.
type stored struct {
	sync.Mutex
	process *process // nil: not open
	none    bool     // there is none to be had

	// What readStored has found.
	file  *os.File
	form  *snapshot.Mapped
	files *vfs.Memory
	err   error // fs.ErrNotExist when there is none
}

// storedName names the process in the cache, by all that it depends on.
var storedName = fmt.Sprintf("process %s %x", snapshot.MappedVersion, storedKey())

// readStored reads the cache's file to its end, for its checksum.
func (e *engine) readStored(o *Options) {
	defer o.step("image of a new server")()
	s := &e.stored
	if s.files != nil { // of an image that could not be used
		_ = s.files.Close()
		s.files = nil
	}
	f, data, err := e.artifact.MapKept(storedName)
	if err == nil {
		s.form, err = snapshot.OpenMapped(data, Program, storedKey())
	}
	if err == nil {
		s.files, err = s.form.Files()
	}
	s.file, s.err = f, err
}

// storedProcess is the process that a new cluster of these options goes on from,
// nil if it is to boot. It is the engine's. The error is that of ctx.
func (e *engine) storedProcess(ctx context.Context, o *Options) (*process, error) {
	if !o.likeStored() || e.artifact.CompileCache() == "" {
		return nil, nil
	}
	s := &e.stored
	s.Lock()
	defer s.Unlock()
	if s.process != nil || s.none {
		return s.process, nil
	}
	err := e.openStored(o)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			o.Logger.Warn().Err(err).Msg("the image of a new server in the cache can't be used; it is made again")
		}
		if err = e.makeStored(ctx, o); err == nil {
			e.readStored(o)
			err = e.openStored(o)
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		s.none = true
		o.Logger.Warn().Err(err).Msg("no image of a new server can be had; it boots")
	}
	return s.process, nil
}

// openStored makes the process of what readStored has found. REQUIRES: stored.
func (e *engine) openStored(o *Options) (err error) {
	s := &e.stored
	switch {
	case s.err != nil:
		return s.err
	case s.form == nil: // the engine was made for another cluster
		e.readStored(o)
		if s.err != nil {
			return s.err
		}
	}
	s.process, err = openProcess(e.backend, s.file, s.form, s.files)
	return err
}

// makeStored boots a cluster and keeps its process.
func (e *engine) makeStored(ctx context.Context, o *Options) error {
	c, err := open(ctx, Options{
		Artifact: o.Artifact, CacheDir: o.CacheDir, Progress: o.Progress, Trace: o.Trace,
		Logger:         o.Logger.Level(max(o.Logger.GetLevel(), zerolog.WarnLevel)), // its checkpoints are nobody's business
		NoHousekeeping: true, booted: true,
	}, nil, nil)
	if err != nil {
		return err
	}
	defer o.step("make an image")()
	i, err := c.Freeze(ctx)
	if err != nil {
		return err
	}
	if i.process == nil {
		err = errors.New("pglite: the server could not be frozen")
	}
	var data []byte
	if err == nil {
		data, err = i.process.store()
	}
	if err == nil {
		err = e.artifact.Keep(storedName, data)
	}
	return errors.Join(err, i.Close())
}
