package pglite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

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
	if err := os.Mkdir(abs, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("pglite: make data directory: %w", err)
	}
	if info, err := os.Stat(abs); err != nil {
		return nil, fmt.Errorf("pglite: data directory: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%w: %s is not a directory", ErrNotCluster, abs)
	}
	d := &dataDir{path: abs}
	if _, err := d.look(); err != nil {
		return nil, err
	}
	lock, err := lockDir(abs)
	if err != nil {
		return nil, err
	}
	d.lock = lock
	defer func() {
		if err != nil {
			_ = lock.Close()
		}
	}()
	if d.empty, err = d.look(); err != nil { // another may have filled it meanwhile
		return nil, err
	}
	if d.empty {
		if err := clearDir(abs); err != nil {
			return nil, fmt.Errorf("pglite: remove an unfinished cluster: %w", err)
		}
	}
	if d.fs, err = vfs.OpenDir(abs); err != nil {
		return nil, fmt.Errorf("pglite: data directory %s: %w", abs, err)
	}
	return d, nil
}

// look tells whether the directory waits for a cluster, or why what is in it
// is none of ours.
func (d *dataDir) look() (empty bool, err error) {
	names, err := os.ReadDir(d.path)
	if err != nil {
		return false, fmt.Errorf("pglite: data directory: %w", err)
	}
	var others []string
	for _, n := range names {
		switch n.Name() {
		case initMarker:
			return true, nil
		case lockName, "lost+found":
		default:
			others = append(others, n.Name())
		}
	}
	if len(others) == 0 {
		return true, nil
	}
	version, err := os.ReadFile(filepath.Join(d.path, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("%w: %s is not empty and holds no PG_VERSION", ErrNotCluster, d.path)
	}
	if err != nil {
		return false, fmt.Errorf("pglite: data directory: %w", err)
	}
	if v := strings.TrimSpace(string(version)); v != "18" {
		return false, fmt.Errorf("%w: %s was made by PostgreSQL %s, this is 18", ErrNotCluster, d.path, v)
	}
	return false, d.checkControl()
}

// Offsets in ControlFileData of this build, 32-bit
// (src/include/catalog/pg_control.h). The 64-bit servers' differs in layout
// from checkPointCopy on, and in float8ByVal.
const (
	controlVersionAt = 8
	controlVersion   = 1800
	controlMinSize   = 296
)

// checkControl refuses clusters of servers built for another kind of machine.
func (d *dataDir) checkControl() error {
	b, err := os.ReadFile(filepath.Join(d.path, "global", "pg_control"))
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

// fill writes a fresh cluster into the directory and syncs all of it, so that
// a crash in between leaves either nothing that counts or a cluster.
func (d *dataDir) fill(m *vfs.Memory) error {
	if err := writeFile(d.fs, "/"+initMarker, nil); err != nil {
		return fmt.Errorf("pglite: fill data directory: %w", err)
	}
	if err := d.fs.SyncDir("/"); err != nil {
		return fmt.Errorf("pglite: fill data directory: %w", err)
	}
	if err := copyTree(m, guestData, d.fs, "/"); err != nil {
		return fmt.Errorf("pglite: fill data directory %s: %w", d.path, err)
	}
	if err := d.fs.Unlink("/" + initMarker); err != nil {
		return fmt.Errorf("pglite: fill data directory: %w", err)
	}
	if err := d.fs.SyncDir("/"); err != nil {
		return fmt.Errorf("pglite: sync data directory: %w", err)
	}
	d.empty = false
	return nil
}

// copyTree copies what is below from to below to, durably.
func copyTree(src vfs.FS, from string, dst vfs.FS, to string) error {
	dir, err := src.Open(from, vfs.ReadOnly, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	entries, err := dir.ReadDir()
	if err != nil {
		return err
	}
	for _, e := range entries {
		a, b := from+"/"+e.Name, strings.TrimSuffix(to, "/")+"/"+e.Name
		info, err := src.Lstat(a)
		if err != nil {
			return err
		}
		if !info.Mode.IsDir() {
			if err := copyFile(src, a, dst, b, info); err != nil {
				return fmt.Errorf("%s: %w", b, err)
			}
			continue
		}
		if err := dst.Mkdir(b, info.Mode.Perm()); err != nil {
			return fmt.Errorf("%s: %w", b, err)
		}
		if err := copyTree(src, a, dst, b); err != nil {
			return err
		}
	}
	return dst.SyncDir(to)
}

func copyFile(src vfs.FS, a string, dst vfs.FS, b string, info vfs.Info) error {
	p, err := readFile(src, a)
	if err != nil {
		return err
	}
	f, err := dst.Open(b, vfs.WriteOnly|vfs.Create|vfs.Exclusive, info.Mode.Perm())
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(p, 0); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// clearDir empties a directory in which a cluster was being made.
func clearDir(dir string) error {
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	marked := false
	for _, n := range names {
		marked = marked || n.Name() == initMarker
	}
	if !marked {
		return nil
	}
	for _, n := range names {
		switch n.Name() {
		case initMarker, lockName, "lost+found":
		default:
			if err := os.RemoveAll(filepath.Join(dir, n.Name())); err != nil {
				return err
			}
		}
	}
	return os.Remove(filepath.Join(dir, initMarker))
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
