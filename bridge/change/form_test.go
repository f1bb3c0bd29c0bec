package change_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/value"
)

var update = flag.Bool("update", false, "write the golden files of this package anew")

func encode(t testing.TB, s *change.Set) []byte {
	t.Helper()
	var e change.Encoder
	b, err := e.Append(nil, s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t testing.TB, b []byte) *change.Set {
	t.Helper()
	var d change.Decoder
	s, rest, err := d.Decode(b)
	if err != nil || len(rest) > 0 {
		t.Fatalf("%v, %d bytes left", err, len(rest))
	}
	return s
}

// same is DeepEqual for which a NaN is one.
func same(a, b any) bool {
	return reflect.DeepEqual(a, b) || fmt.Sprintf("%#v", deref(reflect.ValueOf(a))) == fmt.Sprintf("%#v", deref(reflect.ValueOf(b)))
}

// deref makes of a value one without pointers, which prints the same if it is.
func deref(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return []any{v.Type().String(), v.Elem().Type().String(), deref(v.Elem())}
	case reflect.Struct:
		if m := v.MethodByName("UnixMicro"); m.IsValid() {
			return m.Call(nil)[0].Int()
		}
		var fields []any
		for k := range v.NumField() {
			fields = append(fields, deref(v.Field(k)))
		}
		return fields
	case reflect.Slice:
		list := []any{v.IsNil()}
		for k := range v.Len() {
			list = append(list, deref(v.Index(k)))
		}
		return list
	}
	return fmt.Sprintf("%#v", v.Interface())
}

// TestGolden compares the bytes with those in testdata, which other programs read,
// and reads them back.
func TestGolden(t *testing.T) {
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			b := encode(t, s)
			golden(t, name+".hex", lines(b))
			if got := decode(t, b); !same(got, s) {
				t.Errorf("read back:\n%#v\nnot\n%#v", deref(reflect.ValueOf(got)), deref(reflect.ValueOf(s)))
			}
		})
	}
}

// lines writes bytes in hex, 32 a line.
func lines(b []byte) []byte {
	var out bytes.Buffer
	for ; len(b) > 0; b = b[min(32, len(b)):] {
		fmt.Fprintf(&out, "%x\n", b[:min(32, len(b))])
	}
	return out.Bytes()
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

// TestDeterministic holds the form against another implementation's idea of core
// deterministic encoding (RFC 8949 §4.2.1), which the form is but for floats: those
// keep their width.
func TestDeterministic(t *testing.T) {
	o := cbor.CoreDetEncOptions()
	o.ShortestFloat, o.NaNConvert, o.InfConvert = cbor.ShortestFloatNone, cbor.NaNConvertNone, cbor.InfConvertNone
	enc, err := o.EncMode()
	if err != nil {
		t.Fatal(err)
	}
	dec, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, UTF8: cbor.UTF8RejectInvalid,
	}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range samples() {
		for k := range s.Changes {
			plain(s.Changes[k].New)
			plain(s.Changes[k].Old)
		}
		b := encode(t, s)
		var v map[uint64]any
		if err := dec.Unmarshal(b, &v); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := enc.Marshal(v)
		if err != nil || !bytes.Equal(b, again) {
			t.Errorf("%s: %v\n%x\n%x", name, err, b, again)
		}
	}
}

// plain takes out what the other implementation reads as something else: floats of 32
// bits as of 64, and undefined as null.
func plain(row []any) {
	for k := range row {
		switch row[k].(type) {
		case float32, value.Unchanged:
			row[k] = nil
		}
	}
}

func TestMalformed(t *testing.T) {
	whole := encode(t, samples()["rows"])
	for n := range whole {
		if _, _, err := new(change.Decoder).Decode(whole[:n]); !errors.Is(err, change.ErrMalformed) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
	for name, in := range map[string]string{
		"not-a-map":          "80",
		"no-version":         "a0",
		"long-head":          "a1 00 1801",
		"indefinite":         "bf 00 01 ff",
		"key-twice":          "a3 00 01 02 01 02 01",
		"keys-fall":          "a3 00 01 03 01 02 01",
		"unknown-key":        "a2 00 01 0d 01",
		"zero-not-left-out":  "a2 00 01 02 00",
		"false-not-left-out": "a2 00 01 0a f4",
		"text-not-utf8":      "a2 00 01 01 61ff",
		"utf8-as-other":      "a2 00 01 01 d9bc554161",
		"huge-array":         "a2 00 01 0c 9b7fffffffffffffff",
		"huge-text":          "a2 00 01 01 7b7fffffffffffffff",
		"unknown-table":      "a2 00 01 0c 81 a2 00 01 01 00",
		"unused-table":       "a3 00 01 0b 81 85 01 6161 6162 1864 80 0c 81 a1 00 05",
		"unknown-kind":       "a2 00 01 0c 81 a1 00 07",
		"insert-of-nothing":  "a2 00 01 0c 81 a1 00 01",
		"row-too-long":       "a3 00 01 0b 81 85 01 6161 6162 1864 80 0c 81 a3 00 01 01 00 04 81 01",
		"unknown-tag":        "a3 00 01 0b 81 85 01 6161 6162 1864 81 85 6161 01 20 00 f6 0c 81 a3 00 01 01 00 04 81 c101",
	} {
		t.Run(name, func(t *testing.T) {
			b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(in), []byte(" "), nil)))
			if err != nil {
				t.Fatal(err)
			}
			if s, _, err := new(change.Decoder).Decode(b); !errors.Is(err, change.ErrMalformed) {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
	var version *change.VersionError
	if _, _, err := new(change.Decoder).Decode([]byte{0xa1, 0, 2}); !errors.As(err, &version) || version.Version != 2 {
		t.Errorf("another version: %v", err)
	}
}

func TestNested(t *testing.T) {
	table := &change.Table{Name: "t", Columns: []change.Column{{Name: "c"}}}
	deep := func(n int) *change.Set {
		var v any = int64(1)
		for range n {
			v = &value.Record{Names: []string{"f"}, Values: []any{v}}
		}
		return &change.Set{Changes: []change.Change{{Kind: change.Insert, Table: table, New: []any{v}}}}
	}
	if s := deep(64); !same(decode(t, encode(t, s)), s) {
		t.Error("64 records within each other came back otherwise")
	}
	if b, err := new(change.Encoder).Append([]byte("x"), deep(65)); err == nil || string(b) != "x" {
		t.Errorf("65 records within each other: %q, %v", b, err)
	}
	bad := &change.Set{Changes: []change.Change{{Kind: change.Insert, Table: table, New: []any{int32(1)}}}}
	if _, err := new(change.Encoder).Append(nil, bad); err == nil {
		t.Error("an int32 is no value")
	}
}

// TestShared reads a sequence of sets: those of one table share it.
func TestShared(t *testing.T) {
	table := everything(change.IdentityDefault)
	var e change.Encoder
	var b []byte
	for k := range 3 {
		var err error
		s := &change.Set{LSN: 8, Changes: []change.Change{{Kind: change.Insert, Table: table, New: row(k)}}}
		if b, err = e.Append(b, s); err != nil {
			t.Fatal(err)
		}
	}
	var d change.Decoder
	tables := map[*change.Table]bool{}
	for len(b) > 0 {
		s, rest, err := d.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		tables[s.Changes[0].Table] = true
		b = rest
	}
	if len(tables) != 1 {
		t.Errorf("%d tables", len(tables))
	}
}

// TestManyTables has more of them than are looked for one by one.
func TestManyTables(t *testing.T) {
	s := &change.Set{LSN: 8}
	for range 2 {
		for k := range 40 {
			s.Changes = append(s.Changes, change.Change{Kind: change.Truncate, Table: &change.Table{OID: uint32(k), Name: fmt.Sprint(k)}})
		}
	}
	copy(s.Changes[40:], s.Changes[:40])
	if got := decode(t, encode(t, s)); !same(got, s) {
		t.Error("came back otherwise")
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range samples() {
		f.Add(encode(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, rest, err := new(change.Decoder).Decode(b)
		if err != nil {
			if s != nil {
				t.Error("a set and an error")
			}
			return
		}
		if len(rest) >= len(b) {
			t.Fatal("nothing was read")
		}
		if again := decode(t, encode(t, s)); !same(again, s) {
			t.Errorf("read again:\n%+v\nnot\n%+v", again, s)
		}
		change.AppendJSON(nil, s)
	})
}

// TestAllocation bounds what is allocated by the size of the input, for lengths that
// lie.
func TestAllocation(t *testing.T) {
	whole := encode(t, samples()["rows"])
	limit := uint64(1000 + 200*len(whole))
	for n := range whole {
		for _, head := range [][]byte{{0x9a, 0x7f, 0xff, 0xff, 0xff}, {0xba, 0x00, 0xff, 0xff, 0xff}, {0x5a, 0x7f, 0xff, 0xff, 0xff}, {0x99, 0x01, 0x00}} {
			b := bytes.Clone(whole)
			copy(b[n:], head)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := new(change.Decoder).Decode(b)
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > limit {
				t.Fatalf("%x at %d: %d bytes for %d, %v", head, n, took, len(b), err)
			}
		}
	}
}

// point is the commit of one row in a table of 10 columns.
func onePoint() *change.Set {
	table := &change.Table{OID: 16390, Schema: "public", Name: "orders", Identity: change.IdentityDefault}
	row := []any{int64(4711)}
	for k := range 10 {
		table.Columns = append(table.Columns, change.Column{Name: fmt.Sprintf("column_%d", k), Number: int16(k + 1), Type: text, Typmod: -1, Key: k == 0})
	}
	for k := range 9 {
		row = append(row, fmt.Sprintf("some text %d", k))
	}
	return &change.Set{Database: "app", LSN: 1 << 30, Commit: 1<<30 - 40, XID: 7, Changes: []change.Change{{Kind: change.Insert, XID: 7, LSN: 1<<30 - 200, Table: table, New: row}}}
}

func BenchmarkEncode(b *testing.B) {
	b.ReportAllocs()
	s := onePoint()
	var e change.Encoder
	var out []byte
	for b.Loop() {
		var err error
		if out, err = e.Append(out[:0], s); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(out)))
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	in := encode(b, onePoint())
	b.SetBytes(int64(len(in)))
	var d change.Decoder
	for b.Loop() {
		if _, _, err := d.Decode(in); err != nil {
			b.Fatal(err)
		}
	}
}
