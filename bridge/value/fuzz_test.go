package value_test

import (
	"runtime"
	"testing"

	"github.com/howdahdb/howdah/bridge/value"
)

// fuzzTypes are types of every kind.
func fuzzTypes() []*value.Type {
	base := func(oid uint32, name string, length int16, align byte) *value.Type {
		return &value.Type{OID: oid, Name: name, Length: length, Align: align}
	}
	i2, i4, i8 := base(21, "int2", 2, 's'), base(23, "int4", 4, 'i'), base(20, "int8", 8, 'd')
	text, numeric, jsonb := base(25, "text", -1, 'i'), base(1700, "numeric", -1, 'i'), base(3802, "jsonb", -1, 'i')
	box := base(603, "box", 32, 'd')
	box.Delim = ';'
	mood := &value.Type{OID: 20001, Name: "mood", Kind: value.EnumKind, Length: 4, Align: 'i', Labels: map[uint32]string{1: "sad", 2: "so so"}}
	domain := &value.Type{OID: 20002, Name: "few", Kind: value.DomainKind, Length: 4, Align: 'i', Elem: i4}
	of := func(elem *value.Type) *value.Type {
		return &value.Type{OID: elem.OID + 30000, Name: "_" + elem.Name, Kind: value.ArrayKind, Length: -1, Align: max(elem.Align, 'd'), Elem: elem}
	}
	pair := &value.Type{OID: 20003, Name: "pair", Kind: value.CompositeKind, Length: -1, Align: 'd', Fields: []value.Field{
		{Name: "a", Type: i8, Length: 8, Align: 'd'}, {Name: "gone", Dropped: true, Length: -1, Align: 'i'},
		{Name: "b", Type: text, Length: -1, Align: 'i'}, {Name: "c", Type: of(mood), Length: -1, Align: 'i'}, {Name: "d", Type: domain, Length: 4, Align: 'i'},
	}}
	ranged := func(elem *value.Type) *value.Type {
		return &value.Type{OID: elem.OID + 40000, Name: elem.Name + "range", Kind: value.RangeKind, Length: -1, Align: 'd', Elem: elem}
	}
	multi := func(r *value.Type) *value.Type {
		return &value.Type{OID: r.OID + 50000, Name: "multi" + r.Name, Kind: value.MultirangeKind, Length: -1, Align: 'd', Elem: r}
	}
	types := []*value.Type{
		mood, domain, pair, of(i2), of(i8), of(text), of(numeric), of(box), of(pair), of(of(jsonb)), ranged(i8), ranged(text), ranged(pair),
		multi(ranged(i4)), multi(ranged(text)), of(multi(ranged(numeric))),
		base(22, "int2vector", -1, 'i'), base(30, "oidvector", -1, 'i'), text, numeric, jsonb, i2, i4, i8, box,
	}
	for _, oid := range []uint32{16, 17, 18, 19, 26, 27, 28, 29, 114, 142, 600, 601, 602, 604, 628, 650, 700, 701, 718, 774, 790, 829, 869, 1042, 1043,
		1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1790, 2950, 2970, 3220, 3614, 3615, 5038, 5069} {
		types = append(types, base(oid, "type", -1, 'i'))
	}
	return types
}

// FuzzDecode wants no panic, no memory out of proportion, and text that is read back
// as what it was written from. The first byte picks the type.
func FuzzDecode(f *testing.F) {
	types := fuzzTypes()
	for k := range types {
		f.Add(byte(k), []byte{0})
	}
	for _, seed := range [][]byte{
		{1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 20, 0, 0, 0, 'a'},
		{1, 0, 0, 0x20, 1, 0, 0, 0, 0, 0, 0, 0x10, 'k'},
		{0, 0x81, 1, 0, 15, 39},
		{5, 0, 0, 0, 2, 4, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1},
	} {
		for k := range types {
			f.Add(byte(k), seed)
		}
	}
	f.Fuzz(func(t *testing.T, k byte, b []byte) {
		typ := types[int(k)%len(types)]
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		v, err := value.Decode(typ, b)
		runtime.ReadMemStats(&after)
		// A numeric of 2 bytes may be 150 kB of zeros, and each 5 bytes of a container
		// such a numeric.
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+len(b)*(1<<16)); got > most {
			t.Errorf("%s: %d bytes for %d", typ.Name, got, len(b))
		}
		if err != nil {
			return
		}
		text := string(value.AppendText(nil, typ, v))
		_, _ = value.AppendBinary(nil, typ, v)
		again, err := value.Parse(typ, text)
		if err != nil {
			return // no server writes such dates, or dimensions
		}
		if second := string(value.AppendText(nil, typ, again)); second != text {
			t.Errorf("%s: %q was read as %q", typ.Name, text, second)
		}
	})
}

// FuzzParse wants no panic, and that what is written of a value is read as the same
// value.
func FuzzParse(f *testing.F) {
	types := fuzzTypes()
	for k := range types {
		for _, seed := range []string{
			"", "1", `{"a b",NULL,{1}}`, "[0:1]={1,2}", `(1,"a""b",{sad},3)`, `["a\\b",c)`, "{[1,2),(3,)}", "2020-02-29 12:00:00.5+01 BC", "1 year -2 mons +3 days -04:05:06.7", "-1.50", `\x00ff`,
			"infinity", "1.2.3.4/8", "((1,2),(3,4))", "24:00:00-15:59:59", "1:2:3,4", "FF/1",
		} {
			f.Add(byte(k), seed)
		}
	}
	f.Fuzz(func(t *testing.T, k byte, text string) {
		typ := types[int(k)%len(types)]
		v, err := value.Parse(typ, text)
		if err != nil {
			return
		}
		_, _ = value.AppendBinary(nil, typ, v)
		written := string(value.AppendText(nil, typ, v))
		again, err := value.Parse(typ, written)
		if err != nil {
			t.Fatalf("%s: %q is written as %q: %v", typ.Name, text, written, err)
		}
		if !same(again, v) {
			t.Errorf("%s: %q is %#v, and its text %q %#v", typ.Name, text, v, written, again)
		}
	})
}
