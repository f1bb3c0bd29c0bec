package pglite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/howdahdb/howdah/runtime"
	"github.com/howdahdb/howdah/runtime/linear"
)

// backend is one Postgres process: an instance of the wasm build, booted for a
// role and a database, one of a server's.
//
// Who has entered it (see enter) runs the guest and may touch inst, feed and
// sink; nobody else does. Between messages no guest frame is on any stack. The
// atomics, the channels, poke and raise may be used by anyone.
type backend struct {
	hooks
	login
	srv    *server
	first  bool // of its server
	final  bool // nobody comes after it
	pid    uint32
	goesBy uint32    // the pid of its session, guarded by srv.mu
	params []Setting // ParameterStatus values after boot
	log    logWriter

	mu       sync.Mutex
	feed     feed // where the guest's messages come from
	sink     sink // where its answers go
	ended    bool
	holding  bool // the baton
	mapped   bool // shared memory is there
	entering bool // holds srv.entry
	greeting bool // a session's login triggers are to run

	mem        *linear.Memory
	addr       addresses
	fn         functions
	stack      [4]uint64
	localLatch uint32               // LocalLatchData, which MyLatch is at first and at the exit
	exitAt     uint32               // where ShutdownXLOG belongs among what is called before an exit
	prepared   map[string]statement // protocol-level statements that the guest holds
	base       map[string]string    // values as booted of the parameters that the last session's startup gave,
	given      map[string]string    // and what it gave
	gucs       int                  // how many parameters the guest had when customs was read,
	customs    customNames          // which are the placeholders among them,
	born       customNames          // and those of the boot, which stay
	altered    bool                 // SET has changed something for last
	lastFile   uint32               // the library loaded last when restoreLibraries or noteLibraries looked,
	files      int                  // and how many there were
	stood      stood                // what BackendPidGetProc was answered, to be kept so
	forced     uint32               // the database that DROP DATABASE (FORCE) is about to drop
	shows      uint32               // where its entry of BackendStatusArray is; guarded by the baton
	last       *Session             // whose state is in the guest; nil: nobody's
	xacts      [2]uint32            // commits and rollbacks that the guest has pending

	host     hosted
	boundBy  uint32        // the flag in its process slot that it waits for, see lockWait
	turn     chan struct{} // 1 deep: the baton is this backend's
	timerDue atomic.Bool
	signals  atomic.Uint32  // that wait to be delivered, a bit each
	wake     chan struct{}  // 1 deep: a parked guest looks again
	alarms   chan struct{}  // 1 deep: the idle pump looks
	quit     chan struct{}  // closed when the backend has ended
	pumping  sync.WaitGroup // the idle pump

	user atomic.Pointer[Session] // who holds the backend

	live struct { // lets others than who has entered touch mem
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
	myProcPid, myProc, myBackendType, myDatabaseID       uint32
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

// bootBackend starts a backend of a server, the first one or another. A
// database error (no such role, no such database, recovery impossible) is an
// *Error.
func bootBackend(ctx context.Context, c *Cluster, s *server, first bool, want login) (_ *backend, err error) {
	b := newBackend(c, s, first, want)
	b.mu.Lock()
	defer func() { b.leave(err) }()
	if err := s.admit(b); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.inst, err = c.engine.backend.Instantiate(ctx, b.process(c)); err != nil {
		return nil, err
	}
	b.haveMemory()
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
	args := c.postgresArgs()
	if !first {
		args = append(args, s.startArgs()...)
	}
	s.entry.Lock()
	b.entering = true
	err = b.runMain(args)
	b.entered()
	if err != nil {
		return nil, err
	}
	if err := b.openPostmaster(); err != nil {
		return nil, err
	}
	if err := b.greet(); err != nil {
		return nil, err
	}
	if err := b.identify(); err != nil {
		return nil, errors.Join(err, b.exit(false))
	}
	if err := b.noteCustoms(); err != nil {
		return nil, err
	}
	b.born = b.customs
	if first {
		if err := b.keepSettings(); err != nil {
			return nil, err
		}
		b.mem.Trim()
	}
	b.begin()
	return b, nil
}

func newBackend(c *Cluster, s *server, first bool, want login) *backend {
	pid := newPID()
	return &backend{
		login: want, srv: s, first: first, pid: pid, goesBy: pid, log: logWriter{log: c.log},
		prepared: map[string]statement{}, base: map[string]string{}, given: map[string]string{},
		turn: make(chan struct{}, 1), wake: make(chan struct{}, 1), alarms: make(chan struct{}, 1), quit: make(chan struct{}),
	}
}

// process is what the guest is given of the host.
func (b *backend) process(c *Cluster) runtime.Process {
	return runtime.Process{
		FS: c.ns, Env: backendEnv, Data: b, Alarm: b.alarm, Blocking: b.away, Wrote: b.wrote,
		Stdout: b.log.quiet, Stderr: b.log.write,
	}
}

// begin starts what goes on between messages.
func (b *backend) begin() {
	b.srv.counters.booted.Add(1)
	b.pumping.Add(1)
	go b.pumpIdle()
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
		"MyBackendType": &a.myBackendType, "MyDatabaseId": &a.myDatabaseID, "IsUnderPostmaster": &a.isUnderPostmaster,
		"MyLatch": &a.myLatch, "MyProc": &a.myProc, "CritSectionCount": &a.critSectionCount,
		"InterruptHoldoffCount": &a.interruptHoldoffCount,
	} {
		if *p, err = b.inst.Address(name); err != nil {
			return err
		}
	}
	if a.interruptPending != interruptPendingAddr {
		return fmt.Errorf("pglite: InterruptPending is at %d, expected %d", a.interruptPending, interruptPendingAddr)
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

// identify reads whom the backend has been booted for by OID. The names may
// have gone over to others since the session logged in.
func (b *backend) identify() error {
	role, err := b.inst.Call("GetSessionUserId")
	if err != nil {
		return err
	}
	want := b.login
	b.roleOID, b.dbOID = uint32(role), b.inst.Uint32(b.addr.myDatabaseID)
	switch {
	case want.roleOID == 0:
		return nil
	case want.roleOID != b.roleOID:
		return fatal("28000", "role \"%s\" does not exist", want.role)
	case want.dbOID != b.dbOID:
		return fatal("3D000", "database \"%s\" does not exist", want.db)
	}
	return nil
}

// entered lets the next backend boot.
func (b *backend) entered() {
	if b.entering {
		b.entering = false
		b.srv.entry.Unlock()
	}
}

// enter takes the backend and the baton. The error is errExited, or tells that
// the server has crashed.
func (b *backend) enter() error {
	b.mu.Lock()
	if b.ended {
		b.mu.Unlock()
		return errExited
	}
	if err := b.srv.acquire(b); err != nil {
		b.mu.Unlock()
		return err
	}
	b.holding = true
	return nil
}

// leave gives both back. err is what came of what was done in between: after
// a trap nobody else gets the baton.
func (b *backend) leave(err error) {
	b.giveUp(err)
	b.mu.Unlock()
}

// giveUp is leave for the baton alone.
func (b *backend) giveUp(err error) {
	if lost(err) && b.mapped {
		b.srv.crash(err)
	}
	if b.holding {
		b.holding = false
		b.srv.release(b)
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

// become gives the backend the pid of the session that uses it, wherever it
// stands: pg_backend_pid, pg_stat_activity, pg_locks and notifications agree
// with what the client was told. One without a session, or with the host's, has
// its own, and is not among pg_stat_activity's. REQUIRES: entered, between
// messages.
func (b *backend) become(s *Session) {
	pid, shown := b.pid, uint32(0)
	if s != nil && s.pid != 0 {
		pid, shown = s.pid, s.pid
	}
	i := b.inst
	b.srv.rename(b, pid)
	i.PutUint32(b.addr.myProcPid, pid)
	for _, at := range [...]uint32{
		i.Uint32(b.addr.myProc) + procPIDAt,
		i.Uint32(b.addr.myLatch) + latchOwnerPID,
		b.localLatch + latchOwnerPID,
		i.Uint32(procSignalSlotAddr),
	} {
		i.PutUint32(at, pid)
	}
	i.PutUint32(b.entryAt()+beEntryPIDAt, shown)
	if shown != 0 {
		b.show(s)
	}
}
