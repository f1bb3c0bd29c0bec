package feed

import (
	"fmt"
	"path"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

const (
	// blockBytes is when a block of sets is written as a frame.
	blockBytes = 64 << 10
	// compressFrom is the size below which compressing is not worth its header.
	compressFrom = 256
	// maxFrame is what the lengths of a frame have room for, and slices on 32 bits.
	maxFrame = 1<<31 - 1
)

// writer is the end of the log at which sets are added. It is guarded by the log's
// appending.
type writer struct {
	fs  vfs.FS
	dir string
	id  ID

	file  vfs.File // the segment that is written, nil if there is none
	at    tail
	dirty bool // written since the last sync

	block block
	begun *tail // where the frames of a transaction that is not whole begin, nil without one

	encoder change.Encoder
	zstd    *zstd.Encoder
	scratch []byte
	packed  []byte
	out     []byte

	err error // a sync that failed: nobody knows what is on disk since
}

// block are the sets that are not in a file yet.
type block struct {
	b          []byte
	first      wal.LSN
	last       place
	sets       int
	time       int64
	unfinished bool
}

func newWriter(o *Options) (*writer, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(blockBytes), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	return &writer{fs: o.FS, dir: o.Dir, id: o.ID, zstd: z}, nil
}

// frame writes a frame behind the last one. If that fails nothing has changed.
func (w *writer) frame(f *frame, payload []byte) error {
	f.before = w.at.crc
	w.out = appendFrame(w.out[:0], f, payload)
	if _, err := w.file.WriteAt(w.out, w.at.offset); err != nil {
		// What was written of it has no checksum that fits; it would only take room.
		_ = w.file.Truncate(w.at.offset)
		return fmt.Errorf("feed: write the log: %w", err)
	}
	w.dirty = true
	w.at.offset += int64(len(w.out))
	w.at.crc, w.at.last = f.crc, f.last
	if cap(w.out) > 4*blockBytes {
		w.out = nil
	}
	return nil
}

// flush writes the block.
func (w *writer) flush(s *segment, l *Log) error {
	if w.block.sets == 0 {
		return nil
	}
	f := frame{raw: len(w.block.b), first: w.block.first, last: w.block.last.lsn, time: w.block.time, sets: w.block.sets}
	payload := w.block.b
	if len(payload) >= compressFrom {
		if w.packed = w.zstd.EncodeAll(payload, w.packed[:0]); len(w.packed) < len(payload) {
			payload, f.flags = w.packed, frameZstd
		}
	}
	if w.block.unfinished {
		f.flags |= frameOpen
	}
	after, offset := w.at.last, w.at.offset
	if err := w.frame(&f, payload); err != nil {
		return err
	}
	l.mu.Lock()
	s.note(after, offset)
	s.newest = max(s.newest, f.time)
	s.bytes = w.at.offset
	if w.begun == nil {
		s.size = w.at.offset
	}
	l.mu.flushed = w.block.last
	l.mu.Unlock()
	b := w.block.b[:0]
	if cap(b) > 4*blockBytes {
		b, w.packed = nil, nil
	}
	w.block = block{b: b}
	return nil
}

// add takes a set into the block and gives its encoded size. If it fails nothing of
// the set is there.
func (w *writer) add(s *change.Set, seg *segment, l *Log) (size int, err error) {
	if w.scratch, err = w.encoder.Append(w.scratch[:0], s); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	size = len(w.scratch)
	if size > maxFrame {
		return 0, fmt.Errorf("%w: it has %d bytes", ErrUnfit, size)
	}
	// A transaction of several sets begins with a frame, so that it can be cut off.
	begins := s.More && s.Part == 0
	if begins || len(w.block.b)+size > blockBytes {
		if err := w.flush(seg, l); err != nil {
			return 0, err
		}
	}
	if begins {
		begun := w.at
		w.begun = &begun
	}
	b := &w.block
	if b.sets == 0 {
		b.first = s.LSN
	}
	b.b = append(b.b, w.scratch...)
	b.last, b.unfinished = placeOf(s), s.More
	b.sets++
	if !s.Time.IsZero() {
		b.time = max(b.time, s.Time.UnixMicro())
	}
	if cap(w.scratch) > 4*blockBytes {
		w.scratch = nil
	}
	return size, nil
}

// abandon takes back the sets of a transaction that is not whole.
func (w *writer) abandon(s *segment, l *Log) error {
	if w.begun == nil {
		return nil
	}
	if w.at.offset > w.begun.offset {
		if err := w.file.Truncate(w.begun.offset); err != nil {
			return fmt.Errorf("feed: cut off a transaction that was not finished: %w", err)
		}
	}
	w.at = *w.begun
	w.begun = nil
	w.block = block{b: w.block.b[:0]}
	l.mu.Lock()
	s.cut(w.at.offset)
	s.bytes = w.at.offset
	l.mu.Unlock()
	return nil
}

// mark writes that the log is complete up to a position.
func (w *writer) mark(s *segment, l *Log, last wal.LSN) error {
	if last <= w.at.last {
		return nil
	}
	if err := w.frame(&frame{first: last, last: last}, nil); err != nil {
		return err
	}
	l.mu.Lock()
	s.size, s.bytes = w.at.offset, w.at.offset
	l.mu.Unlock()
	return nil
}

// sync makes durable what was written.
func (w *writer) sync() error {
	if w.err != nil {
		return w.err
	}
	if !w.dirty {
		return nil
	}
	if err := w.file.Datasync(); err != nil {
		w.err = fmt.Errorf("feed: sync the log: %w", err)
		return w.err
	}
	w.dirty = false
	return nil
}

// seal writes the index behind the last frame of a segment and makes it durable.
func (w *writer) seal(s *segment, l *Log) error {
	start := w.at
	// The index is the writer's own to read: only it adds to it.
	f := frame{first: w.at.last, last: w.at.last, time: s.newest, flags: frameIndex}
	payload := appendIndex(nil, s.index)
	f.raw = len(payload)
	err := w.frame(&f, payload)
	if err == nil {
		seal := le.AppendUint64(nil, uint64(start.offset))
		if _, werr := w.file.WriteAt(append(seal, sealMagic...), w.at.offset); werr != nil {
			err = fmt.Errorf("feed: write the log: %w", werr)
			_ = w.file.Truncate(start.offset)
		}
	}
	if err == nil {
		err = w.sync()
	}
	if err != nil {
		w.at = start
		return err
	}
	size := w.at.offset + sealSize
	l.mu.Lock()
	s.sealed, s.end, s.size, s.bytes = true, start.last, start.offset, size
	l.mu.Unlock()
	w.at = start
	return nil
}

// create begins a segment behind a position. The one before is sealed or given up.
func (w *writer) create(base wal.LSN) (*segment, error) {
	s := &segment{name: segmentName(base), base: base, size: segmentHeader, bytes: segmentHeader}
	file := path.Join(w.dir, s.name)
	f, err := w.fs.Open(file, vfs.ReadWrite|vfs.Create|vfs.Truncate, 0o600)
	if err != nil {
		return nil, fmt.Errorf("feed: begin a segment: %w", err)
	}
	h := header{id: w.id, base: base, created: time.Now().UnixMicro()}
	if _, err = f.WriteAt(h.encode(), 0); err == nil {
		if err = f.Sync(); err == nil {
			err = w.fs.SyncDir(w.dir)
		}
	}
	if err != nil {
		f.Close()
		_ = w.fs.Unlink(file)
		return nil, fmt.Errorf("feed: begin a segment: %w", err)
	}
	w.close()
	w.file = f
	w.at = tail{offset: segmentHeader, crc: h.crc, last: base}
	w.block, w.begun, w.dirty = block{b: w.block.b[:0]}, nil, false
	return s, nil
}

// close lets the file go; what is to be kept of it was synced.
func (w *writer) close() {
	if w.file != nil {
		w.file.Close()
		w.file = nil
	}
}
