package pglite

import (
	"encoding/binary"
	"slices"

	"github.com/howdahdb/howdah/runtime"
	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// What is known about pglite.wasm by address or index, and therefore of this
// one file only. Everything that has an export name is found by it.

// layoutHash is the sha256 of the pglite.wasm described here (0.5.16,
// PostgreSQL 18.6).
const layoutHash = "5256d9ac379f631355f41ab30291e6a6d9f854242b5ee2a2d0940e28041d3fca"

// rewrittenHash is the sha256 of what backendSource makes of it. It names machine
// code and memory images in caches: when anything about the rewriting changes,
// this has to. TestRewrittenHash tells, and so does a start with an empty cache.
const rewrittenHash = "c2983fa6d6aafcf73146543a8d46216704982d76bcbe7c6c8973ba2ffa13537b"

const (
	// userNameAddr is the name that pgl_getpwuid answers with, a C string of
	// up to userNameMax bytes: postgres --single takes the session's role
	// from there.
	userNameAddr = 2733080
	userNameMax  = 63

	// funcKill is kill(2), by its place among the defined functions; it has
	// no export. Its body raises signals for pid 42 only.
	funcKill = 13338

	// EventTriggerOnLogin (src/backend/commands/event_trigger.c), by its place
	// among the defined functions and by its table entry: PostgresMain calls it
	// so. It does nothing unless MyDatabaseHasLoginEventTriggers
	// (src/backend/utils/init/globals.c).
	funcLoginEvent    = 2300
	loginEvent        = 1802
	hasLoginEventAddr = 2875544

	// startTimeAddr is PgStartTime (src/backend/utils/adt/timestamp.c), a
	// TimestampTz. randomStateAddr is prng_state of
	// src/backend/utils/adt/pseudorandomfuncs.c, 16 bytes, and prng_seed_set.
	startTimeAddr   = 2867456
	randomStateAddr = 2865712
	randomStateSize = 17

	// latchOwnerPID is the offset of owner_pid in Latch
	// (src/include/storage/latch.h).
	latchOwnerPID = 12

	// waitEventAddr is my_wait_event_info, the address of the backend's
	// current wait event (src/backend/utils/activity/wait_event.c).
	waitEventAddr = 2607568

	// Wait events of class PG_WAIT_CLIENT (src/include/utils/wait_event.h,
	// src/backend/utils/activity/wait_event_names.txt).
	clientRead  = 0x06000000
	clientWrite = 0x06000001

	// A catalog snapshot outlives its statement (CatalogSnapshot of
	// src/backend/utils/time/snapmgr.c, with ActiveSnapshot, the root of the
	// heap RegisteredSnapshots, and TransactionXmin), and so does the xmin of
	// the backend (MyProc->xmin).
	catalogSnapshotAddr     = 2880976
	activeSnapshotAddr      = 2880980
	registeredSnapshotsAddr = 2679296
	transactionXminAddr     = 2679280
	procXminAt              = 40

	// Where else a backend's pid stands, beside MyProcPid and its latch:
	// MyProc->pid, MyBEEntry->st_procpid (see beEntrySize),
	// MyProcSignalSlot->pss_pid (src/backend/storage/ipc/procsignal.c).
	procPIDAt          = 44
	beEntryAddr        = 2804704
	procSignalSlotAddr = 2797620

	// idleTimeoutAddr is IdleSessionTimeout (src/backend/storage/lmgr/proc.c), in
	// milliseconds.
	idleTimeoutAddr = 2804276

	// The list of libraries that are loaded: file_list and file_tail
	// (src/backend/utils/fmgr/dfmgr.c), of DynamicFileList with next at 0.
	fileListAddr = 2874624
	fileTailAddr = 2874636
	fileNameAt   = 24

	// latchSleeping is the offset of maybe_sleeping in Latch.
	latchSleeping = 4

	// The flags of PGPROC (src/include/storage/proc.h) that loops around
	// PGSemaphoreLock look at: lwWaiting, procArrayGroupMember,
	// clogGroupMember.
	procLWWaiting  = 74
	procArrayGroup = 536
	procClogGroup  = 552

	// The three lists of what is called before and at an exit: their counts
	// (before_shmem_exit_index, on_shmem_exit_index, on_proc_exit_index), and
	// where from the first of these its list begins, of function and argument
	// (src/backend/storage/ipc/ipc.c).
	beforeExitsAddr = 2796912
	shmemExitsAddr  = 2797088
	procExitsAddr   = 2797264
	exitListAt      = 16
	exitCallSize    = 8
	maxExitCalls    = 20

	// Table entries of functions that are known by being registered there.
	cleanupProcSignal = 1749 // CleanupProcSignalState
	shutdownPostgres  = 2520 // ShutdownPostgres

	// Where PROC_IS_AUTOVACUUM stands: PGPROC.statusFlags, and by
	// PGPROC.pgxactoff in ProcGlobal->statusFlags (src/include/storage/proc.h;
	// vacuum_rel in src/backend/commands/vacuum.c sets a flag next to it).
	procStatusFlags   = 124
	procArrayIndex    = 48
	procGlobalAddr    = 2804288 // its first member is allProcs
	globalStatusFlags = 12
	procIsAutovacuum  = 1

	// postmasterAliveAddr is the descriptor that PostmasterIsAlive reads
	// (postmaster_alive_fds, src/backend/storage/ipc/pmsignal.c).
	postmasterAliveAddr = 2592328

	// pendingXactsAddr is pgStatXactCommit, and pgStatXactRollback follows
	// (src/backend/utils/activity/pgstat_database.c).
	pendingXactsAddr = 2860616

	// auxOwnerAddr is AuxProcessResourceOwner
	// (src/backend/utils/resowner/resowner.c).
	auxOwnerAddr = 2880928
)

// BackendType of src/include/miscadmin.h.
const (
	backendTypeRegular       = 1
	backendTypeAutovacWorker = 4
	backendTypeBgWorker      = 5
)

// pidPatches undo that the compiler knows getpid() to be 42: comparisons of
// MyProcPid (at 2875608), and of MyProc->pid (MyProc at 2804284, pid at 44),
// with that constant become true. Same length: "i32.const 42; i32.eq" turns
// into "drop; i32.const 1". They stand in proc_exit, in the signal wrapper,
// and in ProcKill and AuxiliaryProcKill.
var pidPatches = []wasmfile.Patch{
	{Name: "MyProcPid == getpid()", Count: 1,
		Old: []byte{0x41, 0xd8, 0xc1, 0xaf, 0x01, 0x28, 0x02, 0x00, 0x41, 0x2a, 0x46},
		New: []byte{0x41, 0xd8, 0xc1, 0xaf, 0x01, 0x28, 0x02, 0x00, 0x1a, 0x41, 0x01}},
	{Name: "MyProcPid != getpid()", Count: 1,
		Old: []byte{0x41, 0xd8, 0xc1, 0xaf, 0x01, 0x28, 0x02, 0x00, 0x41, 0x2a, 0x47},
		New: []byte{0x41, 0xd8, 0xc1, 0xaf, 0x01, 0x28, 0x02, 0x00, 0x1a, 0x41, 0x00}},
	{Name: "MyProc->pid == getpid()", Count: 2,
		Old: []byte{0x41, 0xbc, 0x94, 0xab, 0x01, 0x28, 0x02, 0x00, 0x28, 0x02, 0x2c, 0x41, 0x2a, 0x46},
		New: []byte{0x41, 0xbc, 0x94, 0xab, 0x01, 0x28, 0x02, 0x00, 0x28, 0x02, 0x2c, 0x1a, 0x41, 0x01}},
}

// exitPatches let the calls at an exit know that it is one and no crash:
// atexit_callback gives proc_exit_prepare -1 (src/backend/storage/ipc/ipc.c),
// which makes pgstat_before_server_shutdown keep no statistics.
var exitPatches = []wasmfile.Patch{{Name: "proc_exit_prepare(-1)", Count: 1,
	Old: []byte{0x41, 0x7f, 0x10, 0xc3, 0x2a},
	New: []byte{0x41, 0x00, 0x10, 0xc3, 0x2a}}}

// interruptPendingAddr is InterruptPending, which counts down (see breath).
// QueryCancelPending follows.
const interruptPendingAddr = 2875472

// breath is how many of Postgres' interrupt checks a guest passes between two
// calls of the host. The collector of the Go runtime can't stop a goroutine in
// machine code of wazero, and stops all others until it has: a query that only
// computes would have the whole process wait for its end. So InterruptPending is
// never 0 for long, and ProcessInterrupts, which every check then calls, counts
// down in it. Whoever wants to be heard at once sets it to 1, as Postgres does; a
// store of the guest's that gets in the way delays that by a breath.
var breath = &wasmfile.Countdown{Addr: interruptPendingAddr, Start: 256}

// pendingPatches let those who do not call ProcessInterrupts, but give up what
// they do when InterruptPending is set, look at QueryCancelPending instead:
// vacuum_delay_point (src/backend/commands/vacuum.c) and spgdoinsert
// (src/backend/access/spgist/spgdoinsert.c), which would try for ever.
var pendingPatches = []wasmfile.Patch{
	pendingPatch("vacuum_delay_point", 0x0d, 0x00, 0x41, 0xc4),
	pendingPatch("spgdoinsert begins", 0x45, 0x04, 0x40, 0x41, 0x02),
	pendingPatch("spgdoinsert goes on", 0x0d, 0x04, 0x02, 0x40, 0x02, 0x40),
	pendingPatch("spgdoinsert splits", 0x0d, 0x13),
	pendingPatch("spgdoinsert adds a node", 0x0d, 0x12),
	pendingPatch("spgdoinsert ends", 0x45, 0x0d, 0x00, 0x0b),
}

// pendingPatch replaces the load of InterruptPending before some code.
func pendingPatch(name string, behind ...byte) wasmfile.Patch {
	load := func(low byte) []byte { return append([]byte{0x41, low, 0xc0, 0xaf, 0x01, 0x28, 0x02, 0x00}, behind...) }
	return wasmfile.Patch{Name: "InterruptPending where " + name, Count: 1, Old: load(0xd0), New: load(0xd4)}
}

// shutdownCalls are what InitPostgres registers to be called at the end of a
// server, in this order: pgstat_before_server_shutdown, ShutdownXLOG.
var shutdownCalls = [...]uint32{1419, 1431}

// lockWaits are the places where PGSemaphoreLock was: nothing is left of the
// call but a load of its argument, six bytes, in a loop that ends when a flag
// is clear. In this order: LWLockAcquire, LWLockAcquireOrWait (within
// XLogFlush), LWLockWaitForVar (within WaitXLogInsertionsToFinish),
// TransactionGroupUpdateXidStatus, ProcArrayGroupClearXid.
var lockWaits = []runtime.CallSite{
	lockWait(0x06, 0x04, 0x02, procLWWaiting),
	lockWait(0x05, 0x03, 0x01, procLWWaiting),
	lockWait(0x0b, 0x05, 0x09, procLWWaiting),
	lockWait(0x02, 0x01, 0x05, procClogGroup),
	lockWait(0x00, 0x02, 0x01, procArrayGroup),
}

// lockWait is such a loop: the locals that hold MyProc, the number of extra
// waits and that number before, and the offset of the flag.
func lockWait(proc, waits, before byte, flag uint32) runtime.CallSite {
	code := []byte{0x20, proc, 0x28, 0x02, 0x0c, 0x1a, // drop MyProc->sem
		0x20, waits, 0x22, before, 0x41, 0x01, 0x6a, 0x21, waits, // extraWaits++
		0x20, proc, 0x2d, 0x00} // MyProc->flag
	code = binary.AppendUvarint(code, uint64(flag))
	return runtime.CallSite{Name: "PGSemaphoreLock", By: "lock_wait", Old: append(code, 0x0d, 0x00)}
}

var (
	i32      = wasmfile.I32
	sigVoid  = wasmfile.Sig{}
	sigI     = wasmfile.Sig{Params: []wasmfile.ValType{i32}}
	sigII    = wasmfile.Sig{Params: []wasmfile.ValType{i32, i32}}
	sigItoI  = wasmfile.Sig{Params: []wasmfile.ValType{i32}, Results: []wasmfile.ValType{i32}}
	sigIItoI = wasmfile.Sig{Params: []wasmfile.ValType{i32, i32}, Results: []wasmfile.ValType{i32}}
	sig3toI  = wasmfile.Sig{Params: []wasmfile.ValType{i32, i32, i32}, Results: []wasmfile.ValType{i32}}
	sigWait  = wasmfile.Sig{Params: []wasmfile.ValType{i32, i32, i32, i32}, Results: []wasmfile.ValType{i32}}
	sigMmap  = wasmfile.Sig{Params: []wasmfile.ValType{i32, i32, i32, i32, i32, wasmfile.I64}, Results: []wasmfile.ValType{i32}}
)

// backendSource says how pglite.wasm is rewritten and which Go functions it
// calls. The order of Table is part of what machine code and memory images
// depend on.
func backendSource(wasm []byte) runtime.Source {
	return runtime.Source{
		Name: "pglite",
		Wasm: wasm, Rewritten: rewrittenHash,
		Table: []runtime.TableFunc{
			{Name: "system", Sig: sigItoI, Call: onHooks((*hooks).system)},
			{Name: "popen", Sig: sigIItoI, Call: onHooks((*hooks).popen)},
			{Name: "pclose", Sig: sigItoI, Call: onHooks((*hooks).pclose)},
			{Name: "read", Sig: sigIItoI, Call: onBackend((*backend).guestRead)},
			{Name: "write", Sig: sigIItoI, Call: onBackend((*backend).guestWrite)},
			{Name: "shmem_startup", Sig: sigVoid, Call: onBackend((*backend).shmemStartup)},
			{Name: "wait_latch", Sig: sigWait, Call: onBackend((*backend).waitLatch)},
			{Name: "interrupts", Sig: sigVoid, Call: onBackend((*backend).interrupts)},
			{Name: "on_shmem_exit", Sig: sigII, Call: onBackend((*backend).onShmemExit)},
			{Name: "before_shmem_exit", Sig: sigII, Call: onBackend((*backend).beforeShmemExit)},
			{Name: "kill", Sig: sigIItoI, Call: onBackend((*backend).kill)},
			{Name: "usleep", Sig: sigI, Call: onBackend((*backend).usleep)},
			{Name: "mmap", Sig: sigMmap, Call: mapSegment},
			{Name: "lock_wait", Sig: sigVoid, Call: onBackend((*backend).lockWait)},
			{Name: "login_event", Sig: sigVoid, Call: onBackend((*backend).loginEvent)},
			{Name: "read_status", Sig: sigVoid, Call: onBackend((*backend).readStatus)},
			{Name: "stand_in", Sig: sigItoI, Call: onBackend((*backend).standIn)},
			{Name: "count_others", Sig: sig3toI, Call: onBackend((*backend).countOthers)},
			{Name: "force_drop", Sig: sigVoid, Call: onBackend((*backend).forceDrop)},
			{Name: "request_checkpoint", Sig: sigI, Call: requestCheckpoint},
		},
		Takeovers: []runtime.Takeover{
			{Export: "WaitLatch", By: "wait_latch", Mode: wasmfile.Replace},
			{Export: "ProcessInterrupts", By: "interrupts", Mode: wasmfile.Before, Countdown: breath},
			{Export: "on_shmem_exit", By: "on_shmem_exit", Mode: wasmfile.Before},
			{Export: "before_shmem_exit", By: "before_shmem_exit", Mode: wasmfile.Before},
			{Func: funcKill, By: "kill", Mode: wasmfile.Replace},
			{Export: "pg_usleep", By: "usleep", Mode: wasmfile.Replace},
			{Export: "mmap", By: "mmap", Mode: wasmfile.Override},
			{Func: funcLoginEvent, By: "login_event", Mode: wasmfile.Before},
			{Func: funcReadStatus, By: "read_status", Mode: wasmfile.Replace},
			{Func: funcPIDGetProc, By: "stand_in", Mode: wasmfile.Override},
			{Func: funcCountOthers, By: "count_others", Mode: wasmfile.Replace},
			{Func: funcRequestCheckpoint, By: "request_checkpoint", Mode: wasmfile.Replace},
		},
		Patches:      slices.Concat(pidPatches, exitPatches, pendingPatches, forcePatches, syncPatches),
		Calls:        append(lockWaits[:len(lockWaits):len(lockWaits)], runtime.CallSite{Name: "DROP DATABASE (FORCE)", By: "force_drop", Old: forceCall}),
		AllowMissing: neverCalled,
		MissingFunc:  raiseMissing,
	}
}

// neverCalled are functions of libc that the build left out. pgcrypto imports
// them through OpenSSL and never calls them.
var neverCalled = []string{
	"gethostbyname", "getsockname", "getsockopt", "madvise", "mlock", "mprotect", "setbuf",
	"setsockopt", "shutdown", "signal", "sleep", "tcgetattr", "tcsetattr",
}

// raiseMissing answers a call of one.
func raiseMissing(i *runtime.Instance, name string) {
	raise(i, "XX000", "function "+name+"() is not part of this build", "")
}

// initdbSource is the same for initdb.wasm, which only runs commands.
func initdbSource(wasm []byte) runtime.Source {
	return runtime.Source{
		Name: "initdb",
		Wasm: wasm,
		Table: []runtime.TableFunc{
			{Name: "system", Sig: sigItoI, Call: onHooks((*hooks).system)},
			{Name: "popen", Sig: sigIItoI, Call: onHooks((*hooks).popen)},
			{Name: "pclose", Sig: sigItoI, Call: onHooks((*hooks).pclose)},
		},
	}
}

// Static variables that tell what a session has left in its backend.
const (
	tempNamespaceAddr   = 2777896 // myTempNamespace, src/backend/catalog/namespace.c
	listenChannelsAddr  = 2778116 // listenChannels, src/backend/commands/async.c
	preparedQueriesAddr = 2778192 // prepared_queries, src/backend/commands/prepare.c
	sequencesAddr       = 2778204 // seqhashtab, src/backend/commands/sequence.c
	lastSequenceAddr    = 2778200 // last_used_seq, the same
	localLocksAddr      = 2798344 // LockMethodLocalHash, src/backend/storage/lmgr/lock.c
	randomAddr          = 2865712 // prng_state, src/backend/utils/adt/pseudorandomfuncs.c
	gucTableAddr        = 2878880 // guc_hashtab, src/backend/utils/misc/guc.c
	nondefListAddr      = 2878892 // guc_nondef_list, src/backend/utils/misc/guc.c
	portalsAddr         = 2880908 // PortalHashTable, src/backend/utils/mmgr/portalmem.c
)

// A prepared statement's row type: plansource of PreparedStatement
// (src/include/commands/prepare.h); magic, resultDesc, context and is_valid of
// CachedPlanSource (src/include/utils/plancache.h); TupleDescData with its
// CompactAttributes and pg_attributes (src/include/access/tupdesc.h).
const (
	preparedSourceAt = 64
	sourceMagic      = 195726186
	sourceRowsAt     = 52
	sourceContextAt  = 56
	sourceValidAt    = 95

	rowHeader  = 20
	rowCompact = 16
	rowAttr    = 100
	rowNameAt  = 4
	rowTypeAt  = 68
	rowLenAt   = 72 // attlen i16
	rowNumAt   = 74 // attnum i16
	rowModAt   = 76
	rowByValAt = 82 // attbyval, attalign and attstorage, a byte each
	rowCollAt  = 96
)
