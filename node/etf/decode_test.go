package etf_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/big"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/node/etf"
)

// unhex reads hexadecimal digits with spaces; what is in quotes stands for itself.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var out []byte
	for k, part := range strings.Split(s, `"`) {
		if k%2 == 1 {
			out = append(out, part...)
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		out = append(out, b...)
	}
	return out
}

const (
	funHead = `02 000102030405060708090a0b0c0d0e0f 00000007`
	funTail = `77 01 "m" 61 03 62 0000ffff 58 77 01 "n" 00000001 00000002 00000003`
)

func power(n uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), n) }

// forms has every tag: its bytes after the version, the term that they are, and the
// bytes that are written for it where those are others.
var forms = []struct {
	in   string
	term etf.Term
	out  string
}{
	{`61 ff`, int64(255), ``},
	{`62 ffffffff`, int64(-1), ``},
	{`62 00000001`, int64(1), `61 01`},
	{`6e 05 00 0000000001`, int64(1 << 32), ``},
	{`6e 05 01 0000000001`, int64(-1 << 32), ``},
	{`6e 08 01 0000000000000080`, int64(-1 << 63), ``},
	{`6e 08 00 0000000000000080`, power(63), ``},
	{`6e 08 01 0100000000000080`, new(big.Int).Neg(new(big.Int).Add(power(63), big.NewInt(1))), ``},
	{`6e 00 00`, int64(0), `61 00`},
	{`6e 01 01 00`, int64(0), `61 00`},
	{`6e 0a 00 05000000000000000000`, int64(5), `61 05`},
	{`6f 00000009 00 000000000000000001`, power(64), `6e 09 00 000000000000000001`},
	{`6f 00000100 00` + strings.Repeat("00", 255) + `01`, power(255 * 8), ``},
	{`46 3ff8000000000000`, 1.5, ``},
	{`46 8000000000000000`, -1 / inf, ``},
	{`63 "1.50000000000000000000e+00" 0000000000`, 1.5, `46 3ff8000000000000`},
	{`64 0002 "ok"`, etf.Atom("ok"), `77 02 "ok"`},
	{`73 03 "a" e9 "b"`, etf.Atom("aéb"), `77 04 "aéb"`},
	{`77 04 "aéb"`, etf.Atom("aéb"), ``},
	{`76 0002 "ok"`, etf.Atom("ok"), `77 02 "ok"`},
	{`76 01fe` + strings.Repeat("c3a9", 255), etf.Atom(strings.Repeat("é", 255)), ``},
	{`77 00`, etf.Atom(""), ``},
	{`68 00`, etf.Tuple{}, ``},
	{`68 02 61 01 6a`, etf.Tuple{int64(1), etf.List{}}, ``},
	{`69 00000001 61 01`, etf.Tuple{int64(1)}, `68 01 61 01`},
	{`69 00000100` + strings.Repeat("6a", 256), etf.Tuple(slicesRepeat(etf.List{}, 256)), ``},
	{`6a`, etf.List{}, ``},
	{`6b 0003 "abc"`, etf.List{int64('a'), int64('b'), int64('c')}, ``},
	{`6b 0000`, etf.List{}, `6a`},
	{`6c 00000002 61 01 62 00000100 6a`, etf.List{int64(1), int64(256)}, ``},
	{`6c 00000001 61 01 6c 00000001 61 02 6b 0001 03`, etf.List{int64(1), int64(2), int64(3)}, `6b 0003 010203`},
	{`6c 00000001 61 01 61 02`, etf.ImproperList{Elems: []etf.Term{int64(1)}, Tail: int64(2)}, ``},
	{`6c 00000000 61 02`, int64(2), `61 02`},
	{`6c 00000000 6a`, etf.List{}, `6a`},
	{`6d 00000003 "abc"`, []byte("abc"), ``},
	{`6d 00000000`, []byte{}, ``},
	{`4d 00000002 03 ff e0`, etf.Bitstring{Bytes: []byte{0xff, 0xe0}, Bits: 3}, ``},
	{`4d 00000001 01 ff`, etf.Bitstring{Bytes: []byte{0x80}, Bits: 1}, `4d 00000001 01 80`},
	{`4d 00000001 08 ff`, []byte{0xff}, `6d 00000001 ff`},
	{`4d 00000000 00`, []byte{}, `6d 00000000`},
	{`74 00000000`, etf.Map{}, ``},
	{`74 00000002 6a 61 01 6d 00000001 "k" 77 02 "ok"`, etf.Map{etf.Entry(etf.List{}, int64(1)), etf.Entry([]byte("k"), etf.Atom("ok"))}, ``},
	{`58 77 01 "n" 00000001 00000002 00000003`, etf.PID{Node: "n", ID: 1, Serial: 2, Creation: 3}, ``},
	{`67 64 0001 "n" 00000001 00000002 03`, etf.PID{Node: "n", ID: 1, Serial: 2, Creation: 3}, `58 77 01 "n" 00000001 00000002 00000003`},
	{`59 77 01 "n" 00000001 00000003`, etf.Port{Node: "n", ID: 1, Creation: 3}, ``},
	{`66 77 01 "n" 00000001 03`, etf.Port{Node: "n", ID: 1, Creation: 3}, `59 77 01 "n" 00000001 00000003`},
	{`78 77 01 "n" 0000000100000002 00000003`, etf.Port{Node: "n", ID: 1<<32 + 2, Creation: 3}, ``},
	{`5a 0003 77 01 "n" 00000009 00000001 00000002 00000003`, etf.Ref{Node: "n", Creation: 9, Len: 3, Words: [5]uint32{1, 2, 3}}, ``},
	{`5a 0005 77 01 "n" 00000009 00000001 00000002 00000003 00000004 00000005`, etf.Ref{Node: "n", Creation: 9, Len: 5, Words: [5]uint32{1, 2, 3, 4, 5}}, ``},
	{`72 0002 77 01 "n" 03 00000001 00000002`, etf.Ref{Node: "n", Creation: 3, Len: 2, Words: [5]uint32{1, 2}}, `5a 0002 77 01 "n" 00000003 00000001 00000002`},
	{`65 77 01 "n" 00000007 03`, etf.Ref{Node: "n", Creation: 3, Len: 1, Words: [5]uint32{7}}, `5a 0001 77 01 "n" 00000003 00000007`},
	{`71 77 05 "lists" 77 03 "map" 61 02`, etf.Export{Module: "lists", Function: "map", Arity: 2}, ``},
}

var inf = func() float64 { var zero float64; return 1 / zero }()

func slicesRepeat(t etf.Term, n int) []etf.Term {
	out := make([]etf.Term, n)
	for k := range out {
		out[k] = t
	}
	return out
}

func TestForms(t *testing.T) {
	for _, c := range forms {
		in := append([]byte{131}, unhex(t, c.in)...)
		got, rest, err := etf.Decode(append(bytes.Clone(in), 42))
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if !reflect.DeepEqual(got, c.term) || !bytes.Equal(rest, []byte{42}) {
			t.Errorf("%s: got %#v and rest %v, want %#v", c.in, got, rest, c.term)
		}
		want := in
		if c.out != "" {
			want = append([]byte{131}, unhex(t, c.out)...)
		}
		if out, err := etf.Append(nil, c.term); err != nil || !bytes.Equal(out, want) {
			t.Errorf("%#v: written as %x, %v; want %x", c.term, out, err, want)
		}
		// Every beginning of a term is none.
		for n := range in {
			if v, _, err := etf.Decode(in[:n]); err == nil {
				t.Errorf("%s: the first %d bytes are %#v", c.in, n, v)
			}
		}
	}
}

func TestFun(t *testing.T) {
	for name, c := range map[string]struct{ body, why string }{
		"two free variables": {`0000003b` + funHead + `00000002` + funTail + `61 01 68 00`, ``},
		"size too small":     {`0000003a` + funHead + `00000002` + funTail + `61 01 68 00`, "needs 1 bytes of 0"},
		"size too large":     {`0000003c` + funHead + `00000002` + funTail + `61 01 68 00 00`, "size 60, and 59 bytes of it in use"},
		"size beyond input":  {`0000003f` + funHead + `00000002` + funTail + `61 01 68 00`, "needs 59 bytes of 55"},
		"more free variables than bytes": {`0000003b` + funHead + `ffffffff` + funTail + `61 01 68 00`,
			"announces 4294967295 terms in 4 bytes"},
		"size of nothing": {`00000003` + funHead, "size 3"},
	} {
		t.Run(name, func(t *testing.T) {
			in := append([]byte{112}, unhex(t, c.body)...)
			got, rest, err := etf.DecodeBare(in)
			if c.why != "" {
				if e := (*etf.Error)(nil); !errors.As(err, &e) || e.Why != c.why {
					t.Errorf("got %v, want %s", err, c.why)
				}
				return
			}
			if err != nil || len(rest) != 0 || !bytes.Equal(got.(etf.Fun), in) {
				t.Fatalf("got %#v, %x, %v", got, rest, err)
			}
			if out, err := etf.AppendBare(nil, got); err != nil || !bytes.Equal(out, in) {
				t.Errorf("written as %x, %v", out, err)
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	for in, want := range map[string]string{
		``:                                       "etf: offset 0, tag 0: no version byte",
		`61 01`:                                  "etf: offset 0, tag 97 (SMALL_INTEGER_EXT): not the version byte 131",
		`83`:                                     "etf: offset 1, tag 0: needs 1 bytes of 0",
		`83 00`:                                  "etf: offset 1, tag 0: not a term that nodes send",
		`83 52 00`:                               "etf: offset 1, tag 82: not a term that nodes send",
		`83 68 02 61 01 62 0000`:                 "etf: offset 5, tag 98 (INTEGER_EXT): needs 4 bytes of 2",
		`83 68 03 61 01`:                         "etf: offset 1, tag 104 (SMALL_TUPLE_EXT): announces 3 terms in 2 bytes",
		`83 68 02 61 6a`:                         "etf: offset 3, tag 97 (SMALL_INTEGER_EXT): needs 1 bytes of 0",
		`83 69 ffffffff 6a`:                      "etf: offset 1, tag 105 (LARGE_TUPLE_EXT): announces 4294967295 terms in 1 bytes",
		`83 6c ffffffff 6a`:                      "etf: offset 1, tag 108 (LIST_EXT): announces 4294967296 terms in 1 bytes",
		`83 6c 00000001 6a`:                      "etf: offset 1, tag 108 (LIST_EXT): announces 2 terms in 1 bytes",
		`83 74 ffffffff 6a 6a`:                   "etf: offset 1, tag 116 (MAP_EXT): announces 8589934590 terms in 2 bytes",
		`83 74 00000002 61 01 6a 62 00000001 6a`: "etf: offset 1, tag 116 (MAP_EXT): pair 1 has the key of another",
		`83 6d ffffffff 00`:                      "etf: offset 1, tag 109 (BINARY_EXT): needs 4294967295 bytes of 1",
		`83 6f ffffffff 00`:                      "etf: offset 1, tag 111 (LARGE_BIG_EXT): needs 4294967295 bytes of 0",
		`83 6e 01 02 01`:                         "etf: offset 1, tag 110 (SMALL_BIG_EXT): sign 2",
		`83 4d 00000001 09 00`:                   "etf: offset 1, tag 77 (BIT_BINARY_EXT): 9 bits in the last of 1 bytes",
		`83 4d 00000001 00 00`:                   "etf: offset 1, tag 77 (BIT_BINARY_EXT): 0 bits in the last of 1 bytes",
		`83 46 7ff0000000000000`:                 "etf: offset 1, tag 70 (NEW_FLOAT_EXT): +Inf is not an Erlang float",
		`83 46 7ff8000000000000`:                 "etf: offset 1, tag 70 (NEW_FLOAT_EXT): NaN is not an Erlang float",
		`83 63 "inf" ` + strings.Repeat("00", 28):   `etf: offset 1, tag 99 (FLOAT_EXT): "inf" is not a decimal float`,
		`83 63 "1e999" ` + strings.Repeat("00", 26): `etf: offset 1, tag 99 (FLOAT_EXT): "1e999" is not a decimal float`,
		`83 77 01 ff`:                              "etf: offset 1, tag 119 (SMALL_ATOM_UTF8_EXT): not UTF-8",
		`83 76 0003 eda080`:                        "etf: offset 1, tag 118 (ATOM_UTF8_EXT): not UTF-8",
		`83 76 0100` + strings.Repeat("61", 256):   "etf: offset 1, tag 118 (ATOM_UTF8_EXT): 256 characters",
		`83 64 0100` + strings.Repeat("61", 256):   "etf: offset 1, tag 100 (ATOM_EXT): 256 characters",
		`83 58 61 01`:                              "etf: offset 2, tag 97 (SMALL_INTEGER_EXT): not an atom",
		`83 5a 0000 77 00 00000000`:                "etf: offset 1, tag 90 (NEWER_REFERENCE_EXT): 0 words",
		`83 5a 0006 77 00 00000000`:                "etf: offset 1, tag 90 (NEWER_REFERENCE_EXT): 6 words",
		`83 72 0001 77 00 04 00000000`:             "etf: offset 1, tag 114 (NEW_REFERENCE_EXT): creation 4",
		`83 67 77 00 00000000 00000000 ff`:         "etf: offset 1, tag 103 (PID_EXT): creation 255",
		`83 71 77 00 77 00 62 00000100`:            "etf: offset 1, tag 113 (EXPORT_EXT): arity 256",
		`83 50 00000002 00`:                        "etf: offset 1, tag 80 (compressed): unexpected EOF",
		`83 50 04000001 00`:                        "etf: offset 1, tag 80 (compressed): 67108865 bytes inflated, the limit is 67108864",
		`83 50 00010000 00`:                        "etf: offset 1, tag 80 (compressed): 65536 bytes out of 1",
		`83` + strings.Repeat("6801", 1000) + `6a`: "etf: offset 2001, tag 106 (NIL_EXT): too deep",
		`83` + strings.Repeat("74 00000001", 9) + strings.Repeat("6a", 10): "etf: offset 41, tag 116 (MAP_EXT): maps in keys of maps too deep",
	} {
		if v, _, err := etf.Decode(unhex(t, in)); err == nil || err.Error() != want {
			t.Errorf("%.40s: got %#v, %v; want %s", in, v, err, want)
		}
	}
}

// TestTwoBytes tries every body of two bytes. Only these can be terms, whole or with
// a byte left over.
func TestTwoBytes(t *testing.T) {
	for body := range 1 << 16 {
		in := binary.BigEndian.AppendUint16([]byte{131}, uint16(body))
		got, rest, err := etf.Decode(in)
		var want etf.Term
		left := 0
		switch tag, next := in[1], in[2]; {
		case tag == 97:
			want = int64(next)
		case tag == 104 && next == 0:
			want = etf.Tuple{}
		case (tag == 115 || tag == 119) && next == 0:
			want = etf.Atom("")
		case tag == 106:
			want, left = etf.List{}, 1
		default:
			if err == nil {
				t.Fatalf("%x: %#v", in, got)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, want) || len(rest) != left {
			t.Fatalf("%x: got %#v, %x, %v; want %#v", in, got, rest, err, want)
		}
	}
}

// hostile are inputs that announce much more than they hold.
func hostile() map[string][]byte {
	repeat := func(head string, n int) []byte {
		return append([]byte{131}, strings.Repeat(head, n)...)
	}
	nest := func(tag byte, wide int) []byte { // each level announces nearly all that is left
		in := []byte{131}
		for k := range 900 {
			in = append(binary.BigEndian.AppendUint32(append(in, tag), uint32(wide-6*k)), 0x6a)
		}
		return append(in, bytes.Repeat([]byte{0x6a}, wide)...)
	}
	keys := []byte{131} // a map of a key that is a map, and so on, with many keys in the last
	for range 7 {
		keys = append(keys, 116, 0, 0, 0, 2)
	}
	keys = etf.AppendMap(keys, 10_000)
	for k := range 10_000 {
		keys = etf.AppendNil(etf.AppendInt(keys, int64(k)))
	}
	for range 7 {
		keys = etf.AppendNil(etf.AppendInt(etf.AppendNil(keys), 0))
	}
	return map[string][]byte{
		"maps in keys":      keys,
		"lists of 4 GiB":    repeat("l\xff\xff\xff\xff", 20_000),
		"tuples of 4 GiB":   repeat("i\xff\xff\xff\xff", 20_000),
		"tuples of all":     nest(105, 100_000),
		"lists of all":      nest(108, 100_000),
		"maps of half":      nest(116, 50_000),
		"one element each":  repeat("l\x00\x00\x00\x01j", 20_000),
		"deep tuples":       repeat("h\x01", 50_000),
		"strings":           append(repeat("k\xff\xff", 1), bytes.Repeat([]byte{1}, 1<<16)...),
		"compressed claims": []byte("\x83P\x03\xff\xff\xff\x78\x9c\x00"),
	}
}

// TestMemory measures what decoding of hostile input takes. A term takes 16 bytes
// where one byte announced it, lists that grow by their tails are copied, and keys are
// written and sorted once for each map that they are inside a key of.
func TestMemory(t *testing.T) {
	for name, in := range hostile() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, _ = etf.Decode(in)
			runtime.ReadMemStats(&after)
			if took, most := after.TotalAlloc-before.TotalAlloc, uint64(200*len(in)+1<<16); took > most {
				t.Errorf("%d bytes of input took %d", len(in), took)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	deep := append(bytes.Repeat([]byte{104, 1}, 5000), 106)
	got, _, err := etf.Limits{Depth: 5001}.DecodeBare(deep)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := etf.AppendBare(nil, got); err != nil || !bytes.Equal(out, deep) {
		t.Errorf("written as %d bytes, %v", len(out), err)
	}
	if _, _, err := (etf.Limits{Depth: 5000}).DecodeBare(deep); err == nil {
		t.Error("deeper than the limit")
	}
	if _, _, err := (etf.Limits{Depth: 1 << 30}).DecodeBare(bytes.Repeat(deep[:10_000], 10)); err == nil {
		t.Error("deeper than MaxDepth")
	}
}
