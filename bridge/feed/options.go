package feed

import (
	"fmt"
	"time"

	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// ID says whose history a log holds: LSNs mean something only together with it.
type ID struct {
	System uint64 // the cluster's system identifier
	// Incarnation tells the histories of one cluster apart: it is another one after
	// the cluster has gone back in time, so that LSNs come again.
	Incarnation uint64
}

// Options say where a log is kept, and how much of it.
type Options struct {
	// FS holds the log in its folder Dir, "" for the root. Without an FS it is a
	// folder of the host, or, if Dir is empty, memory that ends with the Log.
	FS  vfs.FS
	Dir string
	ID  ID
	// Start is the position after which the caller will append every set. If the log
	// is complete only up to an earlier one, that is a gap.
	Start wal.LSN

	// MaxBytes and MaxAge say what is kept: retention removes the oldest segment while
	// all together have more bytes, compressed, or while all its commits are older.
	// It looks when a segment is full and at Sync. 0 is 1 GiB, or 64 MiB in memory, and
	// any age.
	MaxBytes int64
	MaxAge   time.Duration
	// SegmentBytes is when a segment is full. 0 is a sixteenth of MaxBytes, at most
	// 16 MiB.
	SegmentBytes int64

	// RingBytes bounds what is kept in memory for subscribers that keep up, by the
	// size of the encoded sets, and RingSets their number; 0 is 4 MiB and 16384.
	RingBytes int
	RingSets  int
}

func (o *Options) fill() {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
		if o.FS == nil && o.Dir == "" {
			o.MaxBytes = 64 << 20
		}
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = min(16<<20, o.MaxBytes/16)
	}
	if o.RingBytes <= 0 {
		o.RingBytes = 4 << 20
	}
	if o.RingSets <= 0 {
		o.RingSets = 16384
	}
}

// place finds the file system.
func (l *Log) place() error {
	switch o := &l.o; {
	case o.FS != nil:
		if o.Dir == "" {
			o.Dir = "/"
		}
	case o.Dir == "":
		m := vfs.NewMemory(vfs.MemoryOptions{})
		o.FS, o.Dir, l.owned = m, "/", m
	default:
		if err := vfs.MakeDirs(o.Dir); err != nil {
			return fmt.Errorf("feed: %w", err)
		}
		d, err := vfs.OpenDir(o.Dir)
		if err != nil {
			return fmt.Errorf("feed: %w", err)
		}
		o.FS, o.Dir, l.owned = d, "/", d
	}
	return nil
}
