package bundle_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/wal"
)

// journal is what a subscriber that may be killed has on disk of what it got. Each
// entry is synced before the next thing is done.
//
//	entry   0 length of the payload u32 · 4 CRC-32 of the payload u32 · 8 entryKind · 9 payload
type journal struct {
	file *os.File
	enc  change.Encoder
	buf  []byte
}

type entryKind byte

const (
	gotSet entryKind = iota + 1 // payload: the set as CBOR
	acked                       // payload: the position u64
	// dumped is behind all sets that there were before anybody wrote again. Payload:
	// the rows of all tables at that moment, a line each.
	dumped
)

const entryHeader = 9

func openJournal(name string) (*journal, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return &journal{file: f}, err
}

func (j *journal) add(kind entryKind, payload func([]byte) ([]byte, error)) error {
	b, err := payload(append(j.buf[:0], make([]byte, entryHeader)...))
	if err != nil {
		return err
	}
	j.buf = b
	binary.LittleEndian.PutUint32(b, uint32(len(b)-entryHeader))
	binary.LittleEndian.PutUint32(b[4:], crc32.ChecksumIEEE(b[entryHeader:]))
	b[8] = byte(kind)
	if _, err := j.file.Write(b); err != nil {
		return err
	}
	return j.file.Sync()
}

func (j *journal) set(s *change.Set) error {
	return j.add(gotSet, func(b []byte) ([]byte, error) { return j.enc.Append(b, s) })
}

func (j *journal) ack(lsn wal.LSN) error {
	return j.add(acked, func(b []byte) ([]byte, error) { return binary.LittleEndian.AppendUint64(b, uint64(lsn)), nil })
}

func (j *journal) text(s string) error {
	return j.add(dumped, func(b []byte) ([]byte, error) { return append(b, s...), nil })
}

// takeJournal gives the entries of a journal whose writer is dead, and removes it.
// The last one may be torn.
func takeJournal(name string, do func(kind entryKind, payload []byte) error) error {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for len(b) >= entryHeader {
		n, sum, kind := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), entryKind(b[8])
		if uint64(n) > uint64(len(b)-entryHeader) || crc32.ChecksumIEEE(b[entryHeader:][:n]) != sum {
			break
		}
		if err := do(kind, b[entryHeader:][:n]); err != nil {
			return err
		}
		b = b[entryHeader+n:]
	}
	return os.Remove(name)
}
