package feed

import (
	"errors"
	"fmt"
	"path"
	"sort"
	"syscall"

	"github.com/klauspost/compress/zstd"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// chunkBytes is how much is read of a file at a time: a frame, or some.
const chunkBytes = 128 << 10

// reader is where a subscriber that has fallen behind is in the files. It keeps none
// of them open: for a chunk of them that costs little, and a file that retention has
// removed is gone at once.
type reader struct {
	decoder change.Decoder
	at      place // of the set given last; another place is looked for anew

	base   wal.LSN // of the segment
	offset int64   // behind chunk
	chunk  []byte  // frames that were read
	sets   []byte  // of the frame taken last
	buf    []byte
	raw    []byte
}

// release gives back the memory of one that has caught up.
func (r *reader) release() {
	if r.buf != nil {
		*r = reader{}
	}
}

// read gives the set behind a place that is beyond the ring. It gives none if there
// is none in the files; then r.at is the place where the ring begins.
func (l *Log) read(r *reader, at place) (*change.Set, error) {
	l.reading.RLock()
	defer l.reading.RUnlock()
	if r.at != at {
		*r = reader{decoder: r.decoder, at: at, buf: r.buf, raw: r.raw}
	}
	for {
		for len(r.sets) > 0 {
			s, rest, err := r.decoder.Decode(r.sets)
			if err != nil {
				return nil, l.damaged(r, err)
			}
			if r.sets = rest; at.before(placeOf(s)) {
				r.at = placeOf(s)
				if !s.More {
					r.at = behind(s.LSN)
				}
				return s, nil
			}
		}
		switch err := l.nextFrame(r); {
		case errors.Is(err, errEnd):
			return nil, nil
		case err != nil:
			return nil, err
		}
	}
}

// errEnd says that all of the files has been read.
var errEnd = errors.New("end of the files")

// nextFrame takes the next frame's sets.
func (l *Log) nextFrame(r *reader) error {
	if len(r.chunk) < frameHeader {
		if err := l.nextChunk(r, frameHeader); err != nil {
			return err
		}
	}
	f := parseFrame(r.chunk)
	if f.size() > len(r.chunk) {
		if err := l.nextChunk(r, f.size()); err != nil {
			return err
		}
	}
	if err := f.check(r.chunk); err != nil {
		return l.damaged(r, err)
	}
	payload := r.chunk[frameHeader:f.size()]
	r.chunk = r.chunk[f.size():]
	if f.last < r.at.lsn || f.last == r.at.lsn && !r.at.before(behind(f.last)) {
		return nil // all of it is behind us
	}
	if f.flags&frameZstd != 0 {
		raw, err := l.unzip.DecodeAll(payload, r.raw[:0])
		if err != nil || len(raw) != f.raw {
			return l.damaged(r, fmt.Errorf("%d bytes of %d: %w", len(raw), f.raw, err))
		}
		payload, r.raw = raw, raw
	}
	r.sets = payload
	return nil
}

// nextChunk reads on, so that at least n bytes of frames are there.
func (l *Log) nextChunk(r *reader, n int) error {
	for {
		name, size, err := l.locate(r)
		if err != nil {
			return err
		}
		start := r.offset - int64(len(r.chunk))
		if size-start < int64(n) {
			return l.damaged(r, fmt.Errorf("a frame of %d bytes at %d goes beyond %d", n, start, size))
		}
		r.buf = grow(r.buf, int(min(size-start, int64(max(n, chunkBytes)))))
		err = l.readFile(name, r.buf, start)
		if vfs.Errno(err) == syscall.ENOENT && l.forgotten(r.base) {
			continue // removed since
		}
		if err != nil {
			return fmt.Errorf("feed: read the log: %w", err)
		}
		r.chunk, r.offset = r.buf, start+int64(len(r.buf))
		return nil
	}
}

func (l *Log) readFile(name string, b []byte, offset int64) error {
	f, err := l.o.FS.Open(path.Join(l.o.Dir, name), vfs.ReadOnly, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return readAt(f, b, offset)
}

// locate finds the segment in which the next frame is, and how much of it may be
// read.
func (l *Log) locate(r *reader) (name string, size int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return "", 0, ErrClosed
	}
	list := l.mu.segments
	k := sort.Search(len(list), func(k int) bool { return list[k].base >= r.base })
	if r.offset == 0 || k == len(list) || list[k].base != r.base {
		if r.at.before(behind(l.mu.first)) {
			return "", 0, l.refetch(r.at.lsn)
		}
		// The last one that begins at or before the place.
		k = sort.Search(len(list), func(k int) bool { return r.at.before(behind(list[k].base)) }) - 1
		r.base, r.offset, r.chunk = list[k].base, list[k].seek(r.at), nil
	}
	for list[k].size <= r.offset-int64(len(r.chunk)) {
		if k++; k == len(list) {
			// What was appended before Open is in the files only, and behind its last
			// set there may be marks.
			if after := l.mu.ring.after; after == behind(after.lsn) && !l.mu.newest.before(after) && r.at.before(after) {
				r.at = after
				return "", 0, errEnd
			}
			return "", 0, l.refetchDamaged(r.at.lsn, fmt.Errorf("it ends before %v", l.mu.newest.lsn))
		}
		r.base, r.offset, r.chunk = list[k].base, segmentHeader, nil
	}
	return list[k].name, list[k].size, nil
}

// forgotten tells whether retention has removed a segment.
func (l *Log) forgotten(base wal.LSN) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.mu.segments {
		if s.base == base {
			return false
		}
	}
	return true
}

// damaged says that what follows can't be read.
func (l *Log) damaged(r *reader, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refetchDamaged(r.at.lsn, fmt.Errorf("%s: %w", segmentName(r.base), err))
}

// refetchDamaged REQUIRES mu.
func (l *Log) refetchDamaged(at wal.LSN, err error) error {
	return &RefetchError{Position: at, First: l.mu.first, Reason: "the log is damaged: " + err.Error()}
}

func newUnzip() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxFrame))
}
