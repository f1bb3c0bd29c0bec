package linear

import (
	"errors"
	"fmt"
	"os"
)

// Image is the contents of a Memory at an instant. Memories made from it share
// its pages until they write to them, where the system can do that
// ([CanShare]), and copy them elsewhere. It may be used from any goroutine.
type Image struct {
	size uint64
	runs []span   // what is not all zero, at least imageGap from one to the next
	at   []int64  // where each is in the file; nil at the same offset
	file *os.File // with them; nil where nothing can be mapped
	lent bool     // the file is somebody else's
	data [][]byte // each of them, without a file
}

// imageGap is how much zero memory ends a run, in bytes: each run is a mapping
// of every Memory made from the image, and a process may only have some 65,000
// (vm.max_map_count).
const imageGap = 256 << 10

// Image takes one. No guest of this Memory may run, and nothing may store to
// it, meanwhile. The caller closes the image.
func (m *Memory) Image() (*Image, error) {
	i := &Image{size: m.size.Load()}
	held := m.held(span{0, i.size})
	for _, h := range held {
		if n := len(i.runs); n > 0 && h.from-i.runs[n-1].to < imageGap {
			i.runs[n-1].to = h.to
		} else {
			i.runs = append(i.runs, h)
		}
	}
	if !CanShare {
		for _, r := range i.runs {
			i.data = append(i.data, append([]byte(nil), m.bytes(r)...))
		}
		return i, nil
	}
	var err error
	if i.file, err = openSegment(i.size); err != nil {
		return nil, fmt.Errorf("image of %d bytes: %w", i.size, err)
	}
	for _, h := range held {
		if _, err := i.file.WriteAt(m.bytes(h), int64(h.from)); err != nil {
			return nil, errors.Join(fmt.Errorf("image of %d bytes: %w", i.size, err), i.file.Close())
		}
	}
	return i, nil
}

// Size is that of the Memory when the image was taken, in bytes.
func (i *Image) Size() uint64 { return i.size }

// Held is how many bytes of it are mapped or copied.
func (i *Image) Held() (n uint64) {
	for _, r := range i.runs {
		n += r.to - r.from
	}
	return n
}

// Close gives the image up. Memories that were made from it keep its pages.
func (i *Image) Close() error {
	if i.file == nil || i.lent {
		return nil
	}
	return i.file.Close()
}

// Restore makes the contents those of the image. The memory must have been
// grown to the image's size at least, and have nothing mapped; what is beyond
// stays as it is. No guest may run meanwhile.
func (m *Memory) Restore(i *Image) error {
	switch {
	case m.size.Load() < i.size:
		return fmt.Errorf("restore an image of %d bytes in a memory of %d", i.size, m.size.Load())
	case len(m.mapped) > 0:
		return errors.New("restore an image in a memory that has mappings")
	}
	own := uint64(0) // from the end of the run before
	for k, r := range append(i.runs[:len(i.runs):len(i.runs)], span{i.size, i.size}) {
		if r.from > own {
			if err := m.Discard(uint32(own), uint32(r.from-own)); err != nil {
				return fmt.Errorf("restore an image: %w", err)
			}
		}
		own = r.to
		switch {
		case k == len(i.runs):
		case i.file == nil:
			copy(m.bytes(r), i.data[k])
		default:
			at := i.offset(k)
			if err := mapImage(m.bytes(r), i.file, at); err != nil {
				return fmt.Errorf("restore an image: %w", err)
			}
			m.mapped = append(m.mapped, mapping{span: r, file: i.file, off: uint64(at), image: true})
		}
	}
	return nil
}
