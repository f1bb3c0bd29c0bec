package wal

import "fmt"

// RM is a resource manager: the part of Postgres that a record belongs to
// (src/include/access/rmgrlist.h).
type RM uint8

const (
	XLOG RM = iota
	Transaction
	Storage
	CLOG
	Database
	Tablespace
	MultiXact
	RelMap
	Standby
	Heap2
	Heap
	Btree
	Hash
	Gin
	Gist
	Sequence
	SPGist
	BRIN
	CommitTs
	ReplicationOrigin
	Generic
	LogicalMessage

	firstCustom RM = 128 // RM_MIN_CUSTOM_ID: those of extensions
)

var rmNames = [...]string{
	"XLOG", "Transaction", "Storage", "CLOG", "Database", "Tablespace", "MultiXact",
	"RelMap", "Standby", "Heap2", "Heap", "Btree", "Hash", "Gin", "Gist", "Sequence",
	"SPGist", "BRIN", "CommitTs", "ReplicationOrigin", "Generic", "LogicalMessage",
}

// String gives the name as Postgres writes it.
func (m RM) String() string {
	if int(m) < len(rmNames) {
		return rmNames[m]
	}
	return fmt.Sprintf("custom%03d", uint8(m))
}

func (m RM) valid() bool { return m <= LogicalMessage || m >= firstCustom }
