package linear

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// Run is a part of an image that is not all zero, as bytes of its memory, and
// where in a file it is.
type Run struct {
	From, To uint64
	At       int64
}

// pageMultiple is what runs begin and end at, in bytes, and where a file has
// them: a page of any system, so that a file serves all.
const pageMultiple = 64 << 10

// Store appends the contents of the image to b, a multiple of 64 KiB, as
// [OpenImage] wants them, and tells which they are.
func (i *Image) Store(b []byte) ([]byte, []Run, error) {
	var runs []Run
	for k, r := range i.runs {
		from, to := r.from&^(pageMultiple-1), min((r.to+pageMultiple-1)&^(pageMultiple-1), i.size)
		if n := len(runs); n > 0 && from < runs[n-1].To { // cannot be: imageGap
			return nil, nil, errors.New("store an image: its runs are too close")
		}
		at := len(b)
		b = append(b, make([]byte, to-from)...)
		p := b[at+int(r.from-from):][:r.to-r.from]
		if i.file == nil {
			copy(p, i.data[k])
		} else if _, err := i.file.ReadAt(p, i.offset(k)); err != nil {
			return nil, nil, fmt.Errorf("store an image: %w", err)
		}
		runs = append(runs, Run{from, to, int64(at)})
	}
	return b, runs, nil
}

// OpenImage gives an image of size bytes whose contents are in f, which must stay
// open, and what it is, as long as the image or a memory made from it is used.
func OpenImage(f *os.File, size uint64, runs []Run) (*Image, error) {
	if !CanShare {
		return nil, fmt.Errorf("open an image: %w", errors.ErrUnsupported)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open an image: %w", err)
	}
	i := &Image{size: size, file: f, lent: true}
	end := uint64(0)
	for _, r := range runs {
		whole := (r.From|r.To|uint64(r.At))%pageMultiple == 0
		if !whole || r.From < end || r.To <= r.From || r.To > size || r.At < 0 || r.At > info.Size()-int64(r.To-r.From) {
			return nil, fmt.Errorf("open an image of %d bytes: no run can be %+v", size, r)
		}
		end = r.To
		i.runs, i.at = append(i.runs, span{r.From, r.To}), append(i.at, r.At)
	}
	return i, nil
}

// offset is where the file has the run with a number.
func (i *Image) offset(k int) int64 {
	if i.at == nil {
		return int64(i.runs[k].from)
	}
	return i.at[k]
}

// Find gives the offsets in the memory of all places where the image has p.
func (i *Image) Find(p []byte) (at []uint64, err error) {
	for k, r := range i.runs {
		data := make([]byte, r.to-r.from)
		if i.file == nil {
			copy(data, i.data[k])
		} else if _, err := i.file.ReadAt(data, i.offset(k)); err != nil {
			return nil, fmt.Errorf("search an image: %w", err)
		}
		for from := 0; ; {
			n := bytes.Index(data[from:], p)
			if n < 0 {
				break
			}
			at = append(at, r.from+uint64(from+n))
			from += n + 1
		}
	}
	return at, nil
}
