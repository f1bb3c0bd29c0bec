package replication

import "github.com/howdahdb/howdah/bridge/wal"

// command is one replication command: one of the types below.
type command interface{ tag() string }

// sqlCommand is what is no replication command, and Postgres' to answer.
type sqlCommand struct{}

type identifySystem struct{}

type show struct{ name string }

type readSlot struct{ slot string }

type createSlot struct {
	slot      string
	temporary bool
	physical  bool
	plugin    string // of a logical one
	options   []option
}

type dropSlot struct {
	slot string
	wait bool
}

type alterSlot struct {
	slot    string
	options []option
}

type startReplication struct {
	slot    string
	logical bool
	from    wal.LSN
	options []option
}

type timelineHistory struct{ timeline uint32 }

// baseBackup and uploadManifest are for physical replication.
type (
	baseBackup     struct{}
	uploadManifest struct{}
)

// option is an element of a list in parentheses.
type option struct {
	name   string
	value  string
	absent bool // a name alone
}

func (sqlCommand) tag() string       { return "" }
func (identifySystem) tag() string   { return "IDENTIFY_SYSTEM" }
func (show) tag() string             { return "SHOW" }
func (readSlot) tag() string         { return "READ_REPLICATION_SLOT" }
func (createSlot) tag() string       { return "CREATE_REPLICATION_SLOT" }
func (dropSlot) tag() string         { return "DROP_REPLICATION_SLOT" }
func (alterSlot) tag() string        { return "ALTER_REPLICATION_SLOT" }
func (startReplication) tag() string { return "START_REPLICATION" }
func (timelineHistory) tag() string  { return "TIMELINE_HISTORY" }
func (baseBackup) tag() string       { return "BASE_BACKUP" }
func (uploadManifest) tag() string   { return "UPLOAD_MANIFEST" }
