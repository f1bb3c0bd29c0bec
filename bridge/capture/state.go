package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// The state is what has to be known to go on at a position of the log: the catalogs
// as they are there, and what the transactions that are under way have logged. It
// replaces the state before as a whole, by renaming. All is little-endian.
//
//	 0 magic "HWDHCAP1" · 8 CRC-32C of the rest u32
//	12 system identifier u64 · 20 incarnation u64 · 28 position u64 · 36 transactions u32
//	   each: xid u32 · flags u8 (1 prepared, 2 unseen) · name of its file (u16 length) · size of that u64
//	         · bytes behind it (u64 length)
//	   the catalogs, to the end
//
// A state that can't be read, of another version or cut short, is as good as none:
// the capture begins anew from the files, and the feed tells its subscribers that
// there is a gap.
type state struct {
	system, incarnation uint64
	position            wal.LSN
	pending             []*pending
	catalogs            []byte
}

const (
	stateMagic = "HWDHCAP1"
	stateName  = "/state"
	stateTemp  = "/state.new"
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errState   = errors.New("capture: the saved state is damaged")
)

func (s *state) encode() []byte {
	b := make([]byte, 12, 1<<20)
	b = le.AppendUint64(b, s.system)
	b = le.AppendUint64(b, s.incarnation)
	b = le.AppendUint64(b, uint64(s.position))
	b = le.AppendUint32(b, uint32(len(s.pending)))
	for _, p := range s.pending {
		b = le.AppendUint32(b, p.xid)
		b = append(b, boolByte(p.prepared)|boolByte(p.unseen)<<1)
		var name string
		var size int64
		if p.file != nil {
			name, size = p.file.name, p.file.size
		}
		b = le.AppendUint16(b, uint16(len(name)))
		b = append(b, name...)
		b = le.AppendUint64(b, uint64(size))
		b = le.AppendUint64(b, uint64(p.log.size))
		for _, chunk := range p.log.chunks {
			b = append(b, chunk...)
		}
	}
	return seal(append(b, s.catalogs...))
}

// seal puts magic and checksum before the rest.
func seal(b []byte) []byte {
	copy(b, stateMagic)
	le.PutUint32(b[8:], crc32.Checksum(b[12:], castagnoli))
	return b
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// decodeState reads what encode has written. The files of transactions are only
// named in it.
func decodeState(b []byte) (*state, error) {
	if len(b) < 40 || string(b[:8]) != stateMagic || crc32.Checksum(b[12:], castagnoli) != le.Uint32(b[8:]) {
		return nil, errState
	}
	r := bytes.NewReader(b[12:])
	s := &state{}
	var count uint32
	for _, v := range []any{&s.system, &s.incarnation, &s.position, &count} {
		if err := binary.Read(r, le, v); err != nil {
			return nil, errState
		}
	}
	for range count {
		p, err := decodePending(r)
		if err != nil {
			return nil, err
		}
		s.pending = append(s.pending, p)
	}
	s.catalogs = b[len(b)-r.Len():]
	return s, nil
}

func decodePending(r *bytes.Reader) (*pending, error) {
	p := &pending{}
	var flags uint8
	var n uint16
	var size int64
	var length uint64
	name, ok := []byte(nil), binary.Read(r, le, &p.xid) == nil && binary.Read(r, le, &flags) == nil && binary.Read(r, le, &n) == nil
	if ok {
		name, ok = take(r, uint64(n))
	}
	ok = ok && binary.Read(r, le, &size) == nil && binary.Read(r, le, &length) == nil
	if ok {
		var b []byte
		b, ok = take(r, length)
		p.log = entriesOf(b)
	}
	if !ok || size < 0 || len(name) == 0 && size > 0 || len(name) > 0 && !strings.HasPrefix(string(name), spillPrefix) {
		return nil, errState
	}
	p.prepared, p.unseen = flags&1 != 0, flags&2 != 0
	if len(name) > 0 {
		p.file = &spill{name: string(name), size: size}
	}
	return p, nil
}

// take reads n bytes, if there are so many.
func take(r *bytes.Reader, n uint64) ([]byte, bool) {
	if n > uint64(r.Len()) {
		return nil, false
	}
	b := make([]byte, n)
	_, err := r.Read(b)
	return b, err == nil || n == 0
}

// store keeps the state in a folder of the capture's own.
type store struct{ files vfs.FS }

// load reads the state, nil if there is none, and opens the files that it names.
// What is left of others it removes.
func (t *store) load() (*state, error) {
	b, err := readAll(t.files, stateName)
	if vfs.Errno(err) == syscall.ENOENT {
		return nil, t.sweep(nil)
	}
	if err != nil {
		return nil, fmt.Errorf("capture: read the saved state: %w", err)
	}
	s, err := decodeState(b)
	if err != nil {
		return nil, errors.Join(err, t.sweep(nil))
	}
	if err := t.sweep(s); err != nil {
		return nil, err
	}
	for i, p := range s.pending {
		if p.file == nil {
			continue
		}
		if p.file, err = reopenSpill(t.files, p.file.name, p.file.size); err != nil {
			for _, q := range s.pending[:i] {
				err = errors.Join(err, q.close())
			}
			return nil, fmt.Errorf("%w: %w", errState, err)
		}
	}
	return s, nil
}

// save puts s in the place of the state before. Files that it does not name any
// more are the caller's to remove.
func (t *store) save(s *state) error {
	err := func() error {
		for _, p := range s.pending {
			if p.file != nil {
				if err := p.file.file.Datasync(); err != nil {
					return err
				}
			}
		}
		f, err := t.files.Open(stateTemp, vfs.WriteOnly|vfs.Create|vfs.Truncate, 0o600)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(s.encode(), 0)
		if err == nil {
			err = f.Sync()
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		if err := t.files.Rename(stateTemp, stateName); err != nil {
			return err
		}
		return t.files.SyncDir("/")
	}()
	if err != nil {
		return fmt.Errorf("capture: save the state: %w", err)
	}
	return nil
}

// forget removes the state, so that the next start begins anew.
func (t *store) forget() error {
	if err := t.files.Unlink(stateName); err != nil && vfs.Errno(err) != syscall.ENOENT {
		return fmt.Errorf("capture: remove the state: %w", err)
	}
	return t.files.SyncDir("/")
}

// sweep removes the files of transactions that s does not name.
func (t *store) sweep(s *state) error {
	d, err := t.files.Open("/", vfs.ReadOnly, fs.FileMode(0))
	if err != nil {
		return err
	}
	entries, err := d.ReadDir()
	if err = errors.Join(err, d.Close()); err != nil {
		return err
	}
	kept := map[string]bool{}
	if s != nil {
		for _, p := range s.pending {
			if p.file != nil {
				kept[p.file.name] = true
			}
		}
	}
	for _, e := range entries {
		if name := path.Join("/", e.Name); strings.HasPrefix(name, spillPrefix) && !kept[name] {
			if err := t.files.Unlink(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func readAll(files vfs.FS, name string) (b []byte, err error) {
	f, err := files.Open(name, vfs.ReadOnly, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b = make([]byte, info.Size)
	n, err := f.ReadAt(b, 0)
	return b[:n], err
}
