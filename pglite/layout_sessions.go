package pglite

import (
	"slices"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// What layout.go is for sessions that no backend shows.

// What pg_stat_activity is made of (src/backend/utils/activity/backend_status.c):
// BackendStatusArray has a PgBackendStatus (src/include/utils/backend_status.h) for
// each of MaxBackends and NUM_AUXILIARY_PROCS, and pgstat_read_current_status copies
// those in use to localBackendStatusTable, of localNumBackends LocalPgBackendStatus,
// in backendStatusSnapContext.
const (
	funcReadStatus   = 5878 // pgstat_read_current_status, among the defined functions
	statusArrayAddr  = 2804708
	statusMemoryAddr = 2804728
	localStatusAddr  = 2804732
	localNumberAddr  = 2804736
	statusMemoryName = 80704 // "Backend Status Snapshot"
	topMemoryAddr    = 2880868
	maxBackendsAddr  = 2875568
	auxiliaryProcs   = 38

	beEntrySize       = 408
	beEntryPIDAt      = 4
	beEntryTypeAt     = 8  // st_backendType
	beEntryStartAt    = 16 // st_proc_start_timestamp; of the transaction's, of the
	beEntryXactAt     = 24 // activity's and of the state's start
	beEntryActiveAt   = 32
	beEntrySinceAt    = 40
	beEntryHostAt     = 188 // st_clienthostname, a char *
	beEntryStateAt    = 208
	beEntryNameAt     = 212 // st_appname, st_activity_raw
	beEntryQueryAt    = 216
	beEntryProgressAt = 220

	localSize     = 432
	localNumberAt = 408 // proc_number, backend_xid, backend_xmin, backend_subxact_count, _overflowed
	localXidAt    = 412
	localXminAt   = 416
	localSubsAt   = 420
	localOverAt   = 424

	stateIdle    = 2 // BackendState
	stateRunning = 3
)

// What tells of a process (PGPROC, src/include/storage/proc.h), how long one is, and
// the list of those in use, ProcArrayStruct at procArrayAddr
// (src/backend/storage/ipc/procarray.c): BackendPidGetProc and CountOtherDBBackends
// look there.
const (
	funcPIDGetProc  = 5360
	funcCountOthers = 5366
	procArrayAddr   = 2797460
	procNumbersAt   = 36
	procSize        = 640
	procXidAt       = 36
	procDatabaseAt  = 60
	procRoleAt      = 64
	procSubsAt      = 276 // subxidStatus: count and overflowed, a byte each
	procOverAt      = 277
)

// forcePatches make room for a call in dropdb(force), where TerminateOtherDBBackends
// has listed the processes of the database and not yet looked at whose they are: after
// it has asked whether there is a list it asks whether that is empty, which a list
// never is.
var (
	forcePatches = []wasmfile.Patch{{Name: "TerminateOtherDBBackends", Count: 1,
		Old: []byte{0x20, 0x11, 0x45, 0x0d, 0x03, 0x20, 0x11, 0x28, 0x02, 0x04, 0x41, 0x00, 0x4c, 0x0d, 0x03},
		New: append(slices.Clone(forceCall), 0x01, 0x01, 0x01, 0x01)}}
	forceCall = []byte{0x41, 0x00, 0x1a, 0x41, 0x00, 0x1a, 0x20, 0x11, 0x45, 0x0d, 0x03}
)
