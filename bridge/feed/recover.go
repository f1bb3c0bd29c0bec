package feed

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"syscall"

	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// recover reads what there is of a log, and gives its segments, the last of which is
// not sealed and open, or none. What does not lead up to the end without a hole is
// removed.
func (w *writer) recover() ([]*segment, error) {
	names, err := w.list()
	if err != nil {
		return nil, err
	}
	var kept []*segment // from the newest to the oldest
	for k := len(names) - 1; k >= 0; k-- {
		s, end, err := w.openSegment(names[k], len(kept) == 0)
		switch older := len(kept) > 0; {
		case !older && errors.Is(err, errDamaged):
			// Its header has not become durable, so nothing of it has.
			if err := w.remove(names[k]); err != nil {
				return nil, err
			}
			continue
		case older && (errors.Is(err, errDamaged) || errors.Is(err, ErrForeign) || err == nil && end != kept[len(kept)-1].base):
			// There is a hole, or another history: what is older leads nowhere.
			if err := w.removeAll(names[:k+1]); err != nil {
				return nil, err
			}
			slices.Reverse(kept)
			return kept, nil
		case err != nil:
			return nil, err
		case !older:
			w.at.last = end
		}
		kept = append(kept, s)
	}
	slices.Reverse(kept)
	return kept, nil
}

// list gives the segments' names in their order.
func (w *writer) list() ([]string, error) {
	d, err := w.fs.Open(w.dir, vfs.ReadOnly, 0)
	if err != nil {
		return nil, fmt.Errorf("feed: %w", err)
	}
	defer d.Close()
	entries, err := d.ReadDir()
	if err != nil {
		return nil, fmt.Errorf("feed: %w", err)
	}
	var names []string
	for _, e := range entries {
		if _, ok := parseSegmentName(e.Name); ok {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// openSegment reads what a segment's file says of it, and gives the position up to
// which it is complete. The newest may lack its seal; then it is where the writer
// goes on.
func (w *writer) openSegment(name string, newest bool) (_ *segment, end wal.LSN, err error) {
	base, _ := parseSegmentName(name)
	s := &segment{name: name, base: base}
	f, err := w.fs.Open(path.Join(w.dir, name), vfs.ReadWrite, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("feed: %w", err)
	}
	defer func() {
		if f != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("feed: %w", err)
	}
	b := make([]byte, min(info.Size, segmentHeader))
	if err := readAt(f, b, 0); err != nil {
		return nil, 0, fmt.Errorf("feed: %w", err)
	}
	h, err := parseHeader(b)
	switch {
	case err != nil:
		return nil, 0, err
	case h.base != base:
		return nil, 0, fmt.Errorf("%w: %s is of %v", errDamaged, name, h.base)
	case h.id != w.id:
		return nil, 0, fmt.Errorf("%w: it is of system %d, incarnation %d, and not of %d, %d", ErrForeign,
			h.id.System, h.id.Incarnation, w.id.System, w.id.Incarnation)
	}
	if end, err = s.readSeal(f, info.Size); !errors.Is(err, errDamaged) || !newest {
		return s, end, err
	}
	t, err := s.scan(f, info.Size, &h)
	if err != nil {
		return nil, 0, fmt.Errorf("feed: %w", err)
	}
	if info.Size > t.offset {
		if err := f.Truncate(t.offset); err != nil {
			return nil, 0, fmt.Errorf("feed: cut off what was not finished: %w", err)
		}
	}
	w.file, w.at, f = f, t, nil
	return s, t.last, nil
}

func (w *writer) remove(name string) error {
	if err := w.fs.Unlink(path.Join(w.dir, name)); err != nil && vfs.Errno(err) != syscall.ENOENT {
		return fmt.Errorf("feed: remove %s: %w", name, err)
	}
	return nil
}

// removeAll removes the oldest first, so that what a crash leaves has no hole.
func (w *writer) removeAll(names []string) error {
	for _, name := range names {
		if err := w.remove(name); err != nil {
			return err
		}
	}
	return nil
}

// Remove deletes the log that o names, such as one that is ErrForeign. Nobody may
// have it open.
func Remove(o Options) error {
	w := writer{fs: o.FS, dir: o.Dir}
	if w.fs == nil {
		if o.Dir == "" {
			return nil
		}
		d, err := vfs.OpenDir(o.Dir)
		if err != nil {
			return fmt.Errorf("feed: %w", err)
		}
		defer d.Close()
		w.fs, w.dir = d, "/"
	}
	names, err := w.list()
	if err != nil {
		return err
	}
	return w.removeAll(names)
}
