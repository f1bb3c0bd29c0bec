package pglite

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"syscall"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// clearTheWay removes what a crash can leave that keeps Postgres from
// recovering. To be called before a boot that may recover, while no backend
// runs.
func clearTheWay(ns *vfs.Namespace) error {
	// A lock file without contents is taken for that of a server just
	// starting, forever. The lock that counts is the host's.
	const lockFile = guestData + "/postmaster.pid"
	if err := ns.Unlink(lockFile); err != nil && vfs.Errno(err) != syscall.ENOENT {
		return fmt.Errorf("pglite: remove %s: %w", lockFile, err)
	}
	return dropFuturePrepared(ns)
}

// wasShutDown tells whether Postgres will start without recovery.
func wasShutDown(ns *vfs.Namespace) (bool, error) {
	control, err := readFile(ns, controlFile)
	if err != nil || len(control) < controlMinSize {
		return false, fmt.Errorf("pglite: read the control file (%d bytes): %w", len(control), err)
	}
	return binary.LittleEndian.Uint32(control[controlStateAt:]) == controlShutDown, nil
}

// nextXidAt is the offset of checkPointCopy.nextXid, 64 bits, in the control
// file (ControlFileData and CheckPoint, src/include/catalog/pg_control.h).
const nextXidAt = 64

// dropFuturePrepared removes the state files of prepared transactions that the
// last checkpoint does not know of. A crash in the middle of a checkpoint
// leaves them, since it writes them before the control file. Recovery makes
// them again from the WAL and means to remove them first, but looks for them
// by a wrong name: it takes a number ahead of the next one for one of the epoch
// before (AdjustToFullTransactionId, src/backend/access/transam/twophase.c).
// It then finds in the files that the transactions are restored, and loses
// them.
func dropFuturePrepared(ns *vfs.Namespace) error {
	const dir = guestData + "/pg_twophase"
	files, err := list(ns, dir)
	if vfs.Errno(err) == syscall.ENOENT || err == nil && len(files) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pglite: list %s: %w", dir, err)
	}
	control, err := readFile(ns, controlFile)
	if err != nil || len(control) < controlMinSize {
		return fmt.Errorf("pglite: read the control file (%d bytes): %w", len(control), err)
	}
	next := binary.LittleEndian.Uint64(control[nextXidAt:])
	for _, f := range files {
		xid, err := strconv.ParseUint(f.Name, 16, 64)
		if err != nil || len(f.Name) != 16 || xid < next {
			continue
		}
		if err := ns.Unlink(dir + "/" + f.Name); err != nil {
			return fmt.Errorf("pglite: remove %s/%s: %w", dir, f.Name, err)
		}
	}
	return nil
}
