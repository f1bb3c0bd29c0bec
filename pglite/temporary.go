package pglite

import (
	"fmt"
	"strings"
	"syscall"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// removeTemporary removes what backends that have not ended well have left: files
// of sorts and hashes, and of temporary tables. A postmaster does so when it starts
// (RemovePgTempFiles, src/backend/storage/file/fd.c); a single process doesn't. To
// be called while no backend runs.
func removeTemporary(ns *vfs.Namespace) error {
	const base = guestData + "/base"
	entries, err := list(ns, base)
	if err != nil {
		return fmt.Errorf("pglite: list %s: %w", base, err)
	}
	for _, e := range entries {
		dir, is := base+"/"+e.Name, temporaryRelation
		switch {
		case !e.Type.IsDir():
			continue
		case e.Name == "pgsql_tmp":
			is = func(string) bool { return true }
		}
		if err := removeFiles(ns, dir, is); err != nil {
			return err
		}
	}
	return nil
}

// removeFiles removes the files of a folder whose names are such, and what is in
// folders of those names, which parallel sorts share.
func removeFiles(ns *vfs.Namespace, dir string, is func(name string) bool) error {
	entries, err := list(ns, dir)
	if err != nil {
		return fmt.Errorf("pglite: list %s: %w", dir, err)
	}
	for _, e := range entries {
		name := dir + "/" + e.Name
		switch {
		case !is(e.Name):
			continue
		case e.Type.IsDir():
			if err = removeFiles(ns, name, is); err == nil {
				err = ns.Rmdir(name)
			}
		default:
			err = ns.Unlink(name)
		}
		if err != nil && vfs.Errno(err) != syscall.ENOENT {
			return fmt.Errorf("pglite: remove %s: %w", name, err)
		}
	}
	return nil
}

// temporaryRelation tells whether a name is that of a temporary table's file:
// t<backend>_<relfilenumber>, with _<fork> and .<segment> behind it or not
// (looks_like_temp_rel_name, src/backend/storage/file/fd.c).
func temporaryRelation(name string) bool {
	rest, ok := strings.CutPrefix(name, "t")
	if !ok {
		return false
	}
	backend, relation, ok := strings.Cut(rest, "_")
	relation, segment, cut := strings.Cut(relation, ".")
	relation, fork, forked := strings.Cut(relation, "_")
	return ok && digits(backend) && digits(relation) && (!cut || digits(segment)) &&
		(!forked || fork == "fsm" || fork == "vm" || fork == "init")
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
