// Package value turns what Postgres keeps on disk into values of Go, and those into
// the text that Postgres would write.
//
// A value is an any, one of these by the type of its column:
//
//	nil                          NULL
//	bool                         boolean
//	int64                        smallint, integer, bigint, oid, xid, cid
//	float32, float64             real, double precision
//	Numeric                      numeric, exactly
//	string                       text, varchar, bpchar (with its blanks), name, "char",
//	                             enum (its label), xml, and every type that is not
//	                             in this list: what its output function writes
//	[]byte                       bytea
//	Date, Time, TimeTZ, Timestamp, TimestampTZ, Interval
//	UUID                         uuid
//	JSON                         json as it was written, jsonb as Postgres writes it
//	*Array                       arrays, oidvector and int2vector
//	*Record                      composites
//	*Range, *Multirange          ranges and multiranges
//	Unchanged                    an update has left it as it was, and the log has it not
//	Raw                          bytes that could not be understood
//
// A domain's value is that of its base type. Text is written as with DateStyle ISO,
// IntervalStyle postgres, TimeZone UTC, extra_float_digits 1 and bytea_output hex,
// whatever the session that wrote the row had set.
package value

// Unchanged stands for a value that is kept out of line (TOAST) and that the update
// has not touched: Postgres does not log it, and its consumers keep what they have.
type Unchanged struct{}

// Raw is a value as it is on disk, without its length, which nothing here can read.
type Raw []byte

// Numeric is a numeric as Postgres writes it, with all the digits of its scale:
// "1.50", "NaN", "-Infinity".
type Numeric string

// JSON is the text of a json or jsonb value.
type JSON string

// UUID is a uuid's 16 bytes.
type UUID [16]byte

// Date is in days since 2000-01-01; the largest and the smallest int32 are infinity
// and -infinity.
type Date int32

// Time is the time of day in microseconds, up to 24:00:00.
type Time int64

// TimeTZ is a time of day with its zone.
type TimeTZ struct {
	Time Time
	West int32 // seconds west of UTC
}

// Timestamp is in microseconds since 2000-01-01; the largest and the smallest int64
// are infinity and -infinity.
type Timestamp int64

// TimestampTZ is Timestamp, in UTC.
type TimestampTZ int64

// Interval is a span of time, whose parts do not convert into each other.
type Interval struct {
	Micros       int64
	Days, Months int32
}

// Array is an array of any number of dimensions, its elements in row-major order.
type Array struct {
	Dims     []Dim // none: the empty array
	Elements []any
}

// Dim is one dimension of an array.
type Dim struct{ Length, Lower int32 }

// Record is a composite: a value for each column of its type that is not dropped.
type Record struct {
	Names  []string
	Values []any
}

// Range is a range; a bound without a value is infinite.
type Range struct {
	Empty                    bool
	Lower, Upper             any
	LowerClosed, UpperClosed bool
}

// Multirange is a list of ranges that do not touch.
type Multirange []*Range
