package change

import (
	"math"

	"github.com/howdahdb/howdah/bridge/value"
)

func (r *cborReader) values() []any {
	n := r.count(majorArray, 1)
	values := make([]any, n)
	for k := range values {
		values[k] = r.value()
	}
	return values
}

func (r *cborReader) value() any {
	first := r.peek()
	switch first & 0xe0 {
	case majorUint, majorNegint:
		return r.int(math.MinInt64, math.MaxInt64)
	case majorText:
		return r.text()
	case majorBytes:
		return r.bytes()
	case majorTag:
		return r.tagged()
	case majorSimple:
		return r.simple(first)
	}
	r.fail("no value of a column")
	return nil
}

func (r *cborReader) simple(first byte) any {
	switch first {
	case cborNull, cborUndefined, cborFalse, cborTrue:
		r.b = r.b[1:]
	}
	switch first {
	case cborNull:
		return nil
	case cborUndefined:
		return value.Unchanged{}
	case cborFalse, cborTrue:
		return first == cborTrue
	case cborFloat32:
		if len(r.b) >= 5 {
			bits := be.Uint32(r.b[1:])
			r.b = r.b[5:]
			return r.float(math.Float32frombits(bits), bits)
		}
	case cborFloat64:
		if len(r.b) >= 9 {
			bits := be.Uint64(r.b[1:])
			r.b = r.b[9:]
			return r.double(math.Float64frombits(bits), bits)
		}
	}
	r.fail("%#x is no value of a column", first)
	return nil
}

func (r *cborReader) float(v float32, bits uint32) any {
	if v != v && bits != nan32 {
		r.fail("another NaN")
	}
	return v
}

func (r *cborReader) double(v float64, bits uint64) any {
	if v != v && bits != nan64 {
		r.fail("another NaN")
	}
	return v
}

func (r *cborReader) tagged() any {
	switch tag := r.want(majorTag, "a tag"); tag {
	case tagNumeric:
		return value.Numeric(r.text())
	case tagJSON:
		return value.JSON(r.text())
	case tagText:
		return r.otherText()
	case tagUUID:
		p := r.span(majorBytes, "a byte string")
		if len(p) != 16 {
			r.fail("a uuid of %d bytes", len(p))
			return nil
		}
		return value.UUID(p)
	case tagRaw:
		return value.Raw(r.bytes())
	case tagDate:
		return value.Date(r.int(math.MinInt32, math.MaxInt32))
	case tagTime:
		return value.Time(r.long())
	case tagTimeTZ:
		r.array(2)
		return value.TimeTZ{Time: value.Time(r.long()), West: r.short()}
	case tagTimestamp:
		return value.Timestamp(r.long())
	case tagTimestampTZ:
		return value.TimestampTZ(r.long())
	case tagInterval:
		r.array(3)
		return value.Interval{Months: r.short(), Days: r.short(), Micros: r.long()}
	default:
		var v any
		r.within(func() { v = r.made(tag) })
		return v
	}
}

// made reads a value that is made of others.
func (r *cborReader) made(tag uint64) any {
	switch tag {
	case tagArray:
		return r.arrayValue()
	case tagRecord:
		return r.record()
	case tagRange:
		return r.rangeValue()
	case tagMultirange:
		m := make(value.Multirange, r.count(majorArray, 4))
		for k := range m {
			m[k] = r.rangeValue()
		}
		return &m
	}
	r.fail("a value with tag %d", tag)
	return nil
}

func (r *cborReader) long() int64  { return r.int(math.MinInt64, math.MaxInt64) }
func (r *cborReader) short() int32 { return int32(r.int(math.MinInt32, math.MaxInt32)) }

func (r *cborReader) arrayValue() *value.Array {
	a := &value.Array{}
	r.array(2)
	if n := r.count(majorArray, 3); n > 0 {
		a.Dims = make([]value.Dim, n)
	}
	want := int64(min(1, len(a.Dims)))
	for k := range a.Dims {
		r.array(2)
		d := value.Dim{Length: int32(r.int(0, math.MaxInt32)), Lower: r.short()}
		// No product can overflow that is checked at every step.
		if want *= int64(d.Length); want > int64(len(r.b)) {
			r.fail("an array of %d elements in %d bytes", want, len(r.b))
		}
		a.Dims[k] = d
	}
	if values := r.values(); len(values) > 0 {
		a.Elements = values
	}
	if r.err == nil && int64(len(a.Elements)) != want {
		r.fail("an array of %d elements has %d", want, len(a.Elements))
	}
	return a
}

func (r *cborReader) record() *value.Record {
	rec := &value.Record{}
	r.array(2)
	if n := r.count(majorArray, 1); n > 0 {
		rec.Names = make([]string, n)
	}
	for k := range rec.Names {
		rec.Names[k] = r.text()
	}
	if values := r.values(); len(values) > 0 {
		rec.Values = values
	}
	if r.err == nil && len(rec.Values) != len(rec.Names) {
		r.fail("a record of %d columns has %d values", len(rec.Names), len(rec.Values))
	}
	return rec
}

func (r *cborReader) rangeValue() *value.Range {
	r.array(3)
	flags := r.uint(rangeEmpty | rangeLowerClosed | rangeUpperClosed)
	return &value.Range{
		Empty:       flags&rangeEmpty != 0,
		LowerClosed: flags&rangeLowerClosed != 0,
		UpperClosed: flags&rangeUpperClosed != 0,
		Lower:       r.value(),
		Upper:       r.value(),
	}
}
