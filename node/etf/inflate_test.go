package etf_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"testing"

	"github.com/howdahdb/howdah/node/etf"
)

// compressed is a binary as term_to_binary(B, [compressed]) gives it.
func compressed(t testing.TB, binaryTerm []byte) []byte {
	t.Helper()
	return deflated(t, etf.AppendBinary(nil, binaryTerm))
}

func deflated(t testing.TB, bare []byte) []byte {
	t.Helper()
	out := bytes.NewBuffer(binary.BigEndian.AppendUint32([]byte{131, 80}, uint32(len(bare))))
	z := zlib.NewWriter(out)
	if _, err := z.Write(bare); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestInflate(t *testing.T) {
	want := bytes.Repeat([]byte("abc"), 10_000)
	in := compressed(t, want)
	got, rest, err := etf.Decode(append(bytes.Clone(in), 1, 2, 3))
	if err != nil || !etf.Equal(got, want) || !bytes.Equal(rest, []byte{1, 2, 3}) {
		t.Fatalf("rest %x, %v", rest, err)
	}
	// Zeros are what compresses best.
	zeros := make([]byte, 1<<20)
	if got, _, err := etf.Decode(compressed(t, zeros)); err != nil || !etf.Equal(got, zeros) {
		t.Error(err)
	}

	if _, _, err := (etf.Limits{Inflated: len(want)}).Decode(in); err == nil {
		t.Error("above the limit")
	}
	for n := range in {
		if _, _, err := etf.Decode(in[:n]); err == nil {
			t.Fatalf("the first %d bytes are a term", n)
		}
	}
	for name, spoil := range map[string]func([]byte){
		"size one less": func(b []byte) { b[5]-- },
		"size one more": func(b []byte) { b[5]++ },
		"checksum":      func(b []byte) { b[len(b)-1]++ },
		"stream":        func(b []byte) { b[6]++ },
	} {
		b := bytes.Clone(in)
		spoil(b)
		if _, _, err := etf.Decode(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, c := range map[string]struct {
		bare []byte
		want string
	}{
		"two terms":   {[]byte{106, 106}, "etf: offset 1, tag 80 (compressed): 1 bytes after the inflated term"},
		"bad term":    {[]byte{104, 1, 0}, "etf: offset 2 of the inflated term, tag 0: not a term that nodes send"},
		"with itself": {[]byte{80, 0, 0, 0, 1}, "etf: offset 0 of the inflated term, tag 80 (compressed): not a term that nodes send"},
	} {
		if _, _, err := etf.Decode(deflated(t, c.bare)); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}
