package vfs

import (
	"io/fs"
	"path"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/howdahdb/howdah/runtime/linear"
)

// openName is the name that files were opened by. All files opened by one name
// while it led to the same file share it.
type openName struct {
	now  atomic.Pointer[string] // read without a lock by every write
	refs int                    // open files; guarded by Namespace.names
}

// hold returns the openName of a clean name. REQUIRES: n.names.
func (n *Namespace) hold(name string) *openName {
	on := n.names.open[name]
	if on == nil {
		on = &openName{}
		on.now.Store(&name)
		n.names.open[name] = on
	}
	on.refs++
	return on
}

// forget is called when name leads nowhere or elsewhere from now on. Files
// opened by it keep it as their last name. REQUIRES: n.names.
func (n *Namespace) forget(name string) { delete(n.names.open, name) }

// moveNames follows a rename, of a file or of a directory above open ones.
// REQUIRES: n.names.
func (n *Namespace) moveNames(from, to string) {
	n.forget(to) // replaced
	moved := map[string]*openName{}
	for name, on := range n.names.open {
		if within(name, from) {
			delete(n.names.open, name)
			moved[to+name[len(from):]] = on
		}
	}
	for name, on := range moved {
		on.now.Store(&name)
		n.names.open[name] = on
	}
}

// Open implements [FS].
func (n *Namespace) Open(name string, flag int, perm fs.FileMode) (File, error) {
	name, err := clean(name)
	if err != nil {
		return nil, err
	}
	m, rel := n.at(name)
	if flag&(Create|Truncate) == 0 || n.observer.Load() == nil {
		return n.open(m, name, rel, flag, perm)
	}
	// What Open will change must be known before it does. A file made or
	// removed by someone else in between makes another round.
	for {
		info, err := m.fs.Stat(rel)
		c := Change{Path: name}
		now := flag
		switch {
		case err == nil:
			if flag&(Create|Exclusive) == Create|Exclusive {
				return nil, syscall.EEXIST
			}
			if flag&Truncate != 0 && info.Mode.IsRegular() {
				c.Op = OpTruncate
			}
			if info.Mode.IsRegular() {
				now &^= Create
			}
		case Errno(err) == syscall.ENOENT && flag&Create != 0:
			c.Op = OpCreate
		}
		var f File
		if c.Op == 0 {
			f, err = n.open(m, name, rel, now, perm)
		} else {
			err = n.change(c, func() (err error) {
				f, err = n.open(m, name, rel, now, perm)
				return err
			})
		}
		if now != flag && Errno(err) == syscall.ENOENT {
			continue
		}
		return f, err
	}
}

func (n *Namespace) open(m mount, name, rel string, flag int, perm fs.FileMode) (File, error) {
	n.names.Lock()
	defer n.names.Unlock()
	f, err := m.fs.Open(rel, flag, perm)
	if err != nil {
		return nil, err
	}
	return &namespaceFile{File: f, ns: n, name: n.hold(name)}, nil
}

// namespaceFile shows the changes of an open file to the observer. Reads go
// straight through.
type namespaceFile struct {
	File
	ns     *Namespace
	name   *openName
	closed atomic.Bool
}

func (f *namespaceFile) path() string { return *f.name.now.Load() }

// Segment implements [Segmented] for files that do.
func (f *namespaceFile) Segment() (*linear.Segment, error) {
	if s, ok := f.File.(Segmented); ok {
		return s.Segment()
	}
	return nil, syscall.ENOTSUP
}

// WriteAt is [Namespace.change] written out: a closure would be garbage per
// write.
func (f *namespaceFile) WriteAt(p []byte, off int64) (int, error) {
	o := f.ns.observer.Load()
	if o == nil {
		return f.File.WriteAt(p, off)
	}
	c := changes.Get().(*Change)
	*c = Change{Op: OpWrite, Path: f.path(), Off: off, N: int64(len(p)), Data: p}
	err := (*o).Before(c)
	var n int
	if err == nil {
		n, err = f.File.WriteAt(p, off)
		c.N = int64(n)
		(*o).After(c, err)
	}
	*c = Change{}
	changes.Put(c)
	return n, err
}

func (f *namespaceFile) Truncate(size int64) error {
	c := Change{Op: OpTruncate, Path: f.path(), Off: size}
	return f.ns.change(c, func() error { return f.File.Truncate(size) })
}

func (f *namespaceFile) Allocate(off, length int64) error {
	c := Change{Op: OpAllocate, Path: f.path(), Off: off, N: length}
	return f.ns.change(c, func() error { return f.File.Allocate(off, length) })
}

func (f *namespaceFile) Sync() error { return f.sync(f.File.Sync) }

func (f *namespaceFile) Datasync() error { return f.sync(f.File.Datasync) }

func (f *namespaceFile) sync(do func() error) error {
	if f.ns.observer.Load() == nil {
		return do()
	}
	c := Change{Op: OpSync, Path: f.path()}
	if info, err := f.File.Stat(); err == nil && info.Mode.IsDir() {
		c.Op = OpSyncDir
	}
	return f.ns.change(c, do)
}

func (f *namespaceFile) Chmod(perm fs.FileMode) error {
	c := Change{Op: OpChmod, Path: f.path()}
	return f.ns.change(c, func() error { return f.File.Chmod(perm) })
}

// ReadDir adds the mount points that are not directories of their parent.
func (f *namespaceFile) ReadDir() ([]Entry, error) {
	list, err := f.File.ReadDir()
	if err != nil {
		return nil, err
	}
	here := f.path()
	for _, m := range *f.ns.mounts.Load() {
		if m.path == "/" || path.Dir(m.path) != here {
			continue
		}
		info, err := m.fs.Stat("/")
		if err != nil {
			return nil, err
		}
		name := m.path[strings.LastIndexByte(m.path, '/')+1:]
		e := Entry{Name: name, Ino: info.Ino, Type: info.Mode.Type()}
		if i := indexEntry(list, name); i >= 0 {
			list[i] = e
			continue
		}
		list = append(list, e)
	}
	sortEntries(list)
	return list, nil
}

func indexEntry(list []Entry, name string) int {
	for i := range list {
		if list[i].Name == name {
			return i
		}
	}
	return -1
}

func (f *namespaceFile) Close() error {
	if f.closed.Swap(true) {
		return syscall.EBADF
	}
	f.ns.names.Lock()
	f.name.refs--
	if now := f.path(); f.name.refs == 0 && f.ns.names.open[now] == f.name {
		f.ns.forget(now)
	}
	f.ns.names.Unlock()
	return f.File.Close()
}
