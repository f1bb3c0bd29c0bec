package pglite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

// splitRun feeds a stream to a splitter that drops reports named "known", in
// the pieces that cuts end, and says what it has passed on and handled.
func splitRun(stream []byte, cuts ...int) (passed []byte, handled string) {
	s := splitter{
		keep:    func(t byte) bool { return t == 'E' || t == 'Z' },
		mayDrop: 'S',
		drop:    func(body []byte) bool { return bytes.HasPrefix(body, []byte("known\x00")) },
	}
	s.handle = func(t byte, body []byte) { handled += fmt.Sprintf("%c%q ", t, body[:min(len(body), 20)]) }
	s.pass = func(p []byte) { passed = append(passed, p...) }
	from := 0
	for _, to := range append(cuts, len(stream)) {
		s.scan(stream[from:to])
		from = to
	}
	return passed, handled
}

// splitStream has what a splitter treats in different ways.
func splitStream() (all, passed []byte, handled string) {
	known, other := message('S', []byte("known\x00a\x00")), message('S', []byte("other\x00b\x00"))
	row, ready, empty := message('D', []byte("SSEZ\x00\x00\x00\x05")), message('Z', []byte("I")), message('S')
	all = bytes.Join([][]byte{known, row, known, known, other, message('1'), empty, message('E', []byte("SERROR\x00\x00")), ready, known, ready, known}, nil)
	passed = bytes.Join([][]byte{row, other, message('1'), empty, message('E', []byte("SERROR\x00\x00")), ready, ready}, nil)
	return all, passed, `E"SERROR\x00\x00" Z"I" Z"I" `
}

func TestSplitterAtEveryByte(t *testing.T) {
	all, passed, handled := splitStream()
	check := func(cuts ...int) {
		t.Helper()
		p, h := splitRun(all, cuts...)
		if !bytes.Equal(p, passed) || h != handled {
			t.Fatalf("cut at %v: passes %q and handles %s", cuts, p, h)
		}
	}
	check()
	for i := range all {
		for j := i; j <= len(all); j++ {
			check(i, j)
		}
	}
	one := make([]int, len(all))
	for k := range one {
		one[k] = k
	}
	check(one...)
}

// TestSplitterLongReport: a report that is too long to be held back is passed
// on whole.
func TestSplitterLongReport(t *testing.T) {
	long := message('S', append([]byte("known\x00"), bytes.Repeat([]byte("x"), maxKept)...))
	all := bytes.Join([][]byte{message('Z', []byte("I")), long, message('S', []byte("known\x00")), message('Z', []byte("T"))}, nil)
	want := bytes.Join([][]byte{message('Z', []byte("I")), long, message('Z', []byte("T"))}, nil)
	for _, cuts := range [][]int{nil, {6}, {7}, {9}, {11}, {12}, {6, 11}, {100}, {len(long)}, {len(long) + 6}, {len(long) + 8}} {
		if p, h := splitRun(all, cuts...); !bytes.Equal(p, want) || h != `Z"I" Z"T" ` {
			t.Errorf("cut at %v: passes %d bytes of %d and handles %s", cuts, len(p), len(want), h)
		}
	}
}

func FuzzSplitter(f *testing.F) {
	all, _, _ := splitStream()
	f.Add(all, uint16(3), uint16(40))
	f.Fuzz(func(t *testing.T, stream []byte, i, j uint16) {
		var whole []byte // messages that are complete, as a guest sends
		for rest := stream; len(rest) >= headerSize; {
			n := int(binary.BigEndian.Uint32(rest[1:])) + 1
			if n < headerSize || n > len(rest) {
				break
			}
			whole, rest = append(whole, rest[:n]...), rest[n:]
		}
		a, b := min(int(i), len(whole)), min(int(j), len(whole))
		wantPassed, wantHandled := splitRun(whole)
		if p, h := splitRun(whole, min(a, b), max(a, b)); !bytes.Equal(p, wantPassed) || h != wantHandled {
			t.Errorf("cut at %d and %d: passes %q, handles %s; uncut %q, %s", a, b, p, h, wantPassed, wantHandled)
		}
	})
}
