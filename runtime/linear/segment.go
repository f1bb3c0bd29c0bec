package linear

import (
	"errors"
	"fmt"
	"os"
)

// Segment is memory that several Memories can have at once, each at an offset
// of its own: what one guest stores there all see, as processes do with a
// shared mapping. It begins as zeros. Segments exist where [CanShare] is true.
//
// The pages live as long as the Segment is open or mapped anywhere. Its
// methods and [Memory.Map] may be used from any goroutine; who may touch the
// bytes, and when, is for the owners of the guests to agree on.
type Segment struct {
	size uint64
	file *os.File // without a name
}

// NewSegment makes a segment of size bytes, a multiple of [PageSize]. Pages
// take memory from when they are first written; on darwin, where they are
// those of a removed file in the folder for temporary files, they have their
// place on the disk at once.
func NewSegment(size uint64) (*Segment, error) {
	if size == 0 || size%PageSize != 0 {
		return nil, fmt.Errorf("shared segment of %d bytes: not a multiple of %d", size, PageSize)
	}
	f, err := openSegment(size)
	if err != nil {
		return nil, fmt.Errorf("shared segment of %d bytes: %w", size, err)
	}
	return &Segment{size: size, file: f}, nil
}

// Size is the number of bytes.
func (s *Segment) Size() uint64 { return s.size }

// ReadAt copies out of the segment. It is not atomic beside a guest that stores
// there.
func (s *Segment) ReadAt(p []byte, off int64) (int, error) { return s.file.ReadAt(p, off) }

// WriteAt copies into the segment; what does not fit is an error, and nothing
// is written.
func (s *Segment) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || uint64(off) > s.size || uint64(len(p)) > s.size-uint64(off) {
		return 0, fmt.Errorf("write [%#x, +%#x) of a segment of %#x bytes", off, len(p), s.size)
	}
	return s.file.WriteAt(p, off)
}

// Close frees the descriptor: the segment can't be mapped any more. Where it
// is mapped it stays.
func (s *Segment) Close() error { return s.file.Close() }

// span is the bytes [from, to) of a Memory.
type span struct{ from, to uint64 }

var errSpan = errors.New("not whole pages inside the memory")

// span checks a range that a caller asks for.
func (m *Memory) span(off uint32, n uint64) (span, error) {
	r := span{uint64(off), uint64(off) + n}
	if n == 0 || r.from%PageSize != 0 || r.to%PageSize != 0 || n > uint64(len(m.reserved)) || r.to > uint64(len(m.reserved)) {
		return span{}, fmt.Errorf("[%#x, +%#x): %w", off, n, errSpan)
	}
	return r, nil
}

func (m *Memory) bytes(r span) []byte { return m.reserved[r.from:r.to:r.to] }

// Map puts a segment, all of it, at off, a multiple of [PageSize]; what was
// there is gone. Nothing may use these bytes of this Memory meanwhile. The
// mapping ends with [Memory.Unmap], another Map over it, or Free.
func (m *Memory) Map(off uint32, s *Segment) error {
	r, err := m.span(off, s.size)
	if err == nil {
		err = mapSegment(m.bytes(r), s.file)
	}
	if err != nil {
		return fmt.Errorf("map shared segment: %w", err)
	}
	m.forget(r)
	m.mapped = append(m.mapped, mapping{span: r, file: s.file})
	return nil
}

// Unmap puts zeros of this Memory's own at [off, off+n), multiples of
// [PageSize], whether segments were mapped there or not. Nothing may use these
// bytes of this Memory meanwhile.
func (m *Memory) Unmap(off, n uint32) error {
	r, err := m.span(off, uint64(n))
	if err == nil {
		err = mapPrivate(m.bytes(r))
	}
	if err != nil {
		return fmt.Errorf("unmap shared segment: %w", err)
	}
	m.forget(r)
	return nil
}

// Share makes [off, off+n), multiples of [PageSize], a segment with the same
// contents that is mapped there. It copies the pages that were touched and are
// not zero, so the time it takes depends on these only. Nothing may write to
// the range meanwhile: no guest of this Memory may run, and no StoreUint32 may
// go there. The caller closes the segment.
func (m *Memory) Share(off, n uint32) (*Segment, error) {
	r, err := m.span(off, uint64(n))
	if err != nil {
		return nil, fmt.Errorf("share memory: %w", err)
	}
	s, err := NewSegment(uint64(n))
	if err != nil {
		return nil, err
	}
	for _, h := range m.held(r) {
		if _, err = s.file.WriteAt(m.bytes(h), int64(h.from-r.from)); err != nil {
			break
		}
	}
	if err == nil {
		err = m.Map(off, s)
	}
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("share memory: %w", err)
	}
	return s, nil
}
