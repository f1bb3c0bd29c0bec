package etf_test

import (
	"bytes"
	"testing"

	"github.com/howdahdb/howdah/node/etf"
)

func seeds(f *testing.F) {
	for _, c := range forms {
		f.Add(append([]byte{131}, unhex(f, c.in)...))
	}
	for _, in := range hostile() {
		f.Add(in[:min(len(in), 1<<10)])
	}
	f.Add(unhex(f, `83 70 0000003b`+funHead+`00000002`+funTail+`61 01 68 00`))
	f.Add(compressed(f, bytes.Repeat([]byte("abc"), 100)))
}

// FuzzDecode looks for input that makes decoding panic, and for terms that are read
// beyond what they have.
func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		got, rest, err := etf.Decode(in)
		if err != nil {
			return
		}
		used := len(in) - len(rest)
		if !bytes.Equal(in[used:], rest) {
			t.Fatal("the rest is not the end of the input")
		}
		again, rest, err := etf.Decode(in[:used:used])
		if err != nil || len(rest) != 0 || !etf.Equal(got, again) {
			t.Fatalf("without its rest: %#v, %x, %v", again, rest, err)
		}
	})
}

// FuzzRoundTrip writes what it has read, and reads it again.
func FuzzRoundTrip(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		got, _, err := etf.Decode(in)
		if err != nil {
			return
		}
		out, err := etf.Append(nil, got)
		if err != nil {
			t.Fatalf("%#v: %v", got, err)
		}
		again, rest, err := etf.Decode(out)
		if err != nil || len(rest) != 0 {
			t.Fatalf("%#v: written as %x: %v", got, out, err)
		}
		if !etf.Equal(got, again) {
			t.Fatalf("%#v: read again as %#v", got, again)
		}
		if once, err := etf.Append(nil, again); err != nil || !bytes.Equal(once, out) {
			t.Fatalf("%x: written again as %x, %v", out, once, err)
		}
	})
}
