package feed

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

const (
	segmentSuffix = ".feed"
	// indexStep is how many bytes of a segment lie between two entries of its index.
	indexStep = 64 << 10
)

// segment is a file of the log: the sets beyond base, up to the next one's base. Its
// fields are guarded by the log's mu once it is in the list.
type segment struct {
	name string
	base wal.LSN
	// size is how much of the file subscribers may read: whole transactions. In a
	// sealed segment the index is behind it.
	size   int64
	sealed bool
	end    wal.LSN // up to which it is complete, if it is sealed
	bytes  int64   // of the file, as far as retention counts it
	newest int64   // commit, microseconds since 1970
	index  []indexEntry
}

// indexEntry says that no frame before offset has a set beyond after.
type indexEntry struct {
	after  wal.LSN
	offset int64
}

func segmentName(base wal.LSN) string {
	return fmt.Sprintf("%016X%s", uint64(base), segmentSuffix)
}

func parseSegmentName(name string) (wal.LSN, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	return wal.LSN(n), err == nil && segmentName(wal.LSN(n)) == name
}

// note adds a frame at an offset to the index if the last entry is far enough away.
func (s *segment) note(after wal.LSN, offset int64) {
	last := int64(segmentHeader)
	if n := len(s.index); n > 0 {
		last = s.index[n-1].offset
	}
	if offset-last >= indexStep {
		s.index = append(s.index, indexEntry{after, offset})
	}
}

// cut takes entries at or behind an offset out of the index.
func (s *segment) cut(offset int64) {
	for n := len(s.index); n > 0 && s.index[n-1].offset >= offset; n-- {
		s.index = s.index[:n-1]
	}
}

// seek gives the offset of a frame from which everything behind a place follows.
func (s *segment) seek(p place) int64 {
	k := sort.Search(len(s.index), func(k int) bool { return p.before(behind(s.index[k].after)) })
	if k == 0 {
		return segmentHeader
	}
	return s.index[k-1].offset
}

func appendIndex(b []byte, index []indexEntry) []byte {
	for _, e := range index {
		b = le.AppendUint64(b, uint64(e.after))
		b = le.AppendUint64(b, uint64(e.offset))
	}
	return b
}

// readAt reads exactly len(p) bytes.
func readAt(f vfs.File, p []byte, offset int64) error {
	n, err := f.ReadAt(p, offset)
	if err == nil && n < len(p) {
		err = fmt.Errorf("%w: %d bytes at %d, not %d", errDamaged, n, offset, len(p))
	}
	return err
}

// readSeal reads the index of a sealed segment, if it is one. end is the position up
// to which the segment is complete.
func (s *segment) readSeal(f vfs.File, size int64) (end wal.LSN, err error) {
	if size < segmentHeader+frameHeader+sealSize {
		return 0, fmt.Errorf("%w: %s is not sealed", errDamaged, s.name)
	}
	var seal [sealSize]byte
	if err := readAt(f, seal[:], size-sealSize); err != nil {
		return 0, err
	}
	offset := int64(le.Uint64(seal[:]))
	if string(seal[8:]) != sealMagic || offset < segmentHeader || offset > size-sealSize-frameHeader {
		return 0, fmt.Errorf("%w: %s is not sealed", errDamaged, s.name)
	}
	b := make([]byte, size-sealSize-offset)
	if err := readAt(f, b, offset); err != nil {
		return 0, err
	}
	fr := parseFrame(b)
	if fr.size() != len(b) || fr.flags&frameIndex == 0 || fr.length%16 != 0 {
		return 0, fmt.Errorf("%w: the index of %s", errDamaged, s.name)
	}
	if err := fr.check(b); err != nil {
		return 0, err
	}
	s.index = nil
	for p := b[frameHeader:]; len(p) > 0; p = p[16:] {
		s.index = append(s.index, indexEntry{wal.LSN(le.Uint64(p)), int64(le.Uint64(p[8:]))})
	}
	s.size, s.sealed, s.bytes, s.newest = offset, true, size, fr.time
	return fr.last, nil
}

// scan reads the frames of a segment that is not sealed, from its header on, and
// tells where the last whole transaction ends: all behind it was being written when
// the program ended.
func (s *segment) scan(f vfs.File, size int64, h *header) (t tail, err error) {
	t = tail{offset: segmentHeader, crc: h.crc, last: h.base}
	at := t
	var b []byte
	for size-at.offset >= frameHeader {
		b = grow(b, frameHeader)
		if err := readAt(f, b, at.offset); err != nil {
			return tail{}, err
		}
		fr := parseFrame(b)
		if fr.before != at.crc || int64(fr.size()) > size-at.offset || fr.flags&frameIndex != 0 {
			break
		}
		b = grow(b, fr.size())
		if err := readAt(f, b, at.offset); err != nil {
			return tail{}, err
		}
		if fr.check(b) != nil {
			break
		}
		s.note(at.last, at.offset)
		at.offset += int64(fr.size())
		at.crc, at.last = fr.crc, fr.last
		if fr.flags&frameOpen == 0 {
			t = at
			s.newest = max(s.newest, fr.time)
		}
	}
	s.cut(t.offset)
	s.size, s.bytes = t.offset, t.offset
	return t, nil
}

// tail is where the next frame goes.
type tail struct {
	offset int64
	crc    uint32  // of the frame before
	last   wal.LSN // its position
}

func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
