package pglite

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path"
	"time"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// A cluster made from another's files gets a system identifier of its own, as
// initdb gives one (BootStrapXLOG in src/backend/access/transam/xlog.c). It
// stands in pg_control and in the first page of each WAL segment.

const (
	nonceSize = 32 // MOCK_AUTH_NONCE_LEN: mock_authentication_nonce, right before the checksum
	// The first page header of a segment, XLogLongPageHeaderData
	// (src/include/access/xlog_internal.h): xlp_magic, and xlp_sysid.
	walMagic   = 0xd118
	walSysIDAt = 24
)

// newSystemID is made as initdb makes it: the time, in seconds and
// microseconds, and twelve bits that others of the same microsecond do not have.
func newSystemID() uint64 {
	now := time.Now()
	return uint64(now.Unix())<<32 | uint64(now.Nanosecond()/1000)<<12 | (uint64(os.Getpid())+uint64(newPID()))&0xfff
}

// setSystemID gives the cluster below dir, which was shut down, an identifier,
// and a secret of its own for those who ask for the password of a role that does
// not exist.
func setSystemID(fsys vfs.FS, dir string, id uint64) error {
	control := path.Join(dir, "global/pg_control")
	b, err := readFile(fsys, control)
	if err != nil {
		return fmt.Errorf("pglite: %w", err)
	}
	at, err := controlSum(b)
	if err != nil {
		return fmt.Errorf("pglite: %s: %w", control, err)
	}
	binary.LittleEndian.PutUint64(b, id)
	_, _ = rand.Read(b[at-nonceSize : at]) // never fails (crypto/rand)
	binary.LittleEndian.PutUint32(b[at:], crc32.Checksum(b[:at], castagnoli))
	if err := patch(fsys, control, b, 0); err != nil {
		return err
	}
	wal := path.Join(dir, "pg_wal")
	segments, err := list(fsys, wal)
	if err != nil {
		return fmt.Errorf("pglite: %s: %w", wal, err)
	}
	for _, e := range segments {
		if _, ok := segmentStart(e.Name); !ok {
			continue
		}
		if err := setSegmentID(fsys, path.Join(wal, e.Name), id); err != nil {
			return err
		}
	}
	return nil
}

func setSegmentID(fsys vfs.FS, name string, id uint64) error {
	f, err := fsys.Open(name, vfs.ReadWrite, 0)
	if err != nil {
		return fmt.Errorf("pglite: %s: %w", name, err)
	}
	var head [walSysIDAt + 8]byte
	n, err := f.ReadAt(head[:], 0)
	if err == nil && n == len(head) && binary.LittleEndian.Uint16(head[:]) == walMagic {
		binary.LittleEndian.PutUint64(head[walSysIDAt:], id)
		_, err = f.WriteAt(head[:], 0)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("pglite: %s: %w", name, err)
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// controlSum finds the checksum of pg_control, which covers all before it.
func controlSum(b []byte) (at int, err error) {
	for at := controlMinSize - 8; at+4 <= min(len(b), 512); at += 4 {
		if binary.LittleEndian.Uint32(b[at:]) == crc32.Checksum(b[:at], castagnoli) {
			return at, nil
		}
	}
	return 0, errors.New("its checksum is wrong")
}

// patch writes p at an offset of a file that is there.
func patch(fsys vfs.FS, name string, p []byte, off int64) error {
	f, err := fsys.Open(name, vfs.WriteOnly, 0)
	if err != nil {
		return fmt.Errorf("pglite: %s: %w", name, err)
	}
	_, err = f.WriteAt(p, off)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("pglite: %s: %w", name, err)
	}
	return nil
}
