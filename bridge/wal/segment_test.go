package wal_test

import (
	"testing"

	"github.com/howdahdb/howdah/bridge/wal"
)

func TestParseSegment(t *testing.T) {
	const size = 16 << 20
	for _, c := range []struct {
		name     string
		start    wal.LSN
		timeline uint32
		ok       bool
	}{
		{"000000010000000000000001", size, 1, true},
		{"0000000A00000002000000FF", 2<<32 | 0xff<<24, 10, true},
		{"000000010000000000000100", 0, 0, false}, // no number with segments of 16 MiB
		{"00000001000000000000000a", 0, 0, false},
		{"+00000010000000000000001", 0, 0, false},
		{"000000010000000000000001.partial", 0, 0, false},
		{"00000002.history", 0, 0, false},
		{"xlogtemp.7", 0, 0, false},
	} {
		start, timeline, ok := wal.ParseSegment(c.name, size)
		if start != c.start || timeline != c.timeline || ok != c.ok {
			t.Errorf("%s: %v, timeline %d, %v", c.name, start, timeline, ok)
		}
	}
	if start, _, ok := wal.ParseSegment("000000010000000000000100", 1<<20); !ok || start != 0x100<<20 {
		t.Errorf("of 1 MiB: %v, %v", start, ok)
	}
}
