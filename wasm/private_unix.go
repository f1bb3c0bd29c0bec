//go:build unix

package wasm

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkPrivate refuses what another user owns or could write. name is for
// the error only.
func checkPrivate(name string, st fs.FileInfo) error {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && int(sys.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user id %d and not to this one (%d): it holds machine code and is not used; choose another cache folder", name, sys.Uid, os.Geteuid())
	}
	if perm := st.Mode().Perm(); perm&0o022 != 0 {
		return fmt.Errorf("%s can be written by others (mode %04o): it holds machine code and is not used; check what is in it and chmod go-w it, or remove it", name, perm)
	}
	return nil
}
