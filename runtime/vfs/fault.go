package vfs

import (
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"
)

// Operations that only a [Fault] tells apart: they change nothing, so that no
// [Observer] sees them.
const (
	OpRead Op = iota + 64
	OpOpen
	OpStat // Stat, Lstat, Readlink, Statfs
	OpReadDir
)

// Call is one call that a [Fault] may break.
type Call struct {
	Op   Op
	Path string // for an open file the name it was opened by
	N    int64  // how many calls with this Op came so far, this one included
	Off  int64  // of a read, write, allocation; the size of a truncation
	Len  int64  // bytes to read, write or allocate
}

// Break says what becomes of a call. The zero Break lets it through.
type Break struct {
	Err error // what the call returns instead of doing anything
	// Short is how many bytes of a write are written before Err is returned.
	Short int64
}

// Rule decides about a call. A Fault asks one at a time.
type Rule func(Call) Break

// Fault is a file system that breaks calls to another one on purpose, for
// tests. Without a rule it only passes on.
type Fault struct {
	fs FS

	broken atomic.Int64
	mu     struct {
		sync.Mutex
		rule  Rule
		calls map[Op]int64
	}
}

// NewFault wraps fs.
func NewFault(fs FS) *Fault {
	f := &Fault{fs: fs}
	f.mu.calls = map[Op]int64{}
	return f
}

// SetRule sets the rule for all later calls, nil for none, and starts their
// count anew.
func (f *Fault) SetRule(rule Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.rule = rule
	clear(f.mu.calls)
}

// Broken is the number of calls that were broken so far.
func (f *Fault) Broken() int64 { return f.broken.Load() }

// FailNth breaks the n-th call of op and lets all others through.
func FailNth(op Op, n int64, err error) Rule {
	return func(c Call) Break {
		if c.Op == op && c.N == n {
			return Break{Err: err}
		}
		return Break{}
	}
}

// FailPath breaks every call of op on a name that match accepts.
func FailPath(op Op, match func(path string) bool, err error) Rule {
	return func(c Call) Break {
		if c.Op == op && match(c.Path) {
			return Break{Err: err}
		}
		return Break{}
	}
}

// FullAfter lets bytes be written or allocated, whether or not the file grows
// by them, and then breaks writes with ENOSPC; the write at the border is
// short.
func FullAfter(bytes int64) Rule {
	return func(c Call) Break {
		if c.Op != OpWrite && c.Op != OpAllocate {
			return Break{}
		}
		if c.Len <= bytes {
			bytes -= c.Len
			return Break{}
		}
		short := bytes
		if c.Op == OpWrite {
			bytes = 0
		}
		return Break{Err: syscall.ENOSPC, Short: short}
	}
}

func (f *Fault) ask(op Op, path string, off, length int64) Break {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.rule == nil {
		return Break{}
	}
	f.mu.calls[op]++
	b := f.mu.rule(Call{op, path, f.mu.calls[op], off, length})
	if b.Err != nil {
		f.broken.Add(1)
	}
	return b
}

// on asks about a call without bytes.
func (f *Fault) on(op Op, name string) error {
	if path, err := clean(name); err == nil {
		name = path
	}
	return f.ask(op, name, 0, 0).Err
}

// Open implements [FS]. The call is an OpCreate when the file does not exist,
// else an OpTruncate when it asks for that, else an OpOpen.
func (f *Fault) Open(name string, flag int, perm fs.FileMode) (File, error) {
	op := OpOpen
	if flag&(Create|Truncate) != 0 {
		_, err := f.fs.Stat(name)
		switch {
		case flag&Create != 0 && Errno(err) == syscall.ENOENT:
			op = OpCreate
		case flag&Truncate != 0 && err == nil:
			op = OpTruncate
		}
	}
	if err := f.on(op, name); err != nil {
		return nil, err
	}
	file, err := f.fs.Open(name, flag, perm)
	if err != nil {
		return nil, err
	}
	name, _ = clean(name) // good, the file is open
	return &faultFile{file, f, name}, nil
}

// Stat implements [FS].
func (f *Fault) Stat(name string) (Info, error) {
	if err := f.on(OpStat, name); err != nil {
		return Info{}, err
	}
	return f.fs.Stat(name)
}

// Lstat implements [FS].
func (f *Fault) Lstat(name string) (Info, error) {
	if err := f.on(OpStat, name); err != nil {
		return Info{}, err
	}
	return f.fs.Lstat(name)
}

// Readlink implements [FS].
func (f *Fault) Readlink(name string) (string, error) {
	if err := f.on(OpStat, name); err != nil {
		return "", err
	}
	return f.fs.Readlink(name)
}

// Statfs implements [FS].
func (f *Fault) Statfs() (Statfs, error) {
	if err := f.on(OpStat, "/"); err != nil {
		return Statfs{}, err
	}
	return f.fs.Statfs()
}

// Mkdir implements [FS].
func (f *Fault) Mkdir(name string, perm fs.FileMode) error {
	if err := f.on(OpMkdir, name); err != nil {
		return err
	}
	return f.fs.Mkdir(name, perm)
}

// Unlink implements [FS].
func (f *Fault) Unlink(name string) error {
	if err := f.on(OpUnlink, name); err != nil {
		return err
	}
	return f.fs.Unlink(name)
}

// Rmdir implements [FS].
func (f *Fault) Rmdir(name string) error {
	if err := f.on(OpRmdir, name); err != nil {
		return err
	}
	return f.fs.Rmdir(name)
}

// Rename implements [FS]. A rule is asked about the old name.
func (f *Fault) Rename(from, to string) error {
	if err := f.on(OpRename, from); err != nil {
		return err
	}
	return f.fs.Rename(from, to)
}

// Link implements [FS]. A rule is asked about the old name.
func (f *Fault) Link(from, to string) error {
	if err := f.on(OpLink, from); err != nil {
		return err
	}
	return f.fs.Link(from, to)
}

// Symlink implements [FS].
func (f *Fault) Symlink(target, name string) error {
	if err := f.on(OpSymlink, name); err != nil {
		return err
	}
	return f.fs.Symlink(target, name)
}

// Chmod implements [FS].
func (f *Fault) Chmod(name string, perm fs.FileMode) error {
	if err := f.on(OpChmod, name); err != nil {
		return err
	}
	return f.fs.Chmod(name, perm)
}

// SyncDir implements [FS].
func (f *Fault) SyncDir(name string) error {
	if err := f.on(OpSyncDir, name); err != nil {
		return err
	}
	return f.fs.SyncDir(name)
}

type faultFile struct {
	File
	fault *Fault
	name  string
}

func (f *faultFile) ReadAt(p []byte, off int64) (int, error) {
	if b := f.fault.ask(OpRead, f.name, off, int64(len(p))); b.Err != nil {
		return 0, b.Err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultFile) WriteAt(p []byte, off int64) (int, error) {
	b := f.fault.ask(OpWrite, f.name, off, int64(len(p)))
	if b.Err == nil {
		return f.File.WriteAt(p, off)
	}
	n, err := f.File.WriteAt(p[:min(b.Short, int64(len(p)))], off)
	if err != nil {
		return n, err
	}
	return n, b.Err
}

func (f *faultFile) Truncate(size int64) error {
	if b := f.fault.ask(OpTruncate, f.name, size, 0); b.Err != nil {
		return b.Err
	}
	return f.File.Truncate(size)
}

func (f *faultFile) Allocate(off, n int64) error {
	if b := f.fault.ask(OpAllocate, f.name, off, n); b.Err != nil {
		return b.Err
	}
	return f.File.Allocate(off, n)
}

func (f *faultFile) Sync() error { return f.sync(f.File.Sync) }

func (f *faultFile) Datasync() error { return f.sync(f.File.Datasync) }

func (f *faultFile) sync(do func() error) error {
	op := OpSync
	if info, err := f.File.Stat(); err == nil && info.Mode.IsDir() {
		op = OpSyncDir
	}
	if b := f.fault.ask(op, f.name, 0, 0); b.Err != nil {
		return b.Err
	}
	return do()
}

func (f *faultFile) Stat() (Info, error) {
	if b := f.fault.ask(OpStat, f.name, 0, 0); b.Err != nil {
		return Info{}, b.Err
	}
	return f.File.Stat()
}

func (f *faultFile) Chmod(perm fs.FileMode) error {
	if b := f.fault.ask(OpChmod, f.name, 0, 0); b.Err != nil {
		return b.Err
	}
	return f.File.Chmod(perm)
}

func (f *faultFile) ReadDir() ([]Entry, error) {
	if b := f.fault.ask(OpReadDir, f.name, 0, 0); b.Err != nil {
		return nil, b.Err
	}
	return f.File.ReadDir()
}
