package value_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// TestRandom has the server store random values of all kinds of types and compares
// what it makes of them.
func TestRandom(t *testing.T) {
	o := newOracle(t)
	o.exec(t, madeTypes)
	seed := rand.IntN(math.MaxInt32)
	t.Logf("seed %d", seed)
	n, total := need.Choose(60, 2000), 0
	for _, name := range []string{
		"float4", "float8", "numeric", "text", "bytea", "date", "time", "timetz", "timestamp", "timestamptz", "interval", "jsonb",
		"int2[]", "int4[]", "int8[]", "bool[]", "text[]", "numeric[]", "float8[]", "timestamptz[]", "jsonb[]", "mood[]", "fews", "bytea[]",
		"pair", "pair[]", "mixed", "mixed[]", "outer_type", "outer_type[]",
		"int4range", "numrange", "tstzrange", "textrange", "daterange[]", "fewrange", "moodrange",
		"int8multirange", "textmultirange", "nummultirange", "tsmultirange[]",
	} {
		t.Run(name, func(t *testing.T) {
			var oid uint32
			if err := o.conn.QueryRow(t.Context(), "select $1::text::regtype::oid", name).Scan(&oid); err != nil {
				t.Fatal(err)
			}
			typ := o.typeByOID(t, oid)
			g := generator(typ)
			var texts []string
			for k := range n {
				if text := string(value.AppendText(nil, typ, g.Example(seed+k))); len(text) < 1500 {
					texts = append(texts, text)
				}
			}
			typ, data := o.store(t, name, texts)
			compare(t, typ, data)
			total += len(data)
		})
	}
	t.Logf("%d values", total)
}

// generator makes values of a type.
func generator(t *value.Type) *rapid.Generator[any] {
	switch t.Kind {
	case value.DomainKind:
		return generator(t.Elem)
	case value.EnumKind:
		var labels []string
		for _, l := range t.Labels {
			labels = append(labels, l)
		}
		return rapid.SampledFrom(labels).AsAny()
	case value.ArrayKind:
		return arrays(t)
	case value.CompositeKind:
		return records(t)
	case value.RangeKind:
		return ranges(t).AsAny()
	case value.MultirangeKind:
		return rapid.Map(rapid.SliceOfN(ranges(t.Elem), 0, 5), func(m []*value.Range) any { return (*value.Multirange)(&m) })
	}
	return scalars[t.Name]
}

var scalars = map[string]*rapid.Generator[any]{
	"bool":   rapid.Bool().AsAny(),
	"int2":   widen(rapid.Int16()),
	"int4":   widen(rapid.Int32Range(-100, 100)), // what the domain takes, too
	"int8":   rapid.Int64().AsAny(),
	"float4": rapid.Map(rapid.Uint32(), func(n uint32) any { return noNaN(float64(math.Float32frombits(n)), true) }),
	"float8": rapid.Map(rapid.Uint64(), func(n uint64) any { return noNaN(math.Float64frombits(n), false) }),
	"numeric": rapid.Map(rapid.OneOf(
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?`),
		rapid.StringMatching(`-?[1-9](0){0,30}(\.(0){1,30}[0-9]{0,3})?`),
		rapid.SampledFrom([]string{"NaN", "0.000"}),
	), func(s string) any { return value.Numeric(s) }),
	"text":  texts.AsAny(),
	"char":  rapid.SampledFrom([]string{"", "a", " ", `\377`, `"`, ","}).AsAny(),
	"bytea": rapid.SliceOfN(rapid.Byte(), 0, 20).AsAny(),
	"uuid":  rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) any { return value.UUID(b) }),
	"date":  rapid.Map(rapid.Int32Range(-2451545, 2145031948), func(n int32) any { return value.Date(n) }),
	"time":  rapid.Map(rapid.Int64Range(0, 86400e6), func(n int64) any { return value.Time(n) }),
	"timetz": rapid.Custom(func(t *rapid.T) any {
		return value.TimeTZ{Time: value.Time(rapid.Int64Range(0, 86400e6).Draw(t, "time")), West: rapid.Int32Range(-57599, 57599).Draw(t, "west")}
	}),
	"timestamp":   rapid.Map(moments, func(n int64) any { return value.Timestamp(n) }),
	"timestamptz": rapid.Map(moments, func(n int64) any { return value.TimestampTZ(n) }),
	"interval": rapid.Custom(func(t *rapid.T) any {
		return value.Interval{Micros: rapid.Int64Min(math.MinInt64+1).Draw(t, "micros"), Days: rapid.Int32().Draw(t, "days"), Months: rapid.Int32().Draw(t, "months")}
	}),
	"jsonb": rapid.Map(documents(3), func(v any) any {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			panic(err)
		}
		return value.JSON(strings.TrimSpace(b.String()))
	}),
}

var (
	moments = rapid.Int64Range(-211813488000000000, 9223371331199999999)
	// texts are of characters that mean something to those who quote.
	texts = rapid.StringOfN(rapid.RuneFrom([]rune("ab \t\n\"'\\{}()[],;:.=<>NULnul0é😀\u00a0\x01\x7f")), 0, 12, -1)
)

func widen[N int16 | int32](g *rapid.Generator[N]) *rapid.Generator[any] {
	return rapid.Map(g, func(n N) any { return int64(n) })
}

// noNaN gives a float of the size, and 0 for what is none.
func noNaN(f float64, small bool) any {
	if math.IsNaN(f) {
		f = 0
	}
	if small {
		return float32(f)
	}
	return f
}

// documents are what JSON can hold.
func documents(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64Range(-1e30, 1e30).AsAny(), texts.AsAny(),
	}
	if depth > 0 {
		leaves = append(leaves,
			rapid.SliceOfN(documents(depth-1), 0, 4).AsAny(),
			rapid.MapOfN(texts, documents(depth-1), 0, 4).AsAny())
	}
	return rapid.OneOf(leaves...)
}

func arrays(t *value.Type) *rapid.Generator[any] {
	elements := generator(t.Elem)
	return rapid.Custom(func(r *rapid.T) any {
		a := &value.Array{}
		n := 1
		for range rapid.IntRange(0, 3).Draw(r, "dimensions") {
			d := value.Dim{Length: rapid.Int32Range(1, 3).Draw(r, "length"), Lower: rapid.SampledFrom([]int32{1, 1, 1, 0, -5, 7}).Draw(r, "lower")}
			a.Dims = append(a.Dims, d)
			n *= int(d.Length)
		}
		if len(a.Dims) > 0 {
			a.Elements = optional(r, elements, n)
		}
		return a
	})
}

// optional draws n values, some of them NULL.
func optional(r *rapid.T, g *rapid.Generator[any], n int) []any {
	values := make([]any, n)
	for k := range values {
		if rapid.IntRange(0, 3).Draw(r, "null") > 0 {
			values[k] = g.Draw(r, "value")
		}
	}
	return values
}

func records(t *value.Type) *rapid.Generator[any] {
	return rapid.Custom(func(r *rapid.T) any {
		record := &value.Record{}
		for _, f := range t.Fields {
			record.Names = append(record.Names, f.Name)
			record.Values = append(record.Values, optional(r, generator(f.Type), 1)...)
		}
		return record
	})
}

func ranges(t *value.Type) *rapid.Generator[*value.Range] {
	bounds := generator(t.Elem)
	return rapid.Custom(func(r *rapid.T) *value.Range {
		if rapid.IntRange(0, 9).Draw(r, "empty") == 0 {
			return &value.Range{Empty: true}
		}
		b := optional(r, bounds, 2)
		for k := range b {
			switch b[k] { // has none after it, which the server asks for
			case int64(math.MaxInt64), value.Date(2145031948):
				b[k] = nil
			}
		}
		if b[0] != nil && b[1] != nil && !ordered(t.Elem, b[0], b[1]) {
			b[0], b[1] = b[1], b[0]
		}
		return &value.Range{
			Lower: b[0], Upper: b[1],
			LowerClosed: b[0] != nil && rapid.Bool().Draw(r, "lower closed"),
			UpperClosed: b[1] != nil && rapid.Bool().Draw(r, "upper closed"),
		}
	})
}

// ordered tells whether a is not above b by the type's order.
func ordered(t *value.Type, a, b any) bool {
	switch a := a.(type) {
	case int64:
		return a <= b.(int64)
	case value.Date:
		return a <= b.(value.Date)
	case value.Timestamp:
		return a <= b.(value.Timestamp)
	case value.TimestampTZ:
		return a <= b.(value.TimestampTZ)
	case value.Numeric:
		x, ok1 := new(big.Rat).SetString(string(a))
		y, ok2 := new(big.Rat).SetString(string(b.(value.Numeric)))
		return ok1 && ok2 && x.Cmp(y) <= 0 || !ok2 // NaN is the largest
	case string:
		if t.Kind == value.EnumKind {
			return place(t, a) <= place(t, b.(string))
		}
		return a <= b.(string)
	}
	panic("no order of " + t.Name + " " + strconv.Quote(t.Schema))
}

// place is where a label stands in its enum, whose labels were given OIDs in order.
func place(t *value.Type, label string) uint32 {
	for oid, l := range t.Labels {
		if l == label {
			return oid
		}
	}
	return 0
}
