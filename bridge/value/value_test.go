package value_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/howdahdb/howdah/bridge/value"
)

// The bytes of a date, an int4[] and a jsonb as they stand on a page.
func ExampleDecode() {
	int4 := &value.Type{OID: 23, Name: "int4", Length: 4, Align: 'i', ByVal: true}
	for _, c := range []struct {
		typ  *value.Type
		disk string
	}{
		{&value.Type{OID: 1082, Name: "date", Length: 4}, "\xff\xff\xff\xff"},
		{&value.Type{OID: 1007, Name: "_int4", Kind: value.ArrayKind, Length: -1, Elem: int4},
			"\x01\x00\x00\x00\x00\x00\x00\x00\x17\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x07\x00\x00\x00\x08\x00\x00\x00"},
		{&value.Type{OID: 3802, Name: "jsonb", Length: -1}, "\x01\x00\x00\x20\x01\x00\x00\x80\x00\x00\x00\x30k"},
	} {
		v, err := value.Decode(c.typ, []byte(c.disk))
		fmt.Printf("%T %s %v\n", v, value.AppendText(nil, c.typ, v), err)
	}
	// Output:
	// value.Date 1999-12-31 <nil>
	// *value.Array {7,8} <nil>
	// value.JSON {"k": true} <nil>
}

// TestNoDecoder: what is left to Postgres can be told from what is wrong.
func TestNoDecoder(t *testing.T) {
	hstore := &value.Type{OID: 16999, Name: "hstore", Length: -1, Align: 'i'}
	mood := &value.Type{OID: 17000, Name: "mood", Kind: value.EnumKind, Length: 4, Align: 'i', Labels: map[uint32]string{1: "sad"}}
	array := func(elem *value.Type) *value.Type {
		return &value.Type{OID: 17001, Name: "_" + elem.Name, Kind: value.ArrayKind, Length: -1, Align: 'i', Elem: elem}
	}
	header := func(oid uint16) string {
		return "\x01\x00\x00\x00\x00\x00\x00\x00" + string([]byte{byte(oid), byte(oid >> 8)}) + "\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00"
	}
	for _, c := range []struct {
		name     string
		typ      *value.Type
		disk     string
		fallback bool
	}{
		{"an extension's type", hstore, "\x01\x00\x00\x80", true},
		{"an array of it", array(hstore), header(16999) + "\x40\x00\x00\x00a", false}, // 16 bytes, of which there are 5
		{"an array of it", array(hstore), header(16999) + "\x14\x00\x00\x00a", true},
		{"a label that is not known", mood, "\x02\x00\x00\x00", true},
		{"an array of it", array(mood), header(17000) + "\x02\x00\x00\x00", true},
		{"an XML declaration", &value.Type{OID: 142, Length: -1}, "<?xml version='1.0'?><a/>", true},
		{"jsonpath", &value.Type{OID: 4072, Length: -1}, "\x01\x00\x00\x00", true},
		{"half a label", mood, "\x01\x00", false},
		{"half an integer", &value.Type{OID: 23, Length: 4}, "\x01\x00", false},
		{"half a uuid", &value.Type{OID: 2950, Length: 16}, "\x01\x00", false},
		{"an array of another type", array(mood), header(23) + "\x01\x00\x00\x00", false},
	} {
		v, err := value.Decode(c.typ, []byte(c.disk))
		if err == nil || errors.Is(err, value.ErrNoDecoder) != c.fallback {
			t.Errorf("%s: %v, %v", c.name, v, err)
		}
	}
}

// TestIncompleteType: a type of which parts are not known is one without a decoder.
func TestIncompleteType(t *testing.T) {
	for _, typ := range []*value.Type{
		{Kind: value.DomainKind}, {Kind: value.RangeKind}, {Kind: value.MultirangeKind}, {Kind: value.MultirangeKind, Elem: &value.Type{Kind: value.RangeKind}},
		{Kind: value.ArrayKind}, {Kind: value.CompositeKind, Fields: []value.Field{{Name: "a"}}},
	} {
		if v, err := value.Decode(typ, make([]byte, 32)); !errors.Is(err, value.ErrNoDecoder) {
			t.Errorf("%v: %v, %v", typ, v, err)
		}
		v, err := value.Parse(typ, "(text)")
		if err != nil || v != "(text)" || string(value.AppendText(nil, typ, v)) != "(text)" {
			t.Errorf("%v: %v, %v", typ, v, err)
		}
	}
}
