package pglite

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// durability keeps what Postgres promises on a directory, at the one point
// that every change passes.
//
//  1. A checkpoint is on disk only when all that it covers is: before
//     global/pg_control is written, every file written since its last fsync is
//     synced, and every directory whose entries changed. (Postgres keeps sync
//     requests per backend when there is no checkpointer, so its own are not
//     enough; and it leaves directories to the file system, of which ext4
//     keeps the name of a new file at its fsync, and POSIX promises nothing.)
//  2. The init fork of an unlogged relation has its name before any WAL tells
//     of it. Recovery removes the main forks that have an init fork when it
//     begins, and refuses to start when it finds one in its way at the end.
//  3. After a failed fsync nobody knows what is on disk: the cluster stops. A
//     write that fails with EIO is the same. Running out of space is not: the
//     statement gets ENOSPC, as 53100.
type durability struct {
	ns   *vfs.Namespace
	wal  *walMeter
	took *histogram // by syncs
	stop func(error)
	away func(do func()) // lets other backends run meanwhile

	mu      sync.Mutex
	changes uint64                  // so far
	dirty   marks                   // files
	dirs    marks                   // directories with changed entries
	syncing map[*vfs.Change]syncing // syncs under way
	failed  error
}

// syncing is when a sync began, by the clock and by the changes so far.
type syncing struct {
	clock   int64
	changes uint64
}

// marks say what needs a sync, each with the number of its last change: a sync
// covers what was changed before it began, and others may go on changing.
type marks map[string]uint64

func newDurability(ns *vfs.Namespace, wal *walMeter, took *histogram, stop func(error), away func(func())) *durability {
	return &durability{ns: ns, wal: wal, took: took, stop: stop, away: away, dirty: marks{}, dirs: marks{}, syncing: map[*vfs.Change]syncing{}}
}

const controlFile = guestData + "/global/pg_control"

// volatile tells which files need no fsync: what a restart throws away or makes
// anew.
func volatile(name string) bool {
	rel, ok := strings.CutPrefix(name+"/", guestData+"/")
	if !ok {
		return true
	}
	switch dir, _, _ := strings.Cut(rel, "/"); dir {
	case "pg_stat_tmp", "pg_subtrans", "pg_notify", "postmaster.pid", "postmaster.opts":
		return true
	}
	return strings.Contains(rel, "/pgsql_tmp/") || strings.Contains(rel, "/pg_internal.init")
}

// Before refuses everything once the files are in doubt, and syncs what a
// checkpoint covers.
func (d *durability) Before(c *vfs.Change) error {
	if c.Op == vfs.OpWrite && c.Path == controlFile {
		d.away(d.syncAll) // it may not return, when another backend crashes meanwhile
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed != nil {
		return syscall.EIO
	}
	if c.Op == vfs.OpSync || c.Op == vfs.OpSyncDir {
		d.syncing[c] = syncing{clock(), d.changes}
	}
	return nil
}

// After books what is dirty now.
func (d *durability) After(c *vfs.Change, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	began, isSync := d.syncing[c]
	if isSync {
		delete(d.syncing, c)
		d.took.observe(time.Duration(clock() - began.clock))
	}
	if err != nil {
		if c.Op == vfs.OpSync || c.Op == vfs.OpSyncDir || vfs.Errno(err) == syscall.EIO {
			d.fail(fmt.Errorf("%v %s: %w", c.Op, c.Path, err))
		}
		if c.Op != vfs.OpWrite || c.N == 0 {
			return // nothing of it was done
		}
	}
	if volatile(c.Path) {
		return
	}
	d.wal.wrote(c)
	d.changes++
	switch c.Op {
	case vfs.OpWrite, vfs.OpTruncate, vfs.OpAllocate:
		d.dirty[c.Path] = d.changes
	case vfs.OpSync:
		d.dirty.clear(c.Path, began.changes)
	case vfs.OpSyncDir:
		d.dirs.clear(c.Path, began.changes)
	case vfs.OpCreate, vfs.OpMkdir, vfs.OpSymlink:
		d.entered(path.Dir(c.Path))
		if strings.HasSuffix(c.Path, "_init") {
			d.sync(path.Dir(c.Path), d.dirs, d.ns.SyncDir)
		}
	case vfs.OpUnlink, vfs.OpRmdir:
		delete(d.dirty, c.Path)
		delete(d.dirs, c.Path)
		d.entered(path.Dir(c.Path))
	case vfs.OpLink:
		d.entered(path.Dir(c.To))
		if n, ok := d.dirty[c.Path]; ok {
			d.dirty[c.To] = n
		}
	case vfs.OpRename:
		d.renamed(c.Path, c.To)
	}
}

// clear takes away a mark that no change since has renewed.
func (m marks) clear(name string, upTo uint64) {
	if m[name] <= upTo {
		delete(m, name)
	}
}

// entered marks a directory whose entries have changed.
func (d *durability) entered(dir string) { d.dirs[dir] = d.changes }

// renamed moves the marks of a file, or of all below a directory.
func (d *durability) renamed(from, to string) {
	d.entered(path.Dir(from))
	d.entered(path.Dir(to))
	for _, marks := range [...]marks{d.dirty, d.dirs} {
		delete(marks, to)
		for name, n := range marks {
			if rest, ok := strings.CutPrefix(name, from); ok && (rest == "" || rest[0] == '/') {
				delete(marks, name)
				marks[to+rest] = n
			}
		}
	}
}

// syncAll makes everything durable that has changed so far and is not, in the
// order of names. What is renamed meanwhile takes another round.
func (d *durability) syncAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	upTo := d.changes
	for again := true; again && d.failed == nil; {
		again = false
		for _, name := range d.dirty.upTo(upTo) {
			if name != controlFile { // Postgres syncs it itself, after its write
				again = true
				d.sync(name, d.dirty, func(name string) error { return syncFile(d.ns, name) })
			}
		}
		for _, name := range d.dirs.upTo(upTo) {
			again = true
			d.sync(name, d.dirs, d.ns.SyncDir)
		}
	}
}

// upTo lists the names marked by then.
func (m marks) upTo(n uint64) (names []string) {
	for name, at := range m {
		if at <= n {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// sync syncs one name by do; what is gone needs that no more. The change comes
// back to the observer on the same goroutine, and takes the mark away: mu is
// released meanwhile. REQUIRES: mu.
func (d *durability) sync(name string, marks marks, do func(string) error) {
	if d.failed != nil {
		return
	}
	d.mu.Unlock()
	err := do(name)
	d.mu.Lock()
	switch {
	case vfs.Errno(err) == syscall.ENOENT:
		delete(marks, name)
	case err != nil:
		d.fail(fmt.Errorf("sync %s: %w", name, err))
	}
}

// fail stops the cluster. REQUIRES: mu.
func (d *durability) fail(err error) {
	if d.failed == nil {
		d.failed = err
		d.stop(fmt.Errorf("pglite: the data directory can't be trusted any more, restart to recover: %w", err))
	}
}
