package vfs

// Op names a change that passes an [Observer].
type Op uint8

// The changes. Everything that alters a tree or asks for its durability is
// one of them.
const (
	OpWrite    Op = iota + 1 // Data at Off
	OpTruncate               // to Off bytes
	OpAllocate               // [Off, Off+N)
	OpSync                   // of a file
	OpSyncDir                // of a directory
	OpCreate                 // a regular file, by Open
	OpMkdir
	OpUnlink
	OpRmdir
	OpRename // Path to To
	OpLink   // Path to To
	OpSymlink
	OpChmod
)

// Change is one change about to happen. Path (and To) are names in the
// namespace; Path of an open file is the name it has now, also after a rename,
// and the last name it had after an unlink.
type Change struct {
	Op   Op
	Path string
	To   string
	Off  int64
	N    int64
	Data []byte // valid during the call only
}

// Observer sees every change of a [Namespace] on the goroutine that makes it.
// Before may refuse the change with an error, which the guest gets as the
// errno of its call; After is told how it went. An Observer may use the
// namespace itself (its own changes are observed too, so it must know when it
// is the cause).
type Observer interface {
	Before(c *Change) error
	After(c *Change, err error)
}
