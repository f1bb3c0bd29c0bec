// Package change is the form in which committed writes travel.
//
// What a transaction has changed is one Set, with its Changes in the order in which
// they were made. Sets come in the order of their commits.
package change

import (
	"time"

	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/bridge/wal"
)

// Set is what one transaction has changed in one database. Once made it is not
// changed any more, and any number of goroutines may read it.
type Set struct {
	Database string
	// Origin is the name of the replication origin that the transaction was marked
	// with, empty for what began here; OriginLSN is its position there.
	Origin    string
	OriginLSN wal.LSN
	// Commit is where the commit record begins, and LSN where it ends: the position
	// of the set, by which it is known, acknowledged and resumed after.
	Commit wal.LSN
	LSN    wal.LSN
	XID    uint32 // of the top-level transaction; 0 for a message outside one
	Time   time.Time
	GID    string // of a prepared transaction that was committed
	// Part counts the sets of one transaction from 0, and More says that another
	// follows: a transaction of very many changes comes as several sets, one after
	// the other and with the same LSN. Only with the last one it is whole, so what
	// stores or applies them keeps all of them or none.
	Part int
	More bool
	// Changes are in the order of the log.
	Changes []Change
}

// Kind is what was done.
type Kind uint8

const (
	Insert Kind = iota + 1
	Update
	Delete
	Truncate
	Message
	DDL
)

func (k Kind) String() string {
	return [...]string{"unknown", "insert", "update", "delete", "truncate", "message", "ddl"}[min(k, 7)%7]
}

// Change is one row changed, one table truncated, one message, or one table's new
// shape.
type Change struct {
	Kind  Kind
	LSN   wal.LSN // of its record; the changes of one TRUNCATE have the same
	XID   uint32  // of the subtransaction
	Table *Table  // nil for messages
	// New is the row, a value for each of Table.Columns: of Insert and Update.
	New []any
	// Old is the row before, as far as the table's replica identity has it logged:
	// all of it with IdentityFull, else only the identity's columns, and the others
	// nil, for Delete and for an Update that has changed them. Nil if there is none.
	Old []any
	// Changed says which columns of an Update have another value than before, by
	// their indexes in Table.Columns; nil if it is not known, since the old row is
	// not logged whole.
	Changed []int

	Cascade, RestartIdentity bool // of a TRUNCATE

	Message *EmittedMessage // of Message
	Command Command         // of DDL
	// Snapshot says that the row was there when a subscription began.
	Snapshot bool
}

// EmittedMessage is what pg_logical_emit_message has written.
type EmittedMessage struct {
	Prefix        string
	Content       []byte
	Transactional bool
}

// Command is what has happened to a table; Change.Table is its shape then, or
// before it was dropped.
type Command uint8

const (
	Create Command = iota + 1
	Alter
	Drop
)

func (c Command) String() string { return [...]string{"", "create", "alter", "drop"}[c&3] }

// Identity is a table's replica identity, pg_class.relreplident.
type Identity byte

const (
	IdentityDefault Identity = 'd' // the primary key
	IdentityNothing Identity = 'n'
	IdentityFull    Identity = 'f'
	IdentityIndex   Identity = 'i'
)

// Table is the shape of a table at a moment. It is shared and not changed.
type Table struct {
	OID      uint32 // pg_class.oid
	Schema   string
	Name     string
	Identity Identity
	Columns  []Column // without dropped and virtual columns
}

// Column is a column of a Table.
type Column struct {
	Name   string
	Number int16 // pg_attribute.attnum
	Type   *value.Type
	Typmod int32
	Key    bool // part of the replica identity, as pgoutput flags it: with IdentityFull every column
	Stored bool // a stored generated column
}
