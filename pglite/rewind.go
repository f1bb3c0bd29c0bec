package pglite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// Going back to a mark ends the server as a crash does, but at a moment when no
// guest runs, and puts the mark's files in the place of the cluster's before the
// next server may start:
//
//  1. The host takes the baton and kills the server: from here on nobody runs,
//     nobody is answered, and who connects waits for the next server.
//  2. Sessions are told 57P01, backends go.
//  3. When nothing is left of the server, all files become those of the mark at
//     one instant (vfs.Memory.Become), and the next backend recovers from them.
//
// Whatever fails before the third step leaves a cluster that has crashed, and
// after it one that crashed when the mark was taken; there is nothing between
// the two.

// rewound is what backends are ended with. Who tries again after a crash does so
// after this, too.
type rewound struct{ mark string }

func (r rewound) Error() string {
	return fmt.Sprintf("pglite: the cluster goes back to the mark %q", r.mark)
}
func (rewound) Is(target error) bool { return target == errCrashed }

// farewell is what sessions are told.
func (r rewound) farewell() *Error {
	e := adminShutdown()
	e.Detail = fmt.Sprintf("The cluster goes back to the mark %q.", r.mark)
	return e
}

// Rewind goes back to a mark. All sessions end with FATAL 57P01, and what has
// happened since is gone, but for the marks. Clients may connect again as soon as
// they are told, and wait until the cluster is there. Rewind returns when it
// answers; when ctx ends before, it goes back all the same, before any that is
// begun later.
func (c *Cluster) Rewind(ctx context.Context, name string) error {
	done := make(chan error, 1)
	if err := c.startRewind(name, func(err error) { done <- err }); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// startRewind has a goroutine of the cluster's go back, and tells then how it
// went. It waits for nothing.
func (c *Cluster) startRewind(name string, then func(error)) error {
	if err := cmp.Or(c.marksHere(), c.stopped()); err != nil {
		return err
	}
	to, err := c.marks.files(name)
	if err != nil {
		return err
	}
	return c.marks.begin(func(before <-chan struct{}, after chan<- struct{}) {
		c.owned.Go(func() {
			<-before
			was, err := c.rewind(name, to)
			close(after)
			then(err)
			err = to.Close()
			if was != nil { // it is large, and nobody waits for it
				err = errors.Join(err, was.Close())
			}
			if err != nil {
				c.log.Error().Err(err).Msg("closing what was before a mark")
			}
		})
	})
}

// rewind ends the present server, whichever that is, and has the next one start
// from to. It gives what the files were, nil when nothing has come of it.
// REQUIRES: nobody else goes back.
func (c *Cluster) rewind(name string, to *vfs.Memory) (was *vfs.Memory, err error) {
	began := time.Now()
	reason := rewound{name}
	cut := func() { was, err = c.cut(to) }
	for again := true; again; {
		s, first := c.serverNow()
		if first { // nobody has started one after a crash: this one never will
			s.kill(reason)
			close(s.up)
		}
		<-s.up
		if again = !s.beforeBurial(cut); !again && s.seize(reason) {
			c.dismissAll(reason)
		}
		s.drop()
	}
	if err != nil {
		return nil, fmt.Errorf("pglite: go back to the mark %q: %w", name, err)
	}
	if _, err := c.asHost(context.Background(), "select 1"); err != nil {
		return was, fmt.Errorf("pglite: start from the mark %q: %w", name, err)
	}
	c.log.Info().Str("mark", name).Dur("took", time.Since(began)).Msg("went back")
	return was, nil
}

// dismissAll ends all sessions, those in the middle of nothing at once. One whose
// message comes meanwhile is ended by that.
func (c *Cluster) dismissAll(reason rewound) {
	farewell := reason.farewell().encode()
	for _, x := range c.all() {
		x.terminate()
		c.owned.Go(func() { x.hangUp(farewell) }) // a client may be slow to take it
	}
}

// cut puts the files of a mark in the place of the cluster's: the history of its
// WAL ends here and goes on from where the mark was taken, with the same timeline
// and LSNs that were there already. It runs between two servers, when nothing is
// written, and so the Watcher is told of it here.
func (c *Cluster) cut(to *vfs.Memory) (was *vfs.Memory, err error) {
	if was, err = c.mem.Become(to); err != nil {
		return nil, err
	}
	c.wal.cut()
	c.counters.rewinds.Add(1)
	return was, c.showFiles()
}
