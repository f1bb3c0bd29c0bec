package vfs

import (
	"math/rand/v2"
	"path"
	"sync"
)

// CrashOptions choose what kind of disk a [Crash] is.
type CrashOptions struct {
	// SyncEntry makes Sync of a file also make the name that the file has
	// durable, and those of new directories above it. POSIX promises nothing
	// of the kind; ext4, XFS and btrfs do it for a file that is new.
	SyncEntry bool

	// WriteBack is how many bytes of changes may wait for a Sync before the
	// disk takes the oldest file's on its own, as a kernel does. 0 is 64 MiB.
	WriteBack int64
}

// Crash is a [Memory] with a disk below it that keeps only what was synced,
// for power cuts in tests. [Crash.CrashClone] gives the tree as it stands when
// the machine comes up again; the Crash itself goes on.
//
// What the disk keeps (after CrashClone of pebble's vfs.MemFS, SQLite's
// "atomic commit" assumptions and the ALICE study of file systems, OSDI 2014):
//
//   - Contents and size of a file as they were at its last Sync. Of every
//     write since, each 512-byte sector survives or not; a truncation or
//     allocation survives or not; what survives is applied in its order.
//     The file reaches to its last surviving sector, and lost ones before that
//     read as before.
//   - Names of a directory as they were at its last sync (SyncDir, or Sync of
//     the open directory). Of the changes since, those up to some point
//     survive: a prefix per directory. A rename is one change, also between
//     two directories. A file whose name survives without its contents is
//     empty or torn, one whose contents survive without a name is lost.
//   - Permissions, and the targets of symbolic links, at once.
//
// All methods may be called from any goroutine; a cut sees the changes that
// were made before it on any of them.
type Crash struct {
	*Memory
	journal *journal
}

// SyncCall is one call that asks for durability.
type SyncCall struct {
	N    int64  // counted from 1, those that were dropped included
	Path string // a name that the file or directory has now, "" for none
	Dir  bool
}

// NewCrash takes m over, with all that is in there durable.
func NewCrash(m *Memory, o CrashOptions) *Crash {
	if o.WriteBack == 0 {
		o.WriteBack = 64 << 20
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.journal = newJournal(m, o)
	return &Crash{m, m.journal}
}

// Syncs is the number of calls of Sync, Datasync and SyncDir so far, those that
// were dropped included.
func (c *Crash) Syncs() int64 {
	c.journal.mu.Lock()
	defer c.journal.mu.Unlock()
	return c.journal.drops.seen
}

// Dropped is the number of syncs that were dropped.
func (c *Crash) Dropped() int64 {
	c.journal.mu.Lock()
	defer c.journal.mu.Unlock()
	return c.journal.drops.dropped
}

// DropSync drops the n-th sync: it reports success and makes nothing durable.
func (c *Crash) DropSync(n int64) {
	c.DropSyncs(func(s SyncCall) bool { return s.N == n })
}

// DropSyncs drops every sync that match accepts, nil drops none. It replaces
// what was asked for before. match runs under locks: it must not use the file
// system.
func (c *Crash) DropSyncs(match func(SyncCall) bool) {
	c.journal.mu.Lock()
	defer c.journal.mu.Unlock()
	c.journal.drops.match = match
}

// CrashClone returns what the disk holds after a power cut at this moment. The
// same state and random numbers give the same tree. The clone is closed on its
// own.
func (c *Crash) CrashClone(rng *rand.Rand) *Memory {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.journal.mu.Lock()
	defer c.journal.mu.Unlock()
	return c.journal.cut(rng)
}

// Close closes the file system and its disk.
func (c *Crash) Close() error {
	err := c.Memory.Close()
	if err == nil {
		err = c.journal.disk.Close()
	}
	return err
}

// drops counts and drops syncs.
type drops struct {
	seen    int64
	dropped int64
	match   func(SyncCall) bool
}

// journal is the disk below a Crash and the changes that are not on it yet.
// The Memory calls it for every change, holding its own locks.
//
// An inode is on the disk from its creation, empty and without a name, until
// nothing can bring it back: it is not in the live tree, no name on the disk
// leads to it, and no change of a name that is not on the disk yet does.
type journal struct {
	live      *Memory
	syncEntry bool
	writeBack int64

	mu    sync.Mutex
	disk  *Memory // nlink of its inodes counts names only
	drops drops
	files map[uint64]*fileJournal
	bytes int64 // in files
	dirs  map[uint64][]*entryChange
	adds  map[uint64]int    // changes in dirs that give this inode a name
	home  map[uint64]uint64 // directory where an inode got its latest name
	seq   uint64
}

func newJournal(live *Memory, o CrashOptions) *journal {
	j := &journal{
		live:      live,
		syncEntry: o.SyncEntry,
		writeBack: o.WriteBack,
		files:     map[uint64]*fileJournal{},
		dirs:      map[uint64][]*entryChange{},
		adds:      map[uint64]int{},
		home:      map[uint64]uint64{},
	}
	j.disk = live.clone(true)
	j.disk.limit = 0 // the live tree has the limit
	for _, n := range j.disk.inodes {
		n.nlink = 0
	}
	for _, n := range j.disk.inodes {
		if n.dir != nil {
			for _, ino := range n.dir.entries {
				j.disk.inodes[ino].nlink++
			}
		}
	}
	return j
}

// sync makes an inode durable, unless the call is one to drop. REQUIRES:
// live.mu for reading.
func (j *journal) sync(n *inode) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.drops.seen++
	if j.drops.match != nil {
		call := SyncCall{N: j.drops.seen, Path: j.path(n), Dir: n.dir != nil}
		if j.drops.match(call) {
			j.drops.dropped++
			return
		}
	}
	if n.dir != nil {
		j.flushDir(n.ino, nil)
		return
	}
	j.store(n)
	if j.syncEntry {
		for ino := n.ino; ino != 0; ino = j.home[ino] {
			j.flushNames(ino)
		}
	}
}

// path finds a name of a live inode.
func (j *journal) path(n *inode) string {
	if n == j.live.root {
		return "/"
	}
	for _, dir := range j.live.inodes {
		if dir.dir == nil || n.dir != nil && n.parent != dir.ino {
			continue
		}
		for name, ino := range dir.dir.entries {
			if ino == n.ino {
				return path.Join(j.path(dir), name)
			}
		}
	}
	return ""
}
