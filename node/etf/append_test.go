package etf_test

import (
	"bytes"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/node/etf"
)

// TestGoValues has values that decoding never gives.
func TestGoValues(t *testing.T) {
	for _, c := range []struct{ value, same etf.Term }{
		{nil, etf.Atom("nil")},
		{true, etf.Atom("true")},
		{false, etf.Atom("false")},
		{"häh", []byte("häh")},
		{float32(1.5), 1.5},
		{int(-5), int64(-5)},
		{int8(-5), int64(-5)},
		{int16(-5), int64(-5)},
		{int32(-5), int64(-5)},
		{uint8(5), int64(5)},
		{uint16(5), int64(5)},
		{uint32(math.MaxUint32), int64(math.MaxUint32)},
		{uint(5), int64(5)},
		{uint64(math.MaxUint64), new(big.Int).SetUint64(math.MaxUint64)},
		{big.NewInt(-7), int64(-7)},
		{etf.List{"a", 1, nil}, etf.List{[]byte("a"), int64(1), etf.Atom("nil")}},
		{
			etf.ImproperList{Elems: []etf.Term{1}, Tail: etf.ImproperList{Elems: []etf.Term{2}, Tail: etf.List{3}}},
			etf.List{int64(1), int64(2), int64(3)},
		},
		{
			etf.ImproperList{Elems: []etf.Term{1}, Tail: etf.ImproperList{Elems: []etf.Term{2}, Tail: 3}},
			etf.ImproperList{Elems: []etf.Term{int64(1), int64(2)}, Tail: int64(3)},
		},
		{etf.Tuple(nil), etf.Tuple{}},
		{etf.List(nil), etf.List{}},
		{etf.Map(nil), etf.Map{}},
	} {
		out, err := etf.Append([]byte("x"), c.value)
		if err != nil {
			t.Errorf("%#v: %v", c.value, err)
			continue
		}
		want, err := etf.Append([]byte("x"), c.same)
		if err != nil || !bytes.Equal(out, want) {
			t.Errorf("%#v: %x, %v; want %x", c.value, out, err, want)
		}
		if got, _, err := etf.Decode(out[1:]); err != nil || !etf.Equal(got, c.value) {
			t.Errorf("%#v: read again as %#v, %v", c.value, got, err)
		}
	}
}

func TestNotTerms(t *testing.T) {
	loop := etf.List{nil}
	loop[0] = loop
	for name, v := range map[string]etf.Term{
		"struct":              struct{}{},
		"map of Go":           map[string]int{"a": 1},
		"nil pointer":         (*big.Int)(nil),
		"NaN":                 math.NaN(),
		"infinity":            float32(math.Inf(-1)),
		"atom of 256":         etf.Atom(strings.Repeat("é", 256)),
		"atom not UTF-8":      etf.Atom("\xff"),
		"in a tuple":          etf.Tuple{1, etf.List{2, struct{}{}}},
		"in a key":            etf.Map{etf.Entry(struct{}{}, 1)},
		"in a value":          etf.Map{etf.Entry(1, struct{}{})},
		"in a tail":           etf.ImproperList{Elems: []etf.Term{1}, Tail: struct{}{}},
		"no elements":         etf.ImproperList{Tail: 1},
		"same keys":           etf.Map{etf.Entry("a", 1), etf.Entry("b", 1), etf.Entry([]byte("a"), 2)},
		"same integers":       etf.Map{etf.Entry(1, 1), etf.Entry(int64(1), 2)},
		"whole bytes":         etf.Bitstring{Bytes: []byte{1}, Bits: 8},
		"no bits":             etf.Bitstring{Bytes: []byte{1}},
		"no bytes":            etf.Bitstring{Bits: 1},
		"reference of none":   etf.Ref{Node: "n"},
		"reference of six":    etf.Ref{Node: "n", Len: 6},
		"node not UTF-8":      etf.PID{Node: "\xff"},
		"port's node":         etf.Port{Node: "\xff"},
		"module":              etf.Export{Module: "\xff"},
		"no fun":              etf.Fun{},
		"another term":        etf.Fun{97, 1},
		"loop":                loop,
		"integer too long":    power(maxBits),
		"nested same in keys": etf.Map{etf.Entry(etf.Map{etf.Entry(1, 1), etf.Entry(1, 2)}, 1)},
	} {
		if out, err := etf.Append([]byte("x"), v); err == nil || string(out) != "x" {
			t.Errorf("%s: %d bytes, %v", name, len(out), err)
		}
	}
}

// maxBits is how many bits integers of OTP 25 have at most.
const maxBits = (1<<19 - 1) * 64

func TestEqual(t *testing.T) {
	wide := func(first int) etf.Map {
		m := make(etf.Map, 100)
		for k := range m {
			m[k] = etf.Entry((first+k)%100, etf.Map{})
		}
		return m
	}
	for name, c := range map[string]struct {
		a, b etf.Term
		want bool
	}{
		"integer and float":      {1, 1.0, false},
		"zeros":                  {0.0, math.Copysign(0, -1), false},
		"atom and binary":        {etf.Atom("a"), "a", false},
		"binary and atom":        {[]byte("a"), etf.Atom("a"), false},
		"string and charlist":    {"a", etf.List{97}, false},
		"order of pairs":         {etf.Map{etf.Entry(1, 2), etf.Entry("a", 3)}, etf.Map{etf.Entry("a", 3), etf.Entry(1, 2)}, true},
		"order of pairs in keys": {etf.Map{etf.Entry(wide(0), 1)}, etf.Map{etf.Entry(wide(50), 1)}, true},
		"values":                 {etf.Map{etf.Entry(1, 2)}, etf.Map{etf.Entry(1, 3)}, false},
		"fewer pairs":            {etf.Map{etf.Entry(1, 2)}, etf.Map{}, false},
		"tails":                  {etf.ImproperList{Elems: []etf.Term{1}, Tail: etf.List{2}}, etf.List{1, 2}, true},
		"bits":                   {etf.Bitstring{Bytes: []byte{0xff}, Bits: 1}, etf.Bitstring{Bytes: []byte{0x80}, Bits: 1}, true},
		"not terms":              {struct{}{}, struct{}{}, false},
	} {
		if got := etf.Equal(c.a, c.b); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if got := etf.Equal(c.b, c.a); got != c.want {
			t.Errorf("%s, the other way round: %v", name, got)
		}
	}
}

// TestDuplicateKeys has maps above and below the number of keys from which on they
// are sorted.
func TestDuplicateKeys(t *testing.T) {
	for _, n := range []int{2, 3, 32, 33, 500} {
		for name, key := range map[string]func(int) etf.Term{
			"integers": func(k int) etf.Term { return k },
			"binaries": func(k int) etf.Term { return strings.Repeat("k", k) },
			"tuples":   func(k int) etf.Term { return etf.Tuple{k} },
		} {
			out := etf.AppendMap(nil, n)
			bare := func(v etf.Term) {
				var err error
				if out, err = etf.AppendBare(out, v); err != nil {
					t.Fatal(err)
				}
			}
			for k := range n - 1 {
				bare(key(k))
				bare(k)
			}
			once := len(out)
			bare(key(n))
			bare(0)
			if _, _, err := etf.DecodeBare(out); err != nil {
				t.Errorf("%d %s: %v", n, name, err)
			}
			out = out[:once]
			bare(key(0))
			bare(0)
			if v, _, err := etf.DecodeBare(out); err == nil {
				t.Errorf("%d %s, two the same: %v", n, name, v)
			}
		}
	}
}

// TestParts puts a term together from its parts.
func TestParts(t *testing.T) {
	out := etf.AppendTuple(etf.AppendVersion(nil), 4)
	out, err := etf.AppendAtom(out, "row")
	if err != nil {
		t.Fatal(err)
	}
	out = etf.AppendInt(etf.AppendBinary(etf.AppendMap(out, 1), "id"), -1<<40)
	out = etf.AppendNil(etf.AppendBinary(etf.AppendList(out, 1), []byte("x")))
	if out, err = etf.AppendFloat(out, 0.5); err != nil {
		t.Fatal(err)
	}
	want := etf.Tuple{etf.Atom("row"), etf.Map{etf.Entry("id", int64(-1<<40))}, etf.List{"x"}, 0.5}
	if got, rest, err := etf.Decode(out); err != nil || len(rest) != 0 || !etf.Equal(got, want) {
		t.Errorf("got %#v, %x, %v", got, rest, err)
	}
}

func TestShapes(t *testing.T) {
	if _, ok := etf.Tagged(etf.Tuple{etf.Atom("$gen_call"), 1, 2}, "$gen_call", 3); !ok {
		t.Error("a call is not one")
	}
	for _, other := range []etf.Term{
		etf.Tuple{}, etf.Tuple{etf.Atom("$gen_call"), 1}, etf.Tuple{"$gen_call", 1, 2}, etf.List{etf.Atom("$gen_call"), 1, 2},
	} {
		if _, ok := etf.Tagged(other, "$gen_call", 3); ok {
			t.Errorf("%#v is a call", other)
		}
	}

	m := etf.Map{etf.Entry([]byte("a"), 1), etf.Entry(etf.List{1}, 2)}
	if v, ok := m.Get(etf.List{1}); !ok || v != 2 {
		t.Errorf("got %v, %v", v, ok)
	}
	if v, ok := m.Get(etf.Atom("a")); ok {
		t.Errorf("an atom for a binary: %v", v)
	}

	l := etf.Keyword(etf.Entry(etf.Atom("timeout"), 5), etf.Entry(etf.Atom("timeout"), 6))
	l = append(l, etf.Atom("chunks"), etf.Tuple{[]byte("x"), 1}, 7)
	for key, want := range map[etf.Atom]etf.Term{"timeout": 5, "chunks": etf.Atom("true")} {
		if v, ok := l.Get(key); !ok || v != want {
			t.Errorf("%s: %v, %v", key, v, ok)
		}
	}
	if v, ok := l.Get("x"); ok {
		t.Errorf("x: %v", v)
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		in   etf.Term
		want string
		ok   bool
	}{
		{[]byte("häh"), "häh", true},
		{"häh", "häh", true},
		{etf.List{'h', 0xe4, etf.List{"h", etf.List{}}}, "häh", true},
		{etf.ImproperList{Elems: []etf.Term{'a'}, Tail: []byte("b")}, "ab", true},
		{etf.ImproperList{Elems: []etf.Term{'a'}, Tail: 'b'}, "", false},
		{etf.List{}, "", true},
		{etf.List{0xd800}, "", false},
		{etf.List{-1}, "", false},
		{etf.List{int64(1 << 32)}, "", false},
		{etf.List{"\xff"}, "", false},
		{[]byte("\xff"), "", false},
		{etf.Atom("a"), "", false},
		{1, "", false},
	} {
		got, ok := etf.Text(c.in)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%#v: %q, %v", c.in, got, ok)
		}
	}
}
