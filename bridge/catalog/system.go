package catalog

import "github.com/howdahdb/howdah/runtime/vfs"

// SystemID is the system identifier of a data directory, as pg_control has it.
func SystemID(files vfs.FS, dir string) (uint64, error) {
	c, err := (&reading{files: files, dir: dir}).control()
	return c.system, err
}
