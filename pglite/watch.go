package pglite

import (
	"fmt"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// Watcher follows the files of a cluster, which is how its WAL is read while it is
// written.
//
// As a vfs.Observer it sees every change after the cluster's own bookkeeping has:
// when After tells it of the sync of a WAL segment, that is on disk. Before may
// refuse that a WAL segment is removed or renamed, which Postgres then tries again
// after its next checkpoint; it should refuse nothing else. Both are called while a
// backend waits, and mostly with the baton held, so they must wait for nothing that
// runs SQL.
type Watcher interface {
	vfs.Observer
	// Files is called while no server runs on the files: before the first one, and
	// again when a cluster in memory has gone back to a mark, and its files are
	// others. dir is the data directory's name among them. durable says that what
	// is written is there after a crash of the machine only when it has been
	// synced; else, in memory, a write is all there is.
	Files(files vfs.FS, dir string, durable bool) error
}

// watched shows changes to the cluster's own observer and to the one from outside.
type watched struct {
	own   vfs.Observer
	guest Watcher
}

func (w *watched) Before(c *vfs.Change) error {
	if err := w.guest.Before(c); err != nil {
		return err
	}
	return w.own.Before(c)
}

func (w *watched) After(c *vfs.Change, err error) {
	w.own.After(c, err)
	w.guest.After(c, err)
}

// observe sets who sees the changes of the files, and shows the files to whoever
// follows them.
func (c *Cluster) observe(own vfs.Observer) error {
	if c.o.Watcher == nil {
		c.ns.SetObserver(own)
		return nil
	}
	if err := c.showFiles(); err != nil {
		return err
	}
	c.ns.SetObserver(&watched{own: own, guest: c.o.Watcher})
	return nil
}

// showFiles tells the Watcher that the files are there. REQUIRES: no server runs.
func (c *Cluster) showFiles() error {
	if c.o.Watcher == nil {
		return nil
	}
	if err := c.o.Watcher.Files(c.ns, guestData, c.dir != nil); err != nil {
		return fmt.Errorf("pglite: follow the files: %w", err)
	}
	return nil
}
