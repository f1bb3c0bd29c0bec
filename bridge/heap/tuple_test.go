package heap

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// columns of the tables that the tuples below are of.
var (
	int4Column = Column{4, 'i'}
	int8Column = Column{8, 'd'}
	charColumn = Column{1, 'c'}
	textColumn = Column{-1, 'i'}
	cstrColumn = Column{-2, 'c'}
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// String shows a Datum in a line.
func (d Datum) String() string {
	switch d.Kind {
	case Null:
		return "null"
	case Missing:
		return "missing"
	case External:
		return fmt.Sprint(d.Pointer)
	}
	return fmt.Sprintf("%q", d.Bytes)
}

func TestDeform(t *testing.T) {
	for name, c := range map[string]struct {
		tuple string // as it is logged
		cols  []Column
		want  string
	}{
		"fixed":         {"0300 0000 18 00 01000000 78 000000 0200000000000000", []Column{int4Column, charColumn, int8Column}, `"\x01\x00\x00\x00" "x" "\x02\x00\x00\x00\x00\x00\x00\x00"`},
		"short":         {"0200 0200 18 00 01000000 07 6162", []Column{int4Column, textColumn}, `"\x01\x00\x00\x00" "ab"`},
		"empty":         {"0100 0200 18 00 03", []Column{textColumn}, `""`},
		"long":          {"0200 0200 18 00 78 000000 18000000 6162", []Column{charColumn, textColumn}, `"x" "ab"`},
		"unaligned":     {"0200 0200 18 00 78 07 6162", []Column{charColumn, textColumn}, `"x" "ab"`},
		"nulls":         {"0300 0100 18 05 01000000 02000000", []Column{int4Column, int4Column, int4Column}, `"\x01\x00\x00\x00" null "\x02\x00\x00\x00"`},
		"missing":       {"0100 0000 18 00 01000000", []Column{int4Column, textColumn, int4Column}, `"\x01\x00\x00\x00" missing missing`},
		"compressed":    {"0100 0200 18 00 3a000000 06000000 08 616263 0003", []Column{textColumn}, `"abcabc"`},
		"external":      {"0100 0600 18 00 0112 04080000 0008000001400000 05400000", []Column{textColumn}, "{2052 2048 16385 16389}"},
		"C string":      {"0200 0000 18 00 616200 78", []Column{cstrColumn, charColumn}, `"ab" "x"`},
		"dropped":       {"0200 0100 18 02 05000000", []Column{int8Column, int4Column}, `null "\x05\x00\x00\x00"`},
		"no columns":    {"0000 0000 18 00", nil, ""},
		"many":          {"0200 0000 18 00 01000000 02000000", []Column{int4Column}, "!2 columns"},
		"cut":           {"0200 0000 18 00 01000000 0200", []Column{int4Column, int4Column}, "!past the end"},
		"cut short":     {"0100 0200 18 00 09 6162", []Column{textColumn}, "!past the end"},
		"cut long":      {"0100 0200 18 00 1c000000 6162", []Column{textColumn}, "!past the end"},
		"less than 4":   {"0100 0200 18 00 0c000000", []Column{textColumn}, "!past the end"},
		"cut C string":  {"0100 0000 18 00 6162", []Column{cstrColumn}, "!past the end"},
		"cut pointer":   {"0100 0600 18 00 0112 04080000", []Column{textColumn}, "!past the end"},
		"pointer":       {"0100 0600 18 00 0101 04080000 0008000001400000 05400000", []Column{textColumn}, "!kind 1"},
		"lz4":           {"0100 0200 18 00 2a000000 06000040 0861", []Column{textColumn}, "!method 1"},
		"bomb":          {"0100 0200 18 00 2a000000 ffffff3f 0861", []Column{textColumn}, "!are said"},
		"bad pglz":      {"0100 0200 18 00 2a000000 06000000 0861", []Column{textColumn}, "!pglz"},
		"header":        {"0100 0000 16 00", []Column{int4Column}, "!header"},
		"long header":   {"0100 0000 30 00", []Column{int4Column}, "!header"},
		"null bitmap":   {"0900 0100 18 00", []Column{int4Column}, "!header"},
		"nothing":       {"0100", []Column{int4Column}, "!2 bytes"},
		"length":        {"0100 0000 18 00 01", []Column{{-3, 'c'}}, "!length of -3"},
		"padding ahead": {"0200 0200 18 00 01000000 00", []Column{int4Column, textColumn}, "!past the end"},
	} {
		t.Run(name, func(t *testing.T) {
			tuple, err := ParseTuple(unhex(t, c.tuple))
			var d []Datum
			if err == nil {
				d, err = tuple.Deform(nil, c.cols)
			}
			if want, bad := strings.CutPrefix(c.want, "!"); bad {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v, %v; expected an error with %q", d, err, want)
				}
				return
			}
			if got := strings.Trim(fmt.Sprint(d), "[]"); err != nil || got != c.want {
				t.Errorf("%s, %v; expected %s", got, err, c.want)
			}
			if again := tuple.Append(nil); string(again) != string(unhex(t, c.tuple)) {
				t.Errorf("appended %x", again)
			}
		})
	}
}

// chunkRow is a row of a toast table.
func chunkRow(id, seq uint32, data string) *Tuple {
	b := le.AppendUint32([]byte{0}, id)
	b = le.AppendUint32(b, seq)
	b = le.AppendUint32(b, uint32(len(data)+4)<<2)
	return &Tuple{Infomask2: 3, Infomask: 2, Hoff: 24, Body: append(b, data...)}
}

func TestToast(t *testing.T) {
	var toast Toast
	add := func(row *Tuple) {
		t.Helper()
		if err := toast.Add(row); err != nil {
			t.Fatal(err)
		}
	}
	plain, packed := Pointer{RawSize: 10, Info: 6, Value: 7}, Pointer{RawSize: 10, Info: 10, Value: 8}
	packed.RawSize = 21 + 4
	packed.Info = 4 + 5
	if _, ok, err := toast.Value(plain); ok || err != nil || !toast.Empty() {
		t.Error("there is a value", ok, err)
	}
	add(chunkRow(7, 0, "abc"))
	add(chunkRow(8, 0, "\x15\x00\x00\x00\x02a"))
	if _, ok, err := toast.Value(plain); !ok || !errors.Is(err, ErrCorrupt) {
		t.Error("half a value:", ok, err)
	}
	add(chunkRow(7, 1, "def"))
	add(chunkRow(8, 1, "\x0f\x01\x02"))
	for p, want := range map[Pointer]string{plain: "abcdef", packed: strings.Repeat("a", 21)} {
		got, ok, err := toast.Value(p)
		if !ok || err != nil || string(got) != want {
			t.Errorf("%v: %q, %v, %v", p, got, ok, err)
		}
	}
	wrong := packed
	wrong.RawSize++
	if _, _, err := toast.Value(wrong); !errors.Is(err, ErrCorrupt) {
		t.Error("a value of another size:", err)
	}
	if err := toast.Add(chunkRow(7, 1, "def")); !errors.Is(err, ErrCorrupt) {
		t.Error("a chunk for the second time:", err)
	}
	if err := toast.Add(&Tuple{Infomask2: 2, Hoff: 24, Body: make([]byte, 9)}); !errors.Is(err, ErrCorrupt) {
		t.Error("a chunk without data:", err)
	}
	kept, _, _ := toast.Value(plain)
	toast.Clear()
	add(chunkRow(7, 0, "ABCDEF"))
	if string(kept) != "abcdef" {
		t.Errorf("a value has become %q", kept)
	}
}
