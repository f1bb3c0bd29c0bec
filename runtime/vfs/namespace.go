package vfs

import (
	"io/fs"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
)

// Namespace joins file systems into one tree, as mount(8) does, and shows
// every change of it to an [Observer].
//
// A name belongs to the file system with the longest mount point that is a
// prefix of it. Symbolic links are resolved by the file system they are in and
// so never lead through a mount point. Inode numbers are those of the file
// systems.
type Namespace struct {
	observer atomic.Pointer[Observer]

	// mounts has the longest paths first and the root last. It is replaced,
	// never changed.
	mounts atomic.Pointer[[]mount]

	// names is held while a name and what is open by it may change, so that
	// the two agree; never while an Observer runs.
	names struct {
		sync.Mutex
		open map[string]*openName
	}
}

type mount struct {
	path string // clean
	fs   FS
}

// NewNamespace returns a tree with root at "/".
func NewNamespace(root FS) *Namespace {
	n := &Namespace{}
	n.mounts.Store(&[]mount{{"/", root}})
	n.names.open = map[string]*openName{}
	return n
}

// Mount puts fs at name, whose parent must be a directory. What was there
// before is hidden; files that are open stay with their file system. EBUSY
// when something is mounted at name already.
func (n *Namespace) Mount(name string, fs FS) error {
	name, err := clean(name)
	if err != nil {
		return err
	}
	n.names.Lock()
	defer n.names.Unlock()
	old := *n.mounts.Load()
	if slices.ContainsFunc(old, func(m mount) bool { return m.path == name }) {
		return syscall.EBUSY
	}
	parent, rel := n.at(path.Dir(name))
	info, err := parent.fs.Stat(rel)
	switch {
	case err != nil:
		return err
	case !info.Mode.IsDir():
		return syscall.ENOTDIR
	}
	mounts := append(slices.Clone(old), mount{name, fs})
	slices.SortStableFunc(mounts, func(a, b mount) int { return len(b.path) - len(a.path) })
	n.mounts.Store(&mounts)
	return nil
}

// SetObserver shows every later change to o, nil to nobody. It waits for no
// call that is under way: set it before the tree is used.
func (n *Namespace) SetObserver(o Observer) {
	if o == nil {
		n.observer.Store(nil)
		return
	}
	n.observer.Store(&o)
}

// at finds the file system of a clean name, and the name in there.
func (n *Namespace) at(name string) (mount, string) {
	for _, m := range *n.mounts.Load() {
		if m.path == "/" {
			return m, name
		}
		if within(name, m.path) {
			if len(name) == len(m.path) {
				return m, "/"
			}
			return m, name[len(m.path):]
		}
	}
	panic("vfs: namespace without a root")
}

// pinned reports whether a clean name is a mount point or above one, and so
// can't be moved or removed.
func (n *Namespace) pinned(name string) bool {
	for _, m := range *n.mounts.Load() {
		if within(m.path, name) {
			return true
		}
	}
	return false
}

// changes is a pool of Changes: one on the stack would escape to the observer,
// and one per write is garbage.
var changes = sync.Pool{New: func() any { return new(Change) }}

// change makes a change under the eyes of the observer.
func (n *Namespace) change(c Change, do func() error) error {
	o := n.observer.Load()
	if o == nil {
		return do()
	}
	shown := changes.Get().(*Change)
	*shown = c
	err := (*o).Before(shown)
	if err == nil {
		err = do()
		(*o).After(shown, err)
	}
	*shown = Change{}
	changes.Put(shown)
	return err
}

// Stat implements [FS].
func (n *Namespace) Stat(name string) (Info, error) {
	name, err := clean(name)
	if err != nil {
		return Info{}, err
	}
	m, rel := n.at(name)
	return m.fs.Stat(rel)
}

// Lstat implements [FS].
func (n *Namespace) Lstat(name string) (Info, error) {
	name, err := clean(name)
	if err != nil {
		return Info{}, err
	}
	m, rel := n.at(name)
	return m.fs.Lstat(rel)
}

// Readlink implements [FS].
func (n *Namespace) Readlink(name string) (string, error) {
	name, err := clean(name)
	if err != nil {
		return "", err
	}
	m, rel := n.at(name)
	return m.fs.Readlink(rel)
}

// Statfs reports the root's.
func (n *Namespace) Statfs() (Statfs, error) {
	m, _ := n.at("/")
	return m.fs.Statfs()
}

// Mkdir implements [FS].
func (n *Namespace) Mkdir(name string, perm fs.FileMode) error {
	return n.named(OpMkdir, name, func(fs FS, rel string) error { return fs.Mkdir(rel, perm) })
}

// Chmod implements [FS].
func (n *Namespace) Chmod(name string, perm fs.FileMode) error {
	return n.named(OpChmod, name, func(fs FS, rel string) error { return fs.Chmod(rel, perm) })
}

// SyncDir implements [FS].
func (n *Namespace) SyncDir(name string) error {
	return n.named(OpSyncDir, name, func(fs FS, rel string) error { return fs.SyncDir(rel) })
}

// Symlink implements [FS].
func (n *Namespace) Symlink(target, name string) error {
	name, err := clean(name)
	if err != nil {
		return err
	}
	m, rel := n.at(name)
	return n.change(Change{Op: OpSymlink, Path: name, To: target}, func() error {
		return m.fs.Symlink(target, rel)
	})
}

func (n *Namespace) named(op Op, name string, do func(fs FS, rel string) error) error {
	name, err := clean(name)
	if err != nil {
		return err
	}
	m, rel := n.at(name)
	return n.change(Change{Op: op, Path: name}, func() error { return do(m.fs, rel) })
}

// Unlink implements [FS].
func (n *Namespace) Unlink(name string) error {
	return n.remove(OpUnlink, name, func(fs FS, rel string) error { return fs.Unlink(rel) })
}

// Rmdir implements [FS]; a mount point is EBUSY.
func (n *Namespace) Rmdir(name string) error {
	return n.remove(OpRmdir, name, func(fs FS, rel string) error { return fs.Rmdir(rel) })
}

func (n *Namespace) remove(op Op, name string, do func(fs FS, rel string) error) error {
	name, err := clean(name)
	if err != nil {
		return err
	}
	if n.pinned(name) {
		if op == OpUnlink {
			return syscall.EISDIR
		}
		return syscall.EBUSY
	}
	m, rel := n.at(name)
	return n.change(Change{Op: op, Path: name}, func() error {
		n.names.Lock()
		defer n.names.Unlock()
		if err := do(m.fs, rel); err != nil {
			return err
		}
		n.forget(name)
		return nil
	})
}

// Rename implements [FS]; across file systems it is EXDEV, and EBUSY when a
// mount point would move.
func (n *Namespace) Rename(from, to string) error {
	return n.pair(OpRename, from, to, func(fs FS, from, to string) error { return fs.Rename(from, to) })
}

// Link implements [FS]; across file systems it is EXDEV.
func (n *Namespace) Link(from, to string) error {
	return n.pair(OpLink, from, to, func(fs FS, from, to string) error { return fs.Link(from, to) })
}

func (n *Namespace) pair(op Op, from, to string, do func(fs FS, from, to string) error) error {
	from, err := clean(from)
	if err != nil {
		return err
	}
	to, err = clean(to)
	if err != nil {
		return err
	}
	m, relFrom := n.at(from)
	target, relTo := n.at(to)
	switch {
	case op == OpRename && (n.pinned(from) || n.pinned(to)):
		return syscall.EBUSY
	case m.path != target.path:
		return syscall.EXDEV
	}
	return n.change(Change{Op: op, Path: from, To: to}, func() error {
		n.names.Lock()
		defer n.names.Unlock()
		if op == OpLink {
			return do(m.fs, relFrom, relTo)
		}
		if len(n.names.open) == 0 {
			return do(m.fs, relFrom, relTo)
		}
		same := n.sameFile(m.fs, relFrom, relTo)
		if err := do(m.fs, relFrom, relTo); err != nil {
			return err
		}
		if !same {
			n.moveNames(from, to)
		}
		return nil
	})
}

// sameFile reports whether two names are links to one file: rename(2) does
// nothing then.
func (n *Namespace) sameFile(fs FS, a, b string) bool {
	if a == b {
		return true
	}
	x, err := fs.Lstat(a)
	if err != nil || x.Nlink < 2 || x.Mode.IsDir() {
		return false
	}
	y, err := fs.Lstat(b)
	return err == nil && x.Ino == y.Ino
}
