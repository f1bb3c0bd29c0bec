package vfs

// Op names a change that passes an [Observer].
type Op uint8

// The changes. Everything that alters a tree or asks for its durability is
// one of them.
const (
	OpWrite    Op = iota + 1 // Data at Off
	OpTruncate               // to Off bytes, by File.Truncate or Open
	OpAllocate               // [Off, Off+N)
	OpSync                   // of a file, by Sync or Datasync
	OpSyncDir                // of a directory, by SyncDir or File.Sync
	OpCreate                 // a regular file, by Open
	OpMkdir
	OpUnlink
	OpRmdir
	OpRename  // Path to To
	OpLink    // Path to To
	OpSymlink // Path, leading to To
	OpChmod
)

// String is the change in one lower-case word.
func (op Op) String() string {
	if int(op) < len(opNames) && opNames[op] != "" {
		return opNames[op]
	}
	return opNames[0]
}

var opNames = [...]string{
	0: "none", OpWrite: "write", OpTruncate: "truncate", OpAllocate: "allocate",
	OpSync: "sync", OpSyncDir: "syncdir", OpCreate: "create", OpMkdir: "mkdir",
	OpUnlink: "unlink", OpRmdir: "rmdir", OpRename: "rename", OpLink: "link",
	OpSymlink: "symlink", OpChmod: "chmod",
	OpRead: "read", OpOpen: "open", OpStat: "stat", OpReadDir: "readdir",
}

// Change is one change about to happen. Path (and To) are clean names in the
// namespace; Path of an open file is the name it has now, also after a rename
// of the file or of a directory above it, and the last name it had after an
// unlink. A name that leads through a symbolic link is reported as it was
// given.
//
// A Change belongs to the namespace and is used again: neither it nor Data may
// be kept after the call.
type Change struct {
	Op   Op
	Path string
	To   string
	Off  int64
	N    int64 // bytes; in After of an OpWrite those that were written
	Data []byte
}

// Observer sees every change of a [Namespace] on the goroutine that makes it,
// and no lock is held. Before may refuse the change with an error, which the
// guest gets as the errno of its call; After is told how a change went that
// was not refused. Both get the same Change.
//
// An Observer may use the namespace itself (its own changes are observed too,
// so it must know when it is the cause).
type Observer interface {
	Before(c *Change) error
	After(c *Change, err error)
}
