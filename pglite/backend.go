package pglite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/howdahdb/howdah/runtime"
	"github.com/howdahdb/howdah/runtime/linear"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// backend is one Postgres process: an instance of the wasm build, booted for a
// role and a database.
//
// Who holds mu runs the guest and may touch inst, feed and sink; nobody else
// does. Between messages mu is free and no guest frame is on any stack. The
// atomics, wake, poke and raise may be used by anyone.
type backend struct {
	hooks
	login
	pid    uint32
	params []Setting // ParameterStatus values after boot
	log    logWriter

	mu    sync.Mutex
	feed  feed // where the guest's messages come from
	sink  sink // where its answers go
	ended bool

	mem        *linear.Memory
	addr       addresses
	fn         functions
	stack      [4]uint64
	localLatch uint32               // LocalLatchData, which MyLatch is at first and at the exit
	exitCalls  int                  // of before_shmem_exit, while booting
	prepared   map[string]statement // protocol-level statements that the guest holds
	base       map[string]string    // values as booted of the parameters that the last session's startup gave,
	given      map[string]string    // and what it gave
	altered    bool                 // SET has changed something for last
	last       *Session             // whose state is in the guest; nil: nobody's

	timerDue atomic.Bool
	wake     chan struct{}  // 1 deep: a parked guest looks again
	alarms   chan struct{}  // 1 deep: the idle pump looks
	quit     chan struct{}  // closed when the backend has ended
	pumping  sync.WaitGroup // the idle pump

	user atomic.Pointer[Session] // who holds the backend

	live struct { // lets others than mu's holder touch mem
		sync.Mutex
		ended bool
	}
}

// feed gives the guest the bytes of frontend messages. read is called while a
// message runs and blocks in the middle of a COPY; 0 means that no more will
// come.
type feed interface{ read(p []byte) int }

// sink takes the guest's bytes; what can't be delivered is dropped.
type sink interface{ write(p []byte) }

// addresses are C variables of the backend.
type addresses struct {
	interruptPending, queryCancelPending, procDiePending uint32
	myProcPid, myProc, myBackendType                     uint32
	isUnderPostmaster, myLatch                           uint32
	critSectionCount, interruptHoldoffCount              uint32
}

// functions are exports called for every message.
type functions struct {
	loopOnce, longJmp, readyIfNecessary, flush, remaining runtime.Function
}

// errExited is returned when the guest has ended by itself: a FATAL error, or
// pg_terminate_backend. What it had to say is in the sink.
var errExited = errors.New("pglite: the backend has exited")

// lastPID numbers backends and sessions of this process; the guest's own
// getpid is 42.
var lastPID atomic.Uint32

const firstPID = 1000

func newPID() uint32 { return firstPID + lastPID.Add(1) }

// boot starts a backend on the cluster's files. A database error (no such
// role, no such database, recovery impossible) is an *Error.
func boot(ctx context.Context, e *engine, ns *vfs.Namespace, args []string, want login, log logWriter) (_ *backend, err error) {
	b := &backend{
		login: want, pid: newPID(), log: log,
		prepared: map[string]statement{}, base: map[string]string{}, given: map[string]string{},
		wake: make(chan struct{}, 1), alarms: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	b.inst, err = e.backend.Instantiate(ctx, runtime.Process{
		FS: ns, Env: backendEnv, Data: b, Alarm: b.alarm,
		Stdout: b.log.quiet, Stderr: b.log.write,
	})
	if err != nil {
		return nil, err
	}
	b.mem = b.inst.Memory()
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if err := b.resolve(); err != nil {
		return nil, err
	}
	if err := startGuest(b.inst); err != nil {
		return nil, err
	}
	for _, c := range [...]struct {
		name string
		args []uint64
	}{
		{"pgl_set_rw_cbs", []uint64{b.slot("read"), b.slot("write")}},
		{"pgl_setPGliteActive", []uint64{1}},
	} {
		if _, err := b.inst.Call(c.name, c.args...); err != nil {
			return nil, err
		}
	}
	if err := b.runMain(args); err != nil {
		return nil, err
	}
	if err := b.greet(); err != nil {
		return nil, err
	}
	b.pumping.Add(1)
	go b.pumpIdle()
	return b, nil
}

func (b *backend) slot(name string) uint64 {
	s, _ := b.inst.Program().Slot(name)
	return uint64(s)
}

// resolve finds variables and functions by their export names.
func (b *backend) resolve() (err error) {
	a, f := &b.addr, &b.fn
	for name, p := range map[string]*uint32{
		"InterruptPending": &a.interruptPending, "QueryCancelPending": &a.queryCancelPending,
		"ProcDiePending": &a.procDiePending, "MyProcPid": &a.myProcPid,
		"MyBackendType": &a.myBackendType, "IsUnderPostmaster": &a.isUnderPostmaster,
		"MyLatch": &a.myLatch, "MyProc": &a.myProc, "CritSectionCount": &a.critSectionCount,
		"InterruptHoldoffCount": &a.interruptHoldoffCount,
	} {
		if *p, err = b.inst.Address(name); err != nil {
			return err
		}
	}
	for name, p := range map[string]*runtime.Function{
		"PostgresMainLoopOnce": &f.loopOnce, "PostgresMainLongJmp": &f.longJmp,
		"PostgresSendReadyForQueryIfNecessary": &f.readyIfNecessary,
		"pgl_pq_flush":                         &f.flush, "pq_buffer_remaining_data": &f.remaining,
	} {
		if *p, err = b.inst.Func(name); err != nil {
			return err
		}
	}
	return nil
}

// runMain runs main as far as it goes: PGlite leaves it by exit(99), which
// means that the backend is up.
func (b *backend) runMain(args []string) error {
	const alive = 99
	hook, err := b.inst.Address("shmem_startup_hook")
	if err != nil {
		return err
	}
	b.inst.PutUint32(hook, uint32(b.slot("shmem_startup")))
	name := b.inst.Bytes(userNameAddr, userNameMax+1)
	name[copy(name, b.role)] = 0
	status, err := b.inst.Run(append(args, "-D", guestData, b.db))
	if err != nil {
		return err
	}
	if status != alive {
		if b.log.fatal != nil {
			return b.log.fatal
		}
		return fmt.Errorf("pglite: postgres ended with status %d while starting", status)
	}
	_, err = b.inst.Call("pgl_startPGlite")
	return err
}

// greet hands over a startup packet and reads the parameters that Postgres
// reports. The role and database in it are for show: the session's are set.
func (b *backend) greet() error {
	pkt := []byte{0, 0, 0, 0, 0, 3, 0, 0}
	for _, s := range [...]string{"user", b.role, "database", b.db} {
		pkt = append(append(pkt, s...), 0)
	}
	pkt = append(pkt, 0)
	binary.BigEndian.PutUint32(pkt, uint32(len(pkt)))
	in, out := &bytesFeed{pkt}, &replySink{}
	b.feed, b.sink = in, out
	defer func() { b.feed, b.sink = nil, nil }()
	port, err := b.inst.Call("pgl_getMyProcPort")
	if err != nil {
		return err
	}
	status, err := b.inst.Call("ProcessStartupPacket", port, 1, 1)
	if err != nil {
		return err
	}
	if status != 0 {
		return fmt.Errorf("pglite: backend refuses the startup packet (%d)", int32(status))
	}
	for _, f := range [...]string{"pgl_sendConnData", "pgl_pq_flush"} {
		if _, err := b.inst.Call(f); err != nil {
			return err
		}
	}
	b.params = out.params
	return b.swallowReports()
}

// end shuts the backend down as its exit would: locks and temporary tables
// go, and the last backend writes the shutdown checkpoint.
func (b *backend) end() error {
	b.mu.Lock()
	if b.ended {
		b.mu.Unlock()
		return nil
	}
	err := b.exit()
	b.mu.Unlock()
	b.pumping.Wait()
	return err
}

// exit runs the guest's exit and frees it. REQUIRES: mu, between messages.
func (b *backend) exit() error {
	b.feed, b.sink = &bytesFeed{}, &replySink{}
	_, err := b.inst.Call("pgl_run_atexit_funcs")
	b.close()
	if isExit(err) {
		return nil
	}
	return err
}

// abandon drops the backend as kill -9 would.
func (b *backend) abandon() {
	b.mu.Lock()
	b.close()
	b.mu.Unlock()
	b.pumping.Wait()
}

// close frees the instance. REQUIRES: mu.
func (b *backend) close() {
	if b.ended {
		return
	}
	b.ended = true
	close(b.quit)
	b.live.Lock()
	b.live.ended = true
	b.live.Unlock()
	b.inst.Close()
}

// alarm is the interval timer's: it makes a running guest look, wakes one that
// waits, and otherwise the idle pump. It runs on the timer's goroutine.
func (b *backend) alarm() {
	b.timerDue.Store(true)
	b.poke()
}

// raise sets one of the guest's flags for ProcessInterrupts. Any goroutine may
// call it.
func (b *backend) raise(flag uint32) {
	b.live.Lock()
	if !b.live.ended {
		b.mem.StoreUint32(flag, 1)
	}
	b.live.Unlock()
	b.poke()
}

// poke makes the guest come by ProcessInterrupts soon. Any goroutine may call
// it.
func (b *backend) poke() {
	b.live.Lock()
	if !b.live.ended {
		b.mem.StoreUint32(b.addr.interruptPending, 1)
	}
	b.live.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	select {
	case b.alarms <- struct{}{}:
	default:
	}
}

// deliver runs what signals and the timer left to do, at a safe point.
// REQUIRES: mu, on the goroutine that runs the guest.
func (b *backend) deliver() {
	if b.timerDue.Swap(false) {
		if err := b.inst.FireTimer(); err != nil {
			panic(err)
		}
	}
}

// --- what the guest calls ---

func (b *backend) guestRead(s []uint64) {
	s[0] = uint64(b.feed.read(b.inst.Bytes(uint32(s[0]), uint32(s[1]))))
}

func (b *backend) guestWrite(s []uint64) {
	b.sink.write(b.inst.Bytes(uint32(s[0]), uint32(s[1])))
	s[0] = s[1]
}

// shmemStartup is shmem_startup_hook: shared memory is there, nothing has a
// pid yet.
func (b *backend) shmemStartup([]uint64) {
	i := b.inst
	i.PutUint32(b.addr.myProcPid, b.pid)
	i.PutUint32(b.addr.myBackendType, backendTypeRegular)
	b.localLatch = i.Uint32(b.addr.myLatch)
	i.PutUint32(b.localLatch+latchOwnerPID, b.pid)
}

// beforeShmemExit finds the moment in InitPostgres after StartupXLOG and
// before the role is looked up. From there on the backend counts as one under
// a postmaster, so that the role is the session's and not the bootstrap
// superuser; as a background worker, since those bring their role's name
// (InitializeSessionUserId) and no Port. pgl_startPGlite sets both itself.
func (b *backend) beforeShmemExit([]uint64) {
	b.exitCalls++
	if b.exitCalls == beforeShmemExitLogin {
		b.inst.Bytes(b.addr.isUnderPostmaster, 1)[0] = 1
		b.inst.PutUint32(b.addr.myBackendType, backendTypeBgWorker)
	}
}

// become gives the backend the pid of the session that uses it, wherever it
// stands: pg_backend_pid, pg_stat_activity, pg_locks and notifications agree
// with what the client was told. REQUIRES: mu, between messages.
func (b *backend) become(pid uint32) {
	i := b.inst
	i.PutUint32(b.addr.myProcPid, pid)
	for _, at := range [...]uint32{
		i.Uint32(b.addr.myProc) + procPIDAt,
		i.Uint32(b.addr.myLatch) + latchOwnerPID,
		b.localLatch + latchOwnerPID,
		i.Uint32(beEntryAddr) + beEntryPIDAt,
		i.Uint32(procSignalSlotAddr),
	} {
		i.PutUint32(at, pid)
	}
}

func (b *backend) interrupts([]uint64) { b.deliver() }

// waitLatch: WaitLatch(latch, events, timeout ms, wait event) → events
// (src/include/storage/waiteventset.h).
func (b *backend) waitLatch(s []uint64) {
	const latchSet, timedOut = 1 << 0, 1 << 3
	latch, events := uint32(s[0]), uint32(s[1])
	timeout := time.Duration(int32(uint32(s[2]))) * time.Millisecond
	var expired <-chan time.Time
	if events&timedOut != 0 {
		t := time.NewTimer(max(timeout, 0))
		defer t.Stop()
		expired = t.C
	}
	event := b.inst.Uint32(waitEventAddr)
	b.inst.PutUint32(event, uint32(s[3]))
	defer func() { b.inst.PutUint32(event, 0) }()
	for {
		b.deliver()
		if events&latchSet != 0 && latch != 0 && b.inst.Uint32(latch) != 0 {
			s[0] = latchSet
			return
		}
		// A cancel or termination from outside comes without a latch.
		if b.mem.LoadUint32(b.addr.interruptPending) != 0 && b.inst.Uint32(b.addr.queryCancelPending)|b.inst.Uint32(b.addr.procDiePending) != 0 {
			s[0] = latchSet
			return
		}
		select {
		case <-b.wake:
		case <-expired:
			s[0] = timedOut
			return
		}
	}
}

// usleep: pg_usleep(microseconds), cut short by a signal.
func (b *backend) usleep(s []uint64) {
	t := time.NewTimer(time.Duration(uint32(s[0])) * time.Microsecond)
	defer t.Stop()
	select {
	case <-b.wake:
	case <-t.C:
	}
	b.deliver()
}

// kill: kill(pid, signal). Signals to processes other than the caller find
// nobody. Postgres cancels and terminates process groups, −pid; 0 is the
// postmaster of a backend that has none, whose SIGHUP comes back to all.
func (b *backend) kill(s []uint64) {
	const esrch = 71
	pid, sig := int32(uint32(s[0])), int(int32(uint32(s[1])))
	s[0] = 0
	if pid < 0 {
		pid = -pid
	}
	if pid != 0 && uint32(pid) != b.inst.Uint32(b.addr.myProcPid) {
		if err := b.inst.SetErrno(esrch); err != nil {
			panic(err)
		}
		s[0] = 0xffffffff
		return
	}
	if sig != 0 {
		if err := b.inst.Raise(sig); err != nil {
			panic(err)
		}
	}
}
