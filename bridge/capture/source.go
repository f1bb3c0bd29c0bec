package capture

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"syscall"

	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// readSize is how much of a segment is read at once.
const readSize = 256 << 10

// source gives a wal.Reader what is durable of the log, out of the segments' files.
type source struct {
	files vfs.FS
	dir   string // of the segments, with a slash
	// reader has what is in the files from its Position up to fed.
	reader *wal.Reader
	fed    wal.LSN

	open    vfs.File // the segment read last; nil: none
	segment wal.LSN  // its beginning
	buf     []byte
}

func newSource(files vfs.FS, dir string, r *wal.Reader) *source {
	return &source{files: files, dir: path.Join(dir, "pg_wal") + "/", reader: r, fed: pageOf(r.Position()), buf: make([]byte, readSize)}
}

func pageOf(l wal.LSN) wal.LSN { return l &^ (wal.PageSize - 1) }

// feed gives the reader some of what is there up to the end of t, which is durable,
// and tells whether there is more. What is at low and behind it has been written
// anew since.
func (s *source) feed(t *tail, low wal.LSN) (more bool, err error) {
	s.fed = max(min(s.fed, low), pageOf(s.reader.Position()))
	if s.fed >= t.end {
		return false, nil
	}
	end := min(t.end, s.fed+readSize, s.fed-s.fed%segmentSize+segmentSize)
	last := t.end - wal.PageSize
	if !t.copied || s.fed < last {
		if t.copied {
			end = min(end, last)
		}
		b := s.buf[:end-s.fed]
		if err := s.read(b, s.fed); err != nil {
			return false, err
		}
		err = s.reader.Write(s.fed, b)
	} else {
		err = s.reader.Write(last, t.page[s.fed-last:])
		end = t.end
	}
	s.fed = end
	return s.fed < t.end, err
}

// read fills b from the segments.
func (s *source) read(b []byte, at wal.LSN) error {
	if start := at - at%segmentSize; s.open == nil || s.segment != start {
		if err := s.openSegment(start); err != nil {
			return err
		}
	}
	n, err := s.open.ReadAt(b, int64(at-s.segment))
	if err == nil && n < len(b) {
		err = fmt.Errorf("the segment ends at byte %d", int64(at-s.segment)+int64(n))
	}
	if err != nil {
		return fmt.Errorf("capture: read the log at %v: %w", at, err)
	}
	return nil
}

// openSegment opens the segment that begins at start, of the newest timeline.
func (s *source) openSegment(start wal.LSN) error {
	if err := s.close(); err != nil {
		return err
	}
	names, err := segments(s.files, s.dir, start)
	if err != nil {
		return err
	}
	for _, name := range slices.Backward(names) {
		if at, _ := segmentStart(name); at == start {
			s.open, err = s.files.Open(s.dir+name, vfs.ReadOnly, 0)
			s.segment = start
			return err
		}
	}
	return fmt.Errorf("capture: the segment of the log at %v: %w", start, syscall.ENOENT)
}

// segments lists the names of the segments from position from on, sorted.
func segments(files vfs.FS, dir string, from wal.LSN) (names []string, err error) {
	d, err := files.Open(dir, vfs.ReadOnly, 0)
	if err != nil {
		return nil, fmt.Errorf("capture: list the log: %w", err)
	}
	entries, err := d.ReadDir()
	if err = errors.Join(err, d.Close()); err != nil {
		return nil, fmt.Errorf("capture: list the log: %w", err)
	}
	for _, e := range entries {
		if at, ok := segmentStart(e.Name); ok && at+segmentSize > from {
			names = append(names, e.Name)
		}
	}
	return names, nil
}

func (s *source) close() error {
	if s.open == nil {
		return nil
	}
	f := s.open
	s.open = nil
	return f.Close()
}

// syncSegments makes durable what a process that was killed has written.
func syncSegments(files vfs.FS, dir string, from wal.LSN) error {
	names, err := segments(files, dir, from)
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := files.Open(dir+name, vfs.ReadWrite, 0)
		if err != nil {
			return fmt.Errorf("capture: sync the log: %w", err)
		}
		if err := errors.Join(f.Datasync(), f.Close()); err != nil {
			return fmt.Errorf("capture: sync %s: %w", name, err)
		}
	}
	return nil
}

// logEnd is where the pages end that begin at from and follow one another: what is
// behind them is zeros, or the pages of a segment that has been renamed to be used
// again.
func logEnd(files vfs.FS, dir string, from wal.LSN) (wal.LSN, error) {
	s := &source{files: files, dir: dir, buf: make([]byte, readSize)}
	for at := pageOf(from); ; at += wal.LSN(len(s.buf)) {
		// The buffer's size divides that of a segment: it is in one.
		b := s.buf[:readSize-at%readSize]
		switch err := s.read(b, at); {
		case errors.Is(err, syscall.ENOENT):
			return at, s.close()
		case err != nil:
			return 0, errors.Join(err, s.close())
		}
		for off := 0; off < len(b); off += wal.PageSize {
			if !wal.IsPage(b[off:], at+wal.LSN(off)) {
				return at + wal.LSN(off), s.close()
			}
		}
		if len(b) < len(s.buf) {
			at -= wal.LSN(len(s.buf) - len(b))
		}
	}
}
