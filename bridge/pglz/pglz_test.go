package pglz_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/bridge/pglz"
)

func TestDecompress(t *testing.T) {
	for name, c := range map[string]struct{ src, want string }{
		"literals":         {"00 61 62 63", "abc"},
		"match":            {"08 61 62 63 00 03", "abcabc"},
		"run":              {"02 61 02 01", "aaaaaa"},
		"long run":         {"02 61 0f 01 02", strings.Repeat("a", 21)},
		"cut by the end":   {"02 61 0f 01 ff", "aaaa"},
		"cut":              {"00 61", "!abc"},
		"cut match":        {"02 61 00", "!aaaa"},
		"cut long match":   {"02 61 0f 01", "!aaaaaaaaaaaaaaaaaaaaa"},
		"before the start": {"02 61 00 02", "!aaaa"},
		"no distance":      {"02 61 00 00", "!aaaa"},
		"too long":         {"00 61 62", "!a"},
		"nothing":          {"", "!a"},
	} {
		src, err := hex.DecodeString(strings.ReplaceAll(c.src, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		want, bad := strings.CutPrefix(c.want, "!")
		dst := make([]byte, len(want))
		if err := pglz.Decompress(dst, src); (err != nil) != bad || !bad && string(dst) != want {
			t.Errorf("%s: %q, %v", name, dst, err)
		}
	}
}

// FuzzDecompress takes any bytes for compressed ones: what comes of them is there
// again when it is taken for as many bytes or fewer.
func FuzzDecompress(f *testing.F) {
	f.Add([]byte{0, 'a', 'b', 'c'}, uint16(3))
	f.Add([]byte{2, 'a', 0x0f, 1, 2}, uint16(21))
	f.Fuzz(func(t *testing.T, src []byte, size uint16) {
		dst := make([]byte, size)
		if pglz.Decompress(dst, src) != nil {
			return
		}
		if len(dst) > pglz.MaxRatio*len(src) {
			t.Errorf("%d bytes of %d", len(dst), len(src))
		}
		again := bytes.Repeat([]byte{0xee}, len(dst))
		if err := pglz.Decompress(again, src); err != nil || !bytes.Equal(dst, again) {
			t.Errorf("%x the second time, not %x (%v)", again, dst, err)
		}
	})
}
