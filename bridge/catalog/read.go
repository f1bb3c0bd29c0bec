package catalog

import (
	"errors"
	"fmt"

	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// Start is where the log of a data directory goes on.
type Start struct {
	// LSN is where recovery will end, and the next record begin.
	LSN         wal.LSN
	SystemID    uint64
	SegmentSize uint32
	Timeline    uint32
	// Prepared are the transactions that wait for COMMIT PREPARED, by their xid, each
	// with what it has changed in the catalogs. What it has changed elsewhere stands
	// in the log before LSN.
	Prepared map[uint32][]Op
	// Running are, if a server runs, those that had changed catalogs and were under
	// way at LSN, subtransactions by themselves; some may be of a server before.
	Running map[uint32][]Op
}

// Read gives the catalogs of a data directory on which no server runs as the next
// server will find them, wherever the last one was stopped. dir is the directory's
// name in files. It writes nothing.
func Read(files vfs.FS, dir string) (*Catalogs, *Start, error) {
	return (&reading{files: files, dir: dir, clog: map[uint32][]byte{}}).all()
}

// ReadRunning is Read while a server runs on the directory: it gives the catalogs as
// they are at some moment meanwhile. Nothing of the log since the last checkpoint may
// be removed until it has returned. What of the log it has read need not be synced.
func ReadRunning(files vfs.FS, dir string) (*Catalogs, *Start, error) {
	return (&reading{files: files, dir: dir, clog: map[uint32][]byte{}, running: true}).all()
}

func (r *reading) all() (*Catalogs, *Start, error) {
	control, err := r.control()
	if err != nil {
		return nil, nil, err
	}
	if err := r.find(); err != nil {
		return nil, nil, err
	}
	known := map[fileName]kind{}
	for {
		c, start, late, err := r.replay(control, known)
		if err != nil {
			return nil, nil, err
		}
		// A file that a catalog has got since the checkpoint may have been recognised
		// only behind its first pages, if what led to it was read from pages that are
		// ahead of the log. Once more, with it followed from the beginning.
		if len(late) > 0 {
			for at, k := range late {
				known[at] = k
			}
			continue
		}
		start.Prepared, start.Running, err = c.settle(r)
		return c, start, errors.Join(err, r.err)
	}
}

// replay goes over the log from the last checkpoint on. late are files that turned
// out to be catalogs' and were not followed from the beginning.
func (r *reading) replay(control control, known map[fileName]kind) (c *Catalogs, start *Start, late map[fileName]kind, err error) {
	r.states, r.prepared, r.multis = map[uint32]state{}, map[uint32][]uint32{}, map[uint32]uint32{}
	r.nextMulti, r.nextMember = control.nextMulti, control.nextMember
	if err := r.twoPhase(); err != nil {
		return nil, nil, nil, err
	}
	c = newCatalogs()
	c.reading, c.xids.older = r, r.state
	for at, k := range known {
		if err := c.follow(at, k); err != nil {
			return nil, nil, nil, err
		}
	}
	if err := r.databases(c.setMap); err != nil {
		return nil, nil, nil, err
	}
	early := map[fileName]bool{}
	for at := range c.files {
		early[at] = true
	}
	if start, err = r.log(control, c); err != nil {
		return nil, nil, nil, err
	}
	r.findUpdaters(c)
	err = c.loadAll()
	late = map[fileName]kind{}
	for at := range c.used() {
		if f := c.files[at]; f != nil && !early[at] {
			late[at] = f.kind
		}
	}
	if len(late) > 0 {
		err = nil // what is missing may be in these
	}
	return c, start, late, err
}

// loadAll makes the rows of all databases.
func (c *Catalogs) loadAll() error {
	if err := c.loadShared(); err != nil {
		return err
	}
	var errs []error
	for oid, g := range c.shared.databases.groups {
		db := c.databases[oid]
		if db == nil {
			errs = append(errs, corrupt("database %d has no files", oid))
			continue
		}
		db.tablespace = g[0].tablespace
		if err := c.load(db); err != nil {
			errs = append(errs, fmt.Errorf("database %d: %w", oid, err))
		}
	}
	return errors.Join(errs...)
}

// settle leaves what only Read needs, and gives what prepared transactions have done,
// and those that are under way.
func (c *Catalogs) settle(r *reading) (ops, running map[uint32][]Op, err error) {
	c.reading, c.xids.older = nil, nil
	c.leaveUnused()
	ops, running = map[uint32][]Op{}, map[uint32][]Op{}
	top := map[uint32]uint32{}
	for xid, subs := range r.prepared {
		ops[xid], top[xid] = nil, xid
		for _, sub := range subs {
			top[sub] = xid
		}
	}
	// Removals come first, as the new row of an update has the old one's key.
	for _, removals := range []bool{true, false} {
		for at, f := range c.files {
			err := f.tuples(func(t *tuple) error {
				xmin, xmax := t.asks()
				for _, xid := range [...]uint32{xmin, xmax} {
					if xid != 0 {
						c.xids.set(xid, r.state(xid))
					}
				}
				by := xmin
				if removals {
					by = xmax
				}
				xid, ok := top[by]
				into := ops
				if !ok && by != 0 && c.xids.state(by) == underWay {
					xid, ok, into = by, xmin != xmax, running
				} else if top[xmin] == top[xmax] {
					ok = false
				}
				if !ok {
					return nil // not its doing, or undone by itself
				}
				row := t.row()
				k, err := keyOf(f.kind, &row)
				if err != nil {
					return err
				}
				o := Op{Database: at.Database, kind: f.kind, remove: removals, key: k}
				if !removals {
					o.tuple = row
				}
				into[xid] = append(into[xid], o)
				return nil
			})
			if err != nil {
				return nil, nil, err
			}
		}
	}
	return ops, running, nil
}
