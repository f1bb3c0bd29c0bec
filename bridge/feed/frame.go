package feed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/howdahdb/howdah/bridge/wal"
)

// Sizes and magic words of the format that doc.go describes.
const (
	segmentMagic   = "HWDHFEED"
	segmentVersion = 1
	segmentHeader  = 64
	frameHeader    = 48
	sealMagic      = "HWDHSEAL"
	sealSize       = 16
)

// Flags of a frame.
const (
	frameZstd  = 1 << iota // the payload is compressed
	frameOpen              // it ends within a transaction
	frameIndex             // it is the segment's index, and its end
)

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errDamaged = errors.New("feed: damaged")
)

// frame is the header of a frame.
type frame struct {
	length      int    // of the payload
	crc         uint32 // of header and payload
	before      uint32 // the crc of the frame before, or of the segment's header
	raw         int    // length of the payload when it is not compressed
	first, last wal.LSN
	time        int64 // the newest commit, microseconds since 1970
	sets        int   // 0 for a mark, which says that the log is complete up to last
	flags       uint16
}

// appendFrame appends a frame and sets its crc.
func appendFrame(b []byte, f *frame, payload []byte) []byte {
	f.length = len(payload)
	start := len(b)
	b = le.AppendUint32(b, uint32(f.length))
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, f.before)
	b = le.AppendUint32(b, uint32(f.raw))
	b = le.AppendUint64(b, uint64(f.first))
	b = le.AppendUint64(b, uint64(f.last))
	b = le.AppendUint64(b, uint64(f.time))
	b = le.AppendUint32(b, uint32(f.sets))
	b = le.AppendUint16(b, f.flags)
	b = le.AppendUint16(b, 0)
	b = append(b, payload...)
	f.crc = crc32.Checksum(b[start+8:], castagnoli)
	le.PutUint32(b[start+4:], f.crc)
	return b
}

// parseFrame reads a header. The lengths in it are only right if the checksum is.
func parseFrame(b []byte) frame {
	return frame{
		length: int(le.Uint32(b)),
		crc:    le.Uint32(b[4:]),
		before: le.Uint32(b[8:]),
		raw:    int(le.Uint32(b[12:])),
		first:  wal.LSN(le.Uint64(b[16:])),
		last:   wal.LSN(le.Uint64(b[24:])),
		time:   int64(le.Uint64(b[32:])),
		sets:   int(le.Uint32(b[40:])),
		flags:  le.Uint16(b[44:]),
	}
}

func (f *frame) size() int { return frameHeader + f.length }

// check compares the checksum of a whole frame.
func (f *frame) check(b []byte) error {
	if got := crc32.Checksum(b[8:f.size()], castagnoli); got != f.crc {
		return fmt.Errorf("%w: a frame's checksum is %08x, not %08x", errDamaged, got, f.crc)
	}
	return nil
}

// header is what a segment begins with.
type header struct {
	id      ID
	base    wal.LSN
	created int64 // microseconds since 1970
	crc     uint32
}

func (h *header) encode() []byte {
	b := make([]byte, segmentHeader)
	copy(b, segmentMagic)
	le.PutUint32(b[8:], segmentVersion)
	le.PutUint64(b[16:], h.id.System)
	le.PutUint64(b[24:], h.id.Incarnation)
	le.PutUint64(b[32:], uint64(h.base))
	le.PutUint64(b[40:], uint64(h.created))
	h.crc = crc32.Checksum(b[16:], castagnoli)
	le.PutUint32(b[12:], h.crc)
	return b
}

func parseHeader(b []byte) (header, error) {
	if len(b) < segmentHeader || string(b[:8]) != segmentMagic {
		return header{}, fmt.Errorf("%w: no segment of a log", errDamaged)
	}
	if v := le.Uint32(b[8:]); v != segmentVersion {
		return header{}, fmt.Errorf("feed: version %d of the log's format is not known here, only %d", v, segmentVersion)
	}
	h := header{
		id:      ID{System: le.Uint64(b[16:]), Incarnation: le.Uint64(b[24:])},
		base:    wal.LSN(le.Uint64(b[32:])),
		created: int64(le.Uint64(b[40:])),
		crc:     le.Uint32(b[12:]),
	}
	if crc32.Checksum(b[16:segmentHeader], castagnoli) != h.crc {
		return header{}, fmt.Errorf("%w: the header of a segment", errDamaged)
	}
	return h, nil
}
