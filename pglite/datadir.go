package pglite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// dataDir is a data directory that this process holds. The lock is the
// operating system's, on the directory itself where it allows that: a process
// that died holds none.
type dataDir struct {
	path  string
	fs    vfs.FS
	lock  io.Closer
	empty bool // no cluster in it yet
}

// initMarker stands in a directory that is being filled: what a crash leaves
// of that is thrown away. Its name is the host's, no guest ever sees it.
const initMarker = "howdah.init"

// openDataDir takes a directory: one that does not exist is made, one that
// holds something else than a cluster of this build is refused untouched.
func openDataDir(dir string) (_ *dataDir, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("pglite: data directory: %w", err)
	}
	if err := vfs.MakeDir(abs); err != nil {
		return nil, fmt.Errorf("pglite: make data directory: %w", err)
	}
	if info, err := os.Stat(abs); err != nil {
		return nil, fmt.Errorf("pglite: data directory: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%w: %s is not a directory", ErrNotCluster, abs)
	}
	d := &dataDir{path: abs}
	defer func() {
		if err != nil {
			_ = d.close()
		}
	}()
	tree, err := vfs.OpenDir(abs)
	if err != nil {
		return nil, fmt.Errorf("pglite: data directory: %w", err)
	}
	d.fs = tree
	if _, err = d.look(); err != nil {
		return nil, err
	}
	if err = writable(abs); err != nil {
		return nil, fmt.Errorf("pglite: data directory %s can't be written: %w", abs, err)
	}
	lock, err := lockDir(abs)
	if err != nil {
		return nil, err
	}
	d.lock = lock
	if d.empty, err = d.look(); err != nil { // another may have filled it meanwhile
		return nil, err
	}
	if d.empty {
		err = d.clear()
	}
	return d, err
}

// look tells whether the directory waits for a cluster, or why what is in it
// is none of ours.
func (d *dataDir) look() (empty bool, err error) {
	entries, err := list(d.fs, "/")
	if err != nil {
		return false, fmt.Errorf("pglite: data directory %s: %w", d.path, err)
	}
	empty = true
	for _, e := range entries {
		switch e.Name {
		case initMarker:
			return true, nil
		case lockName, "lost+found":
		default:
			empty = false
		}
	}
	if empty {
		return true, nil
	}
	version, err := readFile(d.fs, "/PG_VERSION")
	if errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("%w: %s is not empty and holds no PG_VERSION", ErrNotCluster, d.path)
	}
	if err != nil {
		return false, fmt.Errorf("pglite: data directory %s: %w", d.path, err)
	}
	if v := strings.TrimSpace(string(version)); v != "18" {
		return false, fmt.Errorf("%w: %s was made by PostgreSQL %s, this is 18", ErrNotCluster, d.path, v)
	}
	if err := d.checkLinks(entries); err != nil {
		return false, err
	}
	return false, d.checkControl()
}

// checkLinks refuses a cluster of which a part is elsewhere, as a native
// server's pg_wal or tablespaces can be: Postgres would find out after it has
// begun to change things.
func (d *dataDir) checkLinks(top []vfs.Entry) error {
	spaces, err := list(d.fs, "/pg_tblspc")
	if err != nil && vfs.Errno(err) != syscall.ENOENT {
		return fmt.Errorf("pglite: data directory %s: %w", d.path, err)
	}
	for dir, entries := range map[string][]vfs.Entry{"/": top, "/pg_tblspc": spaces} {
		for _, e := range entries {
			if e.Type != fs.ModeSymlink {
				continue
			}
			if _, err := d.fs.Stat(path.Join(dir, e.Name)); vfs.Errno(err) == syscall.EPERM {
				return fmt.Errorf("%w: %s is a symbolic link that leads out of it", ErrNotCluster, filepath.Join(d.path, dir, e.Name))
			}
		}
	}
	return nil
}

// Offsets in ControlFileData of this build, 32-bit
// (src/include/catalog/pg_control.h). The 64-bit servers' differs in layout
// from checkPointCopy on, and in float8ByVal.
const (
	controlVersionAt = 8
	controlVersion   = 1800
	controlStateAt   = 16
	controlShutDown  = 1  // DB_SHUTDOWNED
	checkPointAt     = 32 // LSN of the last checkpoint
	controlMinSize   = 296
)

// checkControl refuses clusters of servers built for another kind of machine.
func (d *dataDir) checkControl() error {
	b, err := readFile(d.fs, "/global/pg_control")
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrNotCluster, d.path, err)
	}
	if len(b) < controlMinSize || binary.LittleEndian.Uint32(b[controlVersionAt:]) != controlVersion {
		return fmt.Errorf("%w: %s: pg_control is of another version", ErrNotCluster, d.path)
	}
	if !controlIsOurs(b) {
		return fmt.Errorf("%w: %s was made by a server for another kind of machine (64-bit); use pg_dump there and psql here", ErrNotCluster, d.path)
	}
	return nil
}

// close gives the directory up.
func (d *dataDir) close() error {
	var err error
	if c, ok := d.fs.(io.Closer); ok {
		err = c.Close()
	}
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
	}
	return err
}

// controlIsOurs tells a cluster of this build from one of a 64-bit server by
// the end of ControlFileData: blcksz u32, relseg_size u32, xlog_blcksz u32,
// xlog_seg_size u32, nameDataLen u32, indexMaxKeys u32, toast_max_chunk_size
// u32, loblksize u32, float8ByVal bool. The first five are the same everywhere
// and are searched for.
func controlIsOurs(b []byte) bool {
	const blcksz, relseg, nameLen = 8192, 131072, 64
	le := binary.LittleEndian
	for at := controlVersionAt; at+33 <= len(b); at += 4 {
		if le.Uint32(b[at:]) == blcksz && le.Uint32(b[at+4:]) == relseg && le.Uint32(b[at+8:]) == blcksz && le.Uint32(b[at+16:]) == nameLen {
			return b[at+32] == 0
		}
	}
	return false
}
