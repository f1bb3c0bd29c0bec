package wal

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite what testdata says of its records")

// TestGolden reads the records of testdata/records.txt, which PGlite wrote, and
// compares them with what stands below each.
func TestGolden(t *testing.T) {
	const name = "testdata/records.txt"
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	records := 0
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "hex ") {
			if strings.HasPrefix(line, "#") {
				out.WriteString(line)
			}
			continue
		}
		rec, err := hex.DecodeString(strings.TrimSpace(line[4:]))
		if err != nil {
			t.Fatal(err)
		}
		if checksum(rec) != le.Uint32(rec[20:]) {
			t.Errorf("wrong checksum: %s", line)
		}
		var r Record
		r.readHeader(0, rec)
		if err := r.decode(rec[recordHeader:]); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		fmt.Fprintf(&out, "%s%s\n", line, dump(&r))
		records++
	}
	if *update {
		if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if records < 8 {
		t.Errorf("%d records", records)
	}
	if got := out.String(); got != string(b) {
		t.Errorf("the records are\n%s", got)
	}
}

// TestDecode has bodies that are right, and bodies that are not.
func TestDecode(t *testing.T) {
	const rel = "7f060000 05000000 01400000"
	for name, c := range map[string]struct{ body, want string }{
		"nothing":          {"", "data -"},
		"short data":       {"ff 02 0102", "data 0102"},
		"no data":          {"ff 00", "data -"},
		"long data":        {"fe 02000000 0102", "data 0102"},
		"origin":           {"fd 0700 ff 01 aa", "origin 7 length 0 data aa"},
		"top xid":          {"fc e8020000 ff 01 aa", "xid 0/744"},
		"block":            {"00 00 0000" + rel + "03000000", "block 0: {1663 5 16385} fork 0 number 3 init false data -"},
		"block data":       {"02 62 0200" + rel + "03000000 ff 01 0102aa", "block 2: {1663 5 16385} fork 2 number 3 init true data 0102"},
		"same relation":    {"00 00 0000" + rel + "03000000 01 80 0000 04000000", "block 1: {1663 5 16385} fork 0 number 4"},
		"image":            {"00 10 0000 0400 1000 07 f01f" + rel + "03000000 01020304", "image: pglz, hole 8176 at 16, apply true, 01020304"},
		"lz4":              {"00 10 0000 0400 0000 08" + rel + "03000000 01020304", "image: lz4, hole 0 at 0, apply false"},
		"zstd":             {"00 10 0000 0400 0000 10" + rel + "03000000 01020304", "image: zstd"},
		"too little data":  {"ff 03 0102", "! 2 bytes of data, not 3"},
		"too much data":    {"ff 01 0102", "! 2 bytes of data, not 1"},
		"huge data":        {"fe ffffffff 00", "! 1 bytes of data, not 4294967295"},
		"unknown fragment": {"21 00", "! fragment 33"},
		"cut fragment":     {"fe 0100", "! fragment headers run past"},
		"cut block":        {"00 00 0000" + rel + "0300", "! fragment headers run past"},
		"falling blocks":   {"01 00 0000" + rel + "03000000 01 80 0000 04000000", "! block 1 after 1"},
		"no relation":      {"00 80 0000 04000000", "! block 0 is of the same relation"},
		"data not flagged": {"00 00 0100" + rel + "03000000 aa", "! block 0: flags 00 and 1 bytes"},
		"flagged, no data": {"00 20 0000" + rel + "03000000", "! block 0: flags 20 and 0 bytes"},
		"large image":      {"00 10 0000 0120 0000 00" + rel + "03000000", "! page image of 8193"},
		"empty image":      {"00 10 0000 0000 0000 04" + rel + "03000000", "! page image of 0"},
		"hole, no flag":    {"00 10 0000 0400 1000 00" + rel + "03000000 01020304", "! page image of 4 bytes, info 00"},
		"flag, no hole":    {"00 10 0000 0400 0000 01" + rel + "03000000 01020304", "! page image of 4 bytes, info 01"},
		"hole past page":   {"00 10 0000 0400 1000 05 f11f" + rel + "03000000 01020304", "! page image of 4 bytes, info 05, with a hole of 8177 at 16"},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := hex.DecodeString(strings.ReplaceAll(c.body, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			var r Record
			got := ""
			if err := r.decode(body); err != nil {
				got = "! " + err.Error()
			} else {
				got = dump(&r)
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("it is %s", got)
			}
		})
	}
}

// TestRestore makes pages of images: the parts beside the hole are where they were.
func TestRestore(t *testing.T) {
	want := [PageSize]byte(pattern(PageSize, 0))
	clear(want[100:8000])
	plain := append(bytes.Clone(want[:100]), want[8000:]...)
	var literal []byte // pglz without any match
	for i, b := range plain {
		if i%8 == 0 {
			literal = append(literal, 0)
		}
		literal = append(literal, b)
	}
	for name, i := range map[string]Image{
		"plain": {Bytes: plain, Hole: 100, HoleLength: 7900, Info: imageHasHole},
		"pglz":  {Bytes: literal, Hole: 100, HoleLength: 7900, Info: imageHasHole | imagePGLZ},
		"whole": {Bytes: want[:]},
	} {
		p := [PageSize]byte(bytes.Repeat([]byte{0xee}, PageSize))
		if err := i.Restore(&p); err != nil || p != want {
			t.Errorf("%s: %v; the page is %x", name, err, md5.Sum(p[:]))
		}
	}
	for _, info := range []uint8{imageLZ4, imageZstd} {
		i := Image{Bytes: plain, Info: info}
		if err := i.Restore(&want); err == nil || !strings.Contains(err.Error(), i.Method().String()) {
			t.Errorf("info %02X: %v", info, err)
		}
	}
}
