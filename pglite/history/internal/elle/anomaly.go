package elle

import "slices"

// Anomaly is the name of something that went wrong.
type Anomaly string

// Anomalies that show without a graph.
const (
	G1a Anomaly = "G1a" // aborted read
	G1b Anomaly = "G1b" // intermediate read
	// Garbage is an element that nobody has appended.
	Garbage Anomaly = "garbage"
	// Duplicate is an element twice in one list.
	Duplicate Anomaly = "duplicate element"
	// Incompatible are two lists of a key of which neither begins with the other.
	Incompatible Anomaly = "incompatible order"
	// Reordered are appends of one transaction that a list has in another order,
	// or with one in between left out.
	Reordered Anomaly = "reordered appends"
	// LostAppend is an acknowledged append that a later reader does not find.
	LostAppend Anomaly = "lost append"
	// OwnWrites is a transaction that does not see what itself has appended.
	OwnWrites Anomaly = "own writes unseen"
	// Unrepeatable is a transaction that reads a list twice and sees what others
	// have appended meanwhile.
	Unrepeatable Anomaly = "unrepeatable read"
)

// Cycles.
const (
	G0           Anomaly = "G0"
	G1c          Anomaly = "G1c"
	GSingle      Anomaly = "G-single"
	GNonadjacent Anomaly = "G-nonadjacent"
	G2Item       Anomaly = "G2-item"
	// StaleRead is a reader that does not see what was acknowledged before it
	// began: each rw edge of the cycle stands behind an rt edge.
	StaleRead Anomaly = "stale read"

	realtime             = "-realtime"
	G0Realtime           = G0 + realtime
	G1cRealtime          = G1c + realtime
	GSingleRealtime      = GSingle + realtime
	GNonadjacentRealtime = GNonadjacent + realtime
)

// Level is a level of isolation as Postgres has it.
type Level string

// Levels, by their names in SQL.
const (
	ReadCommitted  Level = "read committed"
	RepeatableRead Level = "repeatable read"
	Serializable   Level = "serializable"
)

// allowed lists what each level does not forbid; the package comment says why.
var allowed = map[Level][]Anomaly{
	ReadCommitted: {
		Unrepeatable, GSingle, GSingleRealtime, GNonadjacent, GNonadjacentRealtime, G2Item,
	},
	RepeatableRead: {G2Item},
	Serializable:   {},
}

// Forbids tells whether a level excludes an anomaly.
func (l Level) Forbids(a Anomaly) bool { return !slices.Contains(allowed[l], a) }

// Finding is one occurrence of an anomaly.
type Finding struct {
	Anomaly Anomaly
	Why     string
}

func (f Finding) String() string { return string(f.Anomaly) + ": " + f.Why }

// Forbidden keeps the findings that a level excludes.
func Forbidden(l Level, all []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(all), func(f Finding) bool { return !l.Forbids(f.Anomaly) })
}
