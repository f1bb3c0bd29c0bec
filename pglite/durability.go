package pglite

import (
	"fmt"
	"path"
	"strings"
	"sync"
	"syscall"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// durability keeps what Postgres promises on a directory, at the one point
// that every change passes.
//
//  1. A checkpoint is on disk only when all that it covers is: before
//     global/pg_control is written, every file written since its last fsync is
//     synced, and every directory whose entries changed. (Postgres keeps sync
//     requests per backend when there is no checkpointer, so its own are not
//     enough; facts of the directory itself it leaves to the kernel.)
//  2. After a failed fsync nobody knows what is on disk: the cluster stops. A
//     write that fails with EIO is the same. Running out of space is not: the
//     statement gets ENOSPC, as 53100.
type durability struct {
	ns   *vfs.Namespace
	stop func(error)

	mu      sync.Mutex
	dirty   map[string]bool // files
	dirs    map[string]bool // directories with changed entries
	syncing bool            // the changes seen now are our own
	failed  error
}

func newDurability(ns *vfs.Namespace, stop func(error)) *durability {
	return &durability{ns: ns, stop: stop, dirty: map[string]bool{}, dirs: map[string]bool{}}
}

const controlFile = guestData + "/global/pg_control"

// volatile tells which files need no fsync: what a restart throws away.
func volatile(name string) bool {
	return !strings.HasPrefix(name, guestData+"/") ||
		strings.Contains(name, "/pgsql_tmp/") ||
		strings.HasPrefix(name, guestData+"/pg_stat_tmp/")
}

// Before refuses everything once the files are in doubt, and syncs what a
// checkpoint covers.
func (d *durability) Before(c *vfs.Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed != nil {
		return syscall.EIO
	}
	if d.syncing {
		return nil
	}
	if c.Op == vfs.OpWrite && c.Path == controlFile {
		if err := d.syncAll(); err != nil {
			d.fail(err)
			return syscall.EIO
		}
	}
	return nil
}

// After books what is dirty now.
func (d *durability) After(c *vfs.Change, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		if c.Op == vfs.OpSync || c.Op == vfs.OpSyncDir || vfs.Errno(err) == syscall.EIO {
			d.fail(fmt.Errorf("%s: %w", c.Path, err))
		}
		return
	}
	if d.syncing || volatile(c.Path) {
		return
	}
	switch c.Op {
	case vfs.OpWrite, vfs.OpTruncate, vfs.OpAllocate:
		d.dirty[c.Path] = true
	case vfs.OpSync:
		delete(d.dirty, c.Path)
	case vfs.OpSyncDir:
		delete(d.dirs, c.Path)
	case vfs.OpCreate, vfs.OpMkdir, vfs.OpSymlink:
		d.dirs[path.Dir(c.Path)] = true
	case vfs.OpUnlink, vfs.OpRmdir:
		delete(d.dirty, c.Path)
		delete(d.dirs, c.Path)
		d.dirs[path.Dir(c.Path)] = true
	case vfs.OpLink:
		d.dirs[path.Dir(c.To)] = true
		if d.dirty[c.Path] {
			d.dirty[c.To] = true
		}
	case vfs.OpRename:
		d.renamed(c.Path, c.To)
	}
}

// renamed moves the marks of a file, or of all below a directory.
func (d *durability) renamed(from, to string) {
	d.dirs[path.Dir(from)], d.dirs[path.Dir(to)] = true, true
	for _, marks := range [...]map[string]bool{d.dirty, d.dirs} {
		delete(marks, to)
		for name := range marks {
			if rest, ok := strings.CutPrefix(name, from); ok && (rest == "" || rest[0] == '/') {
				delete(marks, name)
				marks[to+rest] = true
			}
		}
	}
}

// syncAll makes everything durable that is not. REQUIRES: mu, which is
// released while it works: the changes it causes come back to the observer on
// the same goroutine.
func (d *durability) syncAll() error {
	files, dirs := d.dirty, d.dirs
	d.dirty, d.dirs = map[string]bool{}, map[string]bool{}
	d.syncing = true
	d.mu.Unlock()
	err := syncNames(d.ns, files, dirs)
	d.mu.Lock()
	d.syncing = false
	return err
}

func syncNames(ns *vfs.Namespace, files, dirs map[string]bool) error {
	for name := range files {
		if name == controlFile {
			continue // Postgres syncs it itself, after its write
		}
		f, err := ns.Open(name, vfs.ReadWrite, 0)
		if vfs.Errno(err) == syscall.ENOENT {
			continue
		}
		if err == nil {
			err = f.Sync()
			if cerr := f.Close(); err == nil {
				err = cerr
			}
		}
		if err != nil {
			return fmt.Errorf("sync %s: %w", name, err)
		}
	}
	for name := range dirs {
		if err := ns.SyncDir(name); err != nil && vfs.Errno(err) != syscall.ENOENT {
			return fmt.Errorf("sync directory %s: %w", name, err)
		}
	}
	return nil
}

// fail stops the cluster. REQUIRES: mu.
func (d *durability) fail(err error) {
	if d.failed == nil {
		d.failed = err
		d.stop(fmt.Errorf("pglite: the data directory can't be trusted any more, restart to recover: %w", err))
	}
}
