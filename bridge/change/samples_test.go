package change_test

import (
	"math"
	"time"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/value"
)

func base(oid uint32, name string, length int16) *value.Type {
	return &value.Type{OID: oid, Schema: "pg_catalog", Name: name, Length: length, Align: 'i', ByVal: length > 0, Output: oid + 1}
}

func made(oid uint32, name string, kind value.Kind, elem *value.Type) *value.Type {
	schema := "pg_catalog"
	if oid >= 16384 {
		schema = "public"
	}
	return &value.Type{OID: oid, Schema: schema, Name: name, Kind: kind, Length: -1, Align: 'd', Elem: elem}
}

var (
	int4      = base(23, "int4", 4)
	int8      = base(20, "int8", 8)
	text      = base(25, "text", -1)
	numeric   = base(1700, "numeric", -1)
	int4range = made(3904, "int4range", value.RangeKind, int4)
	mood      = &value.Type{OID: 16400, Schema: "public", Name: "mood", Kind: value.EnumKind, Length: 4, Labels: map[uint32]string{16402: "sad", 16404: "it's \"ok\""}}
	point     = &value.Type{OID: 16410, Schema: "public", Name: "pair", Kind: value.CompositeKind, Length: -1, Fields: []value.Field{
		{Name: "x", Type: int4, Typmod: -1, Length: 4, Align: 'i'},
		{Name: "........pg.dropped.2........", Dropped: true, Length: 8, Align: 'd'},
		{Name: "label", Type: text, Typmod: -1, Length: -1, Align: 'i'},
	}}
)

// column is a column of every type, with values that are easy to get wrong.
type column struct {
	typ    *value.Type
	values []any
}

var columns = []column{
	{base(16, "bool", 1), []any{true, false}},
	{int4, []any{int64(0), int64(-1), int64(23), int64(24), int64(math.MaxInt32), int64(math.MinInt32)}},
	{int8, []any{int64(math.MaxInt64), int64(math.MinInt64), int64(1<<53 + 1), int64(-1 << 40), int64(1 << 32)}},
	{base(700, "float4", 4), []any{float32(0), float32(1.5), float32(math.Inf(1)), float32(math.NaN()), float32(1e20)}},
	{base(701, "float8", 8), []any{0.1, -0.5, math.Inf(-1), math.NaN(), 1e300, 5e-324}},
	{numeric, []any{value.Numeric("1.50"), value.Numeric("NaN"), value.Numeric("-Infinity"), value.Numeric("123456789012345678901234567890.000000000000000001")}},
	{text, []any{"", "naïve 🐘", "a\nb\t\"c\\'d'", "\x01\x1f", "\xff\xfe latin1"}},
	{base(17, "bytea", -1), []any{[]byte{}, []byte{0, 0xff, '\\'}}},
	{base(1082, "date", 4), []any{value.Date(0), value.Date(math.MaxInt32), value.Date(math.MinInt32), value.Date(-730485)}},
	{base(1083, "time", 8), []any{value.Time(0), value.Time(86_400_000_000)}},
	{base(1266, "timetz", 12), []any{value.TimeTZ{Time: 1, West: -3600}}},
	{base(1114, "timestamp", 8), []any{value.Timestamp(0), value.Timestamp(math.MaxInt64), value.Timestamp(-1)}},
	{base(1184, "timestamptz", 8), []any{value.TimestampTZ(1), value.TimestampTZ(math.MinInt64)}},
	{base(1186, "interval", 16), []any{value.Interval{Micros: -1, Days: 40, Months: -13}}},
	{base(2950, "uuid", 16), []any{value.UUID{1, 2, 3, 15: 0xff}}},
	{base(3802, "jsonb", -1), []any{value.JSON(`{"a": [1, 2.50, null]}`), value.JSON("{\n \"b\" : \"\u2028\"}")}},
	{mood, []any{"sad", "it's \"ok\""}},
	{made(1007, "_int4", value.ArrayKind, int4), []any{
		&value.Array{},
		&value.Array{Dims: []value.Dim{{Length: 2, Lower: 1}}, Elements: []any{int64(1), nil}},
		&value.Array{Dims: []value.Dim{{Length: 2, Lower: -5}, {Length: 3, Lower: 7}}, Elements: []any{int64(1), int64(2), int64(3), int64(4), int64(5), int64(6)}},
	}},
	{point, []any{&value.Record{Names: []string{"x", "label"}, Values: []any{int64(7), nil}}}},
	{int4range, []any{
		&value.Range{Empty: true},
		&value.Range{Lower: int64(1), LowerClosed: true, Upper: int64(5)},
		&value.Range{Upper: int64(5)},
	}},
	{made(4451, "int4multirange", value.MultirangeKind, int4range), []any{
		&value.Multirange{},
		&value.Multirange{{Lower: int64(1), LowerClosed: true, Upper: int64(5)}, {Lower: int64(9), LowerClosed: true}},
	}},
	{made(16420, "positive", value.DomainKind, int4), []any{int64(5)}},
	{base(3614, "tsvector", -1), []any{value.Raw{1, 0, 0, 0}}},
}

// everything is a table with a column of every type.
func everything(identity change.Identity) *change.Table {
	t := &change.Table{OID: 16384, Schema: "public", Name: "every thing", Identity: identity}
	for k, c := range columns {
		t.Columns = append(t.Columns, change.Column{Name: c.typ.Name, Number: int16(k + 1), Type: c.typ, Typmod: -1, Key: k == 1 || identity == change.IdentityFull})
	}
	return t
}

func row(k int) []any {
	values := make([]any, len(columns))
	for n, c := range columns {
		values[n] = c.values[k%len(c.values)]
	}
	return values
}

// samples are the golden vectors. None has an integer from -2^32 to -2^31-1: cbor-x
// 1.6 reads those, heads of four bytes, modulo 2^32.
func samples() map[string]*change.Set {
	at := time.Date(2026, 1, 31, 12, 0, 0, 1000, time.UTC)
	people := &change.Table{OID: 16390, Schema: "public", Name: "people", Identity: change.IdentityDefault, Columns: []change.Column{
		{Name: "id", Number: 1, Type: int8, Typmod: -1, Key: true},
		{Name: "name", Number: 2, Type: text, Typmod: -1},
		{Name: "photo", Number: 4, Type: text, Typmod: -1},
		{Name: "upper", Number: 5, Type: text, Typmod: -1, Stored: true},
	}}
	whole := everything(change.IdentityFull)
	values := &change.Set{Database: "app", Commit: 0x15D6B00, LSN: 0x15D6B20, XID: 739, Time: at}
	for k := range 6 {
		values.Changes = append(values.Changes, change.Change{Kind: change.Insert, LSN: 0x15D6000, XID: 739, Table: whole, New: row(k)})
	}
	null := make([]any, len(columns))
	return map[string]*change.Set{
		"empty":  {},
		"values": values,
		"rows": {
			Database: "app", Origin: "elsewhere", OriginLSN: 77, Commit: 1 << 33, LSN: 1<<33 + 48, XID: 740, Time: at, GID: "two phase",
			Changes: []change.Change{
				{Kind: change.Insert, LSN: 1000, XID: 740, Table: people, New: []any{int64(1), "Ada", nil, "ADA"}},
				{Kind: change.Update, LSN: 1100, XID: 741, Table: people, New: []any{int64(2), "it's\\", value.Unchanged{}, "x"}, Old: []any{int64(1), nil, nil, nil}},
				{Kind: change.Update, LSN: 1200, XID: 740, Table: whole, New: row(1), Old: row(0), Changed: []int{0, 1, 2}},
				{Kind: change.Update, LSN: 1200, XID: 740, Table: whole, New: row(1), Old: row(1), Changed: []int{}},
				{Kind: change.Delete, LSN: 1300, XID: 740, Table: people, Old: []any{int64(2), nil, nil, nil}},
				{Kind: change.Delete, LSN: 1300, XID: 740, Table: whole, Old: null},
				{Kind: change.Truncate, LSN: 1400, XID: 740, Table: people, Cascade: true, RestartIdentity: true},
				{Kind: change.Truncate, LSN: 1400, XID: 740, Table: whole, Cascade: true, RestartIdentity: true},
				{Kind: change.Message, LSN: 1500, XID: 740, Message: &change.EmittedMessage{Prefix: "p", Content: []byte("text"), Transactional: true}},
				{Kind: change.Message, LSN: 1600, XID: 740, Message: &change.EmittedMessage{Prefix: "", Content: []byte{0xff, 0}, Transactional: true}},
				{Kind: change.DDL, LSN: 1700, XID: 740, Table: people, Command: change.Alter},
			},
		},
		"part": {
			Database: "app", LSN: 500, XID: 9, Part: 3, More: true,
			Changes: []change.Change{{Kind: change.Delete, XID: 9, Table: people, Old: []any{int64(3), nil, nil, nil}}},
		},
		"snapshot": {
			Database: "app", LSN: 500,
			Changes: []change.Change{{Kind: change.Insert, Table: people, New: []any{int64(3), nil, nil, nil}, Snapshot: true}},
		},
		"message": {
			Database: "app", LSN: 500,
			Changes: []change.Change{{Kind: change.Message, LSN: 480, Message: &change.EmittedMessage{Prefix: "now", Content: []byte{}}}},
		},
	}
}
