package pglite

import (
	"errors"
	"fmt"
	"path"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// fill writes a fresh cluster into the directory and syncs all of it, so that
// a crash in between leaves either nothing that counts or a cluster. First all
// is written, then all is synced: a file system that commits its journal at a
// sync has little to do for the next ones.
func (d *dataDir) fill(m *vfs.Memory) error {
	return d.make(func() error { return copyTree(m, guestData, d.fs, "/") })
}

// make does so with what write writes.
func (d *dataDir) make(write func() error) error {
	if err := writeFile(d.fs, "/"+initMarker, nil); err != nil {
		return fmt.Errorf("pglite: fill data directory: %w", err)
	}
	if err := d.fs.SyncDir("/"); err != nil {
		return fmt.Errorf("pglite: fill data directory: %w", err)
	}
	if err := write(); err != nil {
		return fmt.Errorf("pglite: fill data directory %s: %w", d.path, err)
	}
	if err := syncTree(d.fs, "/"); err != nil {
		return fmt.Errorf("pglite: sync data directory %s: %w", d.path, err)
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

// copyTree copies what is below from to below to.
func copyTree(src vfs.FS, from string, dst vfs.FS, to string) error {
	entries, err := list(src, from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		a, b := path.Join(from, e.Name), path.Join(to, e.Name)
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
	return nil
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
	_, err = f.WriteAt(p, 0)
	return errors.Join(err, f.Close())
}

// syncTree makes all files and names below name durable.
func syncTree(fsys vfs.FS, name string) error {
	entries, err := list(fsys, name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		sub := path.Join(name, e.Name)
		if e.Type.IsDir() {
			err = syncTree(fsys, sub)
		} else {
			err = syncFile(fsys, sub)
		}
		if err != nil {
			return err
		}
	}
	return fsys.SyncDir(name)
}

func syncFile(fsys vfs.FS, name string) error {
	f, err := fsys.Open(name, vfs.ReadWrite, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// clear empties a directory in which a cluster was being made. The marker
// stays for the next try: if it went first, a crash could leave the rest
// without it.
func (d *dataDir) clear() error {
	entries, err := list(d.fs, "/")
	for k := 0; k < len(entries) && err == nil; k++ {
		switch name := entries[k].Name; name {
		case initMarker, lockName, "lost+found":
		default:
			err = removeTree(d.fs, "/"+name, entries[k])
		}
	}
	if err != nil {
		return fmt.Errorf("pglite: remove an unfinished cluster from %s: %w", d.path, err)
	}
	return nil
}

func removeTree(fsys vfs.FS, name string, e vfs.Entry) error {
	if !e.Type.IsDir() {
		return fsys.Unlink(name)
	}
	entries, err := list(fsys, name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := removeTree(fsys, path.Join(name, e.Name), e); err != nil {
			return err
		}
	}
	return fsys.Rmdir(name)
}

func list(fsys vfs.FS, name string) ([]vfs.Entry, error) {
	dir, err := fsys.Open(name, vfs.ReadOnly, 0)
	if err != nil {
		return nil, err
	}
	entries, err := dir.ReadDir()
	return entries, errors.Join(err, dir.Close())
}
