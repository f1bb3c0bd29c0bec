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

// identity is what no other cluster has: the system identifier, and a secret for
// those who ask for the password of a role that does not exist.
type identity struct {
	id    [8]byte
	nonce [nonceSize]byte
}

// newIdentity makes the identifier as initdb makes it: the time, in seconds and
// microseconds, and twelve bits that others of the same microsecond do not have.
func newIdentity() *identity {
	now := time.Now()
	who := &identity{}
	binary.LittleEndian.PutUint64(who.id[:], uint64(now.Unix())<<32|uint64(now.Nanosecond()/1000)<<12|(uint64(os.Getpid())+uint64(newPID()))&0xfff)
	_, _ = rand.Read(who.nonce[:]) // never fails (crypto/rand)
	return who
}

// identityOf is that of the cluster below dir.
func identityOf(fsys vfs.FS, dir string) (*identity, error) {
	control := path.Join(dir, "global/pg_control")
	b, err := readFile(fsys, control)
	if err != nil {
		return nil, fmt.Errorf("pglite: %w", err)
	}
	at, err := controlSum(b)
	if err != nil {
		return nil, fmt.Errorf("pglite: %s: %w", control, err)
	}
	return &identity{[8]byte(b), [nonceSize]byte(b[at-nonceSize : at])}, nil
}

// identify gives the cluster below dir, on which no server writes, an identity.
func identify(fsys vfs.FS, dir string, who *identity) error {
	control := path.Join(dir, "global/pg_control")
	b, err := readFile(fsys, control)
	if err != nil {
		return fmt.Errorf("pglite: %w", err)
	}
	at, err := controlSum(b)
	if err != nil {
		return fmt.Errorf("pglite: %s: %w", control, err)
	}
	copy(b, who.id[:])
	copy(b[at-nonceSize:], who.nonce[:])
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
		if err := identifySegment(fsys, path.Join(wal, e.Name), who.id); err != nil {
			return err
		}
	}
	return nil
}

func identifySegment(fsys vfs.FS, name string, id [8]byte) error {
	f, err := fsys.Open(name, vfs.ReadWrite, 0)
	if err != nil {
		return fmt.Errorf("pglite: %s: %w", name, err)
	}
	var head [walSysIDAt + 8]byte
	n, err := f.ReadAt(head[:], 0)
	if err == nil && n == len(head) && binary.LittleEndian.Uint16(head[:]) == walMagic {
		copy(head[walSysIDAt:], id[:])
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
