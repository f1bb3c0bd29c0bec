package pglite

import (
	"fmt"
	"strings"

	"github.com/howdahdb/howdah/runtime"
	"github.com/howdahdb/howdah/runtime/linear"
)

// What a backend's main meets on its way that the host has a part in.

// segmentAlign is the boundary that shared memory lies at: far enough apart
// that all backends' allocators, whose heaps differ a little by then, put it at
// the same one.
const segmentAlign = 16 << 20

// mapSegment serves anonymous maps of a megabyte and more, which are Postgres'
// shared memory, without clearing them page by page. 0 leaves all others to
// the guest's own mmap.
func mapSegment(i *runtime.Instance, s []uint64) {
	const mapAnonymous = 0x20
	n, flags := uint32(s[1]), uint32(s[3])
	s[0] = 0
	if flags&mapAnonymous == 0 || n < 1<<20 {
		return
	}
	n = (n + linear.PageSize - 1) &^ (linear.PageSize - 1)
	p, err := i.MapZeros(n, segmentAlign)
	if err != nil {
		panic(err)
	}
	if b, ok := i.Data.(*backend); ok { // else one that initdb runs
		if err := b.srv.placed(b, p, n); err != nil {
			panic(err)
		}
	}
	s[0] = uint64(p)
}

// shmemStartup is shmem_startup_hook: shared memory is there, nothing has a
// pid yet. What the backend has registered for its exit by then is the
// postmaster's business, and so the host's: to remove the lock file and the DSM
// control segment. A forked child forgets it, too (on_exit_reset).
func (b *backend) shmemStartup([]uint64) {
	b.entered()
	if err := b.srv.acquire(b); err != nil {
		panic(err)
	}
	b.holding = true
	var err error
	if b.first {
		err = b.srv.found(b)
	} else {
		err = b.srv.join(b)
	}
	if err != nil {
		panic(err)
	}
	b.mapped = true
	i := b.inst
	i.PutUint32(b.addr.myProcPid, b.pid)
	i.PutUint32(b.addr.myBackendType, backendTypeRegular)
	b.localLatch = i.Uint32(b.addr.myLatch)
	i.PutUint32(b.localLatch+latchOwnerPID, b.pid)
	for _, list := range [...]uint32{beforeExitsAddr, shmemExitsAddr, procExitsAddr} {
		i.PutUint32(list, 0)
	}
}

// onShmemExit finds the moment in a further backend's boot when it has its
// process slot and has not yet asked whether it is to recover the cluster: from
// there on it is under a postmaster. (CleanupProcSignalState is registered at
// the end of ProcSignalInit, src/backend/storage/ipc/procsignal.c; InitPostgres
// in src/backend/utils/init/postinit.c calls StartupXLOG next.)
func (b *backend) onShmemExit(s []uint64) {
	if b.first || !b.mapped || uint32(s[0]) != cleanupProcSignal {
		return
	}
	b.underPostmaster()
}

// beforeShmemExit finds the moment in InitPostgres after StartupXLOG and
// before the role is looked up, when ShutdownPostgres is registered. The first
// backend recovers the cluster as no process under a postmaster would, and is
// one from then on; its shutdown is left to whichever backend is the last (see
// addShutdown).
func (b *backend) beforeShmemExit(s []uint64) {
	if !b.mapped || uint32(s[0]) != shutdownPostgres {
		return
	}
	i := b.inst
	n := i.Uint32(beforeExitsAddr)
	if b.first {
		if n < uint32(len(shutdownCalls)) {
			panic(fmt.Errorf("%d exit calls are registered, ShutdownXLOG is not among them", n))
		}
		n -= uint32(len(shutdownCalls))
		for k, want := range shutdownCalls {
			if got := i.Uint32(beforeExitsAddr + exitListAt + (n+uint32(k))*exitCallSize); got != want {
				panic(fmt.Errorf("exit call %d is table entry %d, expected %d", n+uint32(k), got, want))
			}
		}
		i.PutUint32(beforeExitsAddr, n)
		b.underPostmaster()
	}
	if b.login.override { // CheckMyDatabase and process_settings ask; pgl_startPGlite sets it again
		i.Bytes(b.addr.isUnderPostmaster, 1)[0] = 0
	}
	b.exitAt = n
}

// underPostmaster makes the backend look its role up, so that it is the
// session's and not the bootstrap superuser; as a background worker, since those
// bring their role's name (InitializeSessionUserId) and no Port.
// pgl_startPGlite sets both itself.
func (b *backend) underPostmaster() {
	b.inst.Bytes(b.addr.isUnderPostmaster, 1)[0] = 1
	kind := uint32(backendTypeBgWorker)
	if b.login.worker {
		kind = backendTypeAutovacWorker
	}
	b.inst.PutUint32(b.addr.myBackendType, kind)
}

// loginEvent comes before EventTriggerOnLogin, which PostgresMain calls when a
// backend has started. Here a session starts later, if it gets another's backend
// or the host's, so the triggers run for sessions only (see greetSession).
func (b *backend) loginEvent([]uint64) {
	if !b.greeting {
		b.inst.Bytes(hasLoginEventAddr, 1)[0] = 0
	}
}

// greetSession runs the login triggers for s. An *Error is what one of them
// raised, which refuses the session.
func (b *backend) greetSession(s *Session) (err error) {
	if err := b.enter(); err != nil {
		return err
	}
	defer func() { b.leave(err) }()
	b.inst.Bytes(hasLoginEventAddr, 1)[0] = 1
	b.greeting = true
	err = b.protect(func() error { return b.inst.CallTable(loginEvent, sigVoid) })
	b.greeting = false
	if err != nil {
		return err
	}
	s.pinned, err = b.pinned(s)
	return err
}

// openPostmaster gives the backend a postmaster that lives: a VACUUM that sleeps
// looks for it (vacuum_delay_point).
func (b *backend) openPostmaster() error {
	sp := b.inst.StackPointer()
	defer b.inst.SetStackPointer(sp)
	name, err := b.inst.PushString(hostDir + "/" + postmasterPipe)
	if err != nil {
		return err
	}
	fd, err := b.inst.Call("open", uint64(name), 0, 0)
	if err != nil {
		return err
	}
	if int32(fd) < 0 {
		return fmt.Errorf("pglite: %s/%s can't be opened", hostDir, postmasterPipe)
	}
	b.inst.PutUint32(postmasterAliveAddr, uint32(fd))
	return nil
}

// controlSegment finds where the DSM control segment is mapped, and its file's
// name in /dev/shm.
func (b *backend) controlSegment() (addr uint32, name string, err error) {
	for _, m := range b.inst.Mappings() {
		if rel, ok := strings.CutPrefix(m.Path, sharedDir); ok {
			if addr != 0 {
				return 0, "", fmt.Errorf("pglite: %s is mapped beside the DSM control segment", m.Path)
			}
			addr, name = m.Addr, rel
		}
	}
	if addr == 0 {
		return 0, "", fmt.Errorf("pglite: no DSM control segment is mapped")
	}
	return addr, name, nil
}
