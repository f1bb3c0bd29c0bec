package wal

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"testing"
)

// testLog makes a log as Postgres frames it.
type testLog struct {
	start, at LSN
	bytes     []byte // from start on
	prev      LSN
	segment   uint32
	system    uint64
	timeline  uint32
}

const testSystem = 7428906342317465601

func newLog(start LSN) *testLog {
	return &testLog{start: start, at: start, segment: minSegment, system: testSystem, timeline: 1}
}

func (l *testLog) options() Options {
	return Options{SystemID: l.system, SegmentSize: l.segment}
}

// page begins the page at l.at, left bytes of a record are to follow.
func (l *testLog) page(flags uint16, left int) {
	if left > 0 {
		flags |= pageContinues
	}
	size := shortHeader
	if uint64(l.at)%uint64(l.segment) == 0 {
		flags, size = flags|pageLong, longHeader
	}
	h := make([]byte, longHeader)
	le.PutUint16(h, pageMagic)
	le.PutUint16(h[2:], flags)
	le.PutUint32(h[4:], l.timeline)
	le.PutUint64(h[8:], uint64(l.at))
	le.PutUint32(h[16:], uint32(left))
	le.PutUint64(h[24:], l.system)
	le.PutUint32(h[32:], l.segment)
	le.PutUint32(h[36:], PageSize)
	l.append(h[:size])
}

func (l *testLog) append(b []byte) {
	l.bytes = append(l.bytes, b...)
	l.at += LSN(len(b))
}

// put writes a record over as many pages as it takes.
func (l *testLog) put(b []byte) (at LSN) {
	for left := b; len(left) > 0; {
		if l.at == pageOf(l.at) {
			begun := len(left)
			if begun == len(b) {
				begun = 0
			}
			l.page(0, begun)
		}
		if at == 0 {
			at = l.at
		}
		n := min(len(left), int(pageOf(l.at)+PageSize-l.at))
		l.append(left[:n])
		left = left[n:]
	}
	l.append(make([]byte, -l.at&(alignment-1)))
	return at
}

// record writes one with this body, the fragments and their data.
func (l *testLog) record(rm RM, info uint8, body []byte) LSN {
	l.prev = l.put(l.encode(rm, info, body))
	return l.prev
}

func (l *testLog) encode(rm RM, info uint8, body []byte) []byte {
	b := make([]byte, recordHeader, recordHeader+len(body))
	b = append(b, body...)
	le.PutUint32(b, uint32(len(b)))
	le.PutUint32(b[4:], 742)
	le.PutUint64(b[8:], uint64(l.prev))
	b[16], b[17] = info, byte(rm)
	le.PutUint32(b[20:], checksum(b))
	return b
}

// fill writes zeros up to position at.
func (l *testLog) fill(at LSN) { l.append(make([]byte, at-l.at)) }

// data is a body with main data only.
func data(b []byte) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte{fragmentDataLong}, uint32(len(b))), b...)
}

func pattern(n, salt int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + salt)
	}
	return b
}

// small is a log of two segments and all that framing has: records that end at,
// one to three maximal alignments before, and behind the end of a page, one whose
// header is cut, one of several pages, a switch.
func small() *testLog {
	l := newLog(4*minSegment - 16*PageSize)
	salt := 0
	add := func(n int) {
		salt++
		l.record(Heap, 0, data(pattern(n, salt)))
	}
	rest := func() int { return int(pageOf(l.at)+PageSize-l.at) - recordHeader - 5 }
	for _, spare := range []int{0, 8, 16, 24, 32, -8, -3000} {
		add(10)
		add(rest() - spare)
	}
	add(3 * PageSize)
	l.record(XLOG, xlogSwitch, nil)
	l.fill(4 * minSegment) // Postgres clears the headers of the pages that it leaves empty
	add(100)
	add(2 * PageSize)
	return l
}

// dump is a record in a line.
func dump(r *Record) string {
	s := fmt.Sprintf("%v–%v prev %v %v %02X xid %d/%d origin %d length %d data %s", r.LSN, r.End, r.Prev, r.RM, r.Info, r.XID, r.TopXID, r.Origin, r.Length, brief(r.Data))
	for _, k := range r.Blocks {
		s += fmt.Sprintf("\n  block %d: %v fork %d number %d init %t data %s", k.ID, k.Relation, k.Fork, k.Number, k.WillInit, brief(k.Data))
		if i := k.Image; i != nil {
			s += fmt.Sprintf("\n    image: %v, hole %d at %d, apply %t, %s", i.Method(), i.HoleLength, i.Hole, i.Apply(), brief(i.Bytes))
		}
	}
	return s
}

// brief is b, or what stands for it if it is long.
func brief(b []byte) string {
	switch {
	case len(b) == 0:
		return "-"
	case len(b) > 64:
		return fmt.Sprintf("%x… (%d bytes, CRC %08x)", b[:16], len(b), crc32.Checksum(b, castagnoli))
	}
	return hex.EncodeToString(b)
}

// drain reads what there is, and why there is no more.
func drain(r *Reader) (all []string, err error) {
	for {
		rec, err := r.Next()
		if err != nil {
			return all, err
		}
		all = append(all, dump(rec))
	}
}

func mustWrite(t testing.TB, r *Reader, at LSN, b []byte) {
	t.Helper()
	if err := r.Write(at, b); err != nil {
		t.Fatal(err)
	}
}

// records are those of l, read at once.
func (l *testLog) records(t testing.TB) []string {
	t.Helper()
	r := NewReader(l.start, l.options())
	mustWrite(t, r, l.start, l.bytes)
	all, _ := drain(r)
	return all
}
