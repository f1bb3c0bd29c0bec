package catalog

import (
	"errors"
	"fmt"
	"path"
	"strconv"

	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/bridge/xact"
)

// control reads where recovery will begin: after the last checkpoint, or in a backup
// that was not started yet at that of its backup_label (read_backup_label in
// src/backend/access/transam/xlogrecovery.c).
func (r *reading) control() (control, error) {
	b, err := r.read("global/pg_control", 0, controlSize)
	if err != nil {
		return control{}, err
	}
	c, err := parseControl(b)
	if err != nil {
		return control{}, err
	}
	label, err := r.read("backup_label", 0, 4096)
	if err != nil || len(label) == 0 {
		return c, err
	}
	var high, low, timeline uint32
	if _, err := fmt.Sscanf(string(label), "START WAL LOCATION: %X/%X (file %08X", &high, &low, &timeline); err != nil {
		return control{}, corrupt("backup_label: %w", err)
	}
	c.redo, c.timeline = wal.LSN(high)<<32|wal.LSN(low), timeline
	return c, nil
}

// twoPhase reads which transactions were prepared before the checkpoint. A file
// whose transaction has ended was only not removed yet.
func (r *reading) twoPhase() error {
	entries, err := r.list("pg_twophase")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, err := strconv.ParseUint(e.Name, 16, 64); err != nil {
			continue
		}
		const most = 1 << 30 // MaxAllocSize
		info, err := r.files.Stat(path.Join(r.dir, "pg_twophase", e.Name))
		if err != nil {
			return fmt.Errorf("catalog: read pg_twophase/%s: %w", e.Name, err)
		}
		b, err := r.read("pg_twophase/"+e.Name, 0, int(min(info.Size, most)))
		if err != nil {
			return err
		}
		p, err := xact.ParsePrepared(b)
		if err != nil {
			return corrupt("pg_twophase/%s: %w", e.Name, err)
		}
		if r.clogState(p.XID) == clogUnderWay {
			r.prepared[p.XID] = p.Subs
		}
	}
	return nil
}

// chunk is how much of the log is read at once.
const chunk = 1 << 17

// log goes over the log to its end.
func (r *reading) log(control control, c *Catalogs) (*Start, error) {
	reader := wal.NewReader(control.redo, wal.Options{SystemID: control.system, SegmentSize: control.segment})
	s := segments{reading: r, size: int64(control.segment), timeline: control.timeline}
	if err := s.list(); err != nil {
		return nil, err
	}
	for at := control.redo &^ (wal.PageSize - 1); ; {
		rec, err := reader.Next()
		if err == nil {
			if _, err := c.Redo(rec); err != nil {
				return nil, err
			}
			continue
		}
		if !errors.Is(err, wal.ErrMore) {
			return nil, fmt.Errorf("catalog: %w", err)
		}
		b, err := s.read(at)
		if err != nil {
			return nil, err
		}
		if len(b) == 0 {
			break
		}
		if err := reader.Write(at, b); err != nil {
			return nil, fmt.Errorf("catalog: %w", err)
		}
		at += wal.LSN(len(b))
	}
	if reader.Timeline() == 0 {
		return nil, corrupt("the log begins at %v, and nothing is there", control.redo)
	}
	return &Start{
		LSN: reader.Position(), SystemID: control.system, SegmentSize: control.segment, Timeline: reader.Timeline(),
	}, nil
}

// segments are the files of the log.
type segments struct {
	*reading
	size     int64
	timeline uint32
	names    map[int64]string // by number, of the highest timeline
}

// list takes the newest timeline's of each.
func (s *segments) list() error {
	entries, err := s.reading.list("pg_wal")
	if err != nil {
		return err
	}
	s.names = map[int64]string{}
	for _, e := range entries { // sorted by timeline
		if at, timeline, ok := wal.ParseSegment(e.Name, uint32(s.size)); ok && timeline >= s.timeline {
			s.names[int64(at)/s.size] = e.Name
		}
	}
	return nil
}

// read gives some of the log at a position, nothing at its end. A page that does not
// say that it is the one there is of a segment that the file was before, and behind
// it there are no others, for the log is written in order.
func (s *segments) read(at wal.LSN) ([]byte, error) {
	name, ok := s.names[int64(at)/s.size]
	if !ok {
		return nil, nil
	}
	off := int64(at) % s.size
	b, err := s.reading.read("pg_wal/"+name, off, int(min(chunk, s.size-off)))
	if err != nil || len(b) < wal.PageSize || wal.LSN(le.Uint64(b[8:])) != at {
		return nil, err
	}
	return b, nil
}
