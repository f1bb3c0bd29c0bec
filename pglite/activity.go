package pglite

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"
)

// waitsForBackend is what pg_stat_activity has as the query of a session that waits
// for a backend: none has read it yet.
const waitsForBackend = "<waiting for a backend>"

// extensionWait is PG_WAIT_EXTENSION (src/include/utils/wait_event.h): for what
// Postgres has no event of.
const extensionWait = 0x07000000

// absence is a session that no backend shows, as it was at one moment.
type absence struct {
	s       *Session
	p       *presence
	waiting bool
	since   time.Time
}

// absent lists them, by pid.
func (c *Cluster) absent() (all []absence) {
	for _, s := range c.all() {
		if a, ok := s.absent(); ok {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(x, y absence) int { return cmp.Compare(x.s.pid, y.s.pid) })
	return all
}

// absent tells how others see the session while no backend shows it; false when one
// does, or it is over.
func (s *Session) absent() (absence, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.mu.away
	if p == nil || s.mu.over != nil {
		return absence{}, false
	}
	if s.mu.wanting {
		return absence{s: s, p: p, waiting: true, since: s.mu.since}, true
	}
	return absence{s: s, p: p, since: p.since}, true
}

// row is the session's PgBackendStatus, but for its strings.
func (a *absence) row() (row [beEntrySize]byte) {
	row = a.p.entry
	binary.LittleEndian.PutUint32(row[beEntryPIDAt:], a.s.pid)
	if binary.LittleEndian.Uint32(row[beEntryStateAt:]) != stateIdle { // activities are not tracked
		return row
	}
	binary.LittleEndian.PutUint64(row[beEntrySinceAt:], toTimestamp(a.since))
	if a.waiting {
		binary.LittleEndian.PutUint32(row[beEntryStateAt:], stateRunning)
	}
	return row
}

func (a *absence) query() string {
	if a.waiting {
		return waitsForBackend
	}
	return a.p.query
}

// readStatus is pgstat_read_current_status with the sessions that no backend shows:
// whatever is told of backends in SQL is read from the table that it makes, once a
// transaction. Their proc_number, by which the table is in order, is one that no
// process has.
func (b *backend) readStatus([]uint64) {
	i := b.inst
	if i.Uint32(localStatusAddr) != 0 {
		return
	}
	slots := i.Uint32(maxBackendsAddr) + auxiliaryProcs
	array := i.Uint32(statusArrayAddr)
	var shown []uint32 // by proc_number
	for n := range slots {
		if int32(i.Uint32(array+n*beEntrySize+beEntryPIDAt)) > 0 {
			shown = append(shown, n)
		}
	}
	absent := b.srv.absent()
	t := statusTable{b: b}
	texts := 0
	for _, n := range shown {
		p := b.presence(array + n*beEntrySize)
		t.rows = append(t.rows, statusRow{number: n, entry: p.entry, app: p.app, query: p.query, process: true})
	}
	for k := range absent {
		a := &absent[k]
		t.rows = append(t.rows, statusRow{number: slots + uint32(k), entry: a.row(), app: a.p.app, query: a.query()})
	}
	for k := range t.rows {
		texts += len(t.rows[k].app) + len(t.rows[k].query) + 3
	}
	if err := t.write(texts); err != nil {
		panic(err)
	}
}

// statusTable is what becomes localBackendStatusTable.
type statusTable struct {
	b    *backend
	rows []statusRow
}

type statusRow struct {
	number     uint32
	entry      [beEntrySize]byte
	app, query string
	process    bool // there is a PGPROC of that number
}

// write puts the table into memory of the guest's, with size bytes of strings.
func (t *statusTable) write(size int) error {
	i := t.b.inst
	if i.Uint32(statusMemoryAddr) == 0 {
		m, err := i.Call("AllocSetContextCreateInternal", uint64(i.Uint32(topMemoryAddr)), statusMemoryName, 0, 1<<10, 8<<10)
		if err != nil {
			return err
		}
		i.PutUint32(statusMemoryAddr, uint32(m))
	}
	memory := uint64(i.Uint32(statusMemoryAddr))
	table, err := i.Call("MemoryContextAllocHuge", memory, uint64(max(len(t.rows), 1)*localSize))
	if err != nil {
		return err
	}
	text, err := i.Call("MemoryContextAllocHuge", memory, uint64(max(size, 1)))
	if err != nil {
		return err
	}
	end := uint32(text)
	put := func(s string) (at uint32) {
		at, end = end, end+uint32(len(s)+1)
		mem := i.Bytes(at, end-at)
		mem[copy(mem, s)] = 0
		return at
	}
	procs := i.Uint32(i.Uint32(procGlobalAddr))
	for k := range t.rows {
		r, at := &t.rows[k], uint32(table)+uint32(k)*localSize
		row := i.Bytes(at, localSize)
		clear(row[copy(row, r.entry[:]):])
		i.PutUint32(at+beEntryNameAt, put(r.app))
		i.PutUint32(at+beEntryQueryAt, put(r.query))
		i.PutUint32(at+beEntryHostAt, put(""))
		i.PutUint32(at+localNumberAt, r.number)
		proc := procs + r.number*procSize
		if !r.process || i.Uint32(proc+procPIDAt) == 0 {
			continue
		}
		i.PutUint32(at+localXidAt, i.Uint32(proc+procXidAt))
		i.PutUint32(at+localXminAt, i.Uint32(proc+procXminAt))
		i.PutUint32(at+localSubsAt, uint32(i.Bytes(proc+procSubsAt, 1)[0]))
		row[localOverAt] = i.Bytes(proc+procOverAt, 1)[0]
	}
	i.PutUint32(localNumberAddr, uint32(len(t.rows)))
	i.PutUint32(localStatusAddr, uint32(table))
	return nil
}

// stood is what a backend has been told by standIn last: role and database of a
// session, and what it waits for.
type stood struct{ role, db, event uint32 }

// standIn comes before BackendPidGetProc(pid). For a session that no backend shows
// it answers with the process slot of an auxiliary process, which this build has none
// of: pg_terminate_backend reads there whose the process is, pg_stat_activity what it
// waits for. All backends share that slot, so each writes it again whenever it goes
// on (see resume).
func (b *backend) standIn(s []uint64) {
	pid := uint32(s[0])
	s[0] = 0
	x := b.srv.session(pid)
	if x == nil {
		return
	}
	a, ok := x.absent()
	if !ok {
		return
	}
	b.stood = stood{x.want.roleOID, x.want.dbOID, clientRead}
	if a.waiting {
		b.stood.event = extensionWait
	}
	s[0] = uint64(b.standAgain())
}

// standAgain writes what standIn has told, and gives its address. REQUIRES: the
// baton.
func (b *backend) standAgain() uint32 {
	i := b.inst
	proc := i.Uint32(i.Uint32(procGlobalAddr)) + i.Uint32(maxBackendsAddr)*procSize
	i.PutUint32(proc+procRoleAt, b.stood.role)
	i.PutUint32(proc+procDatabaseAt, b.stood.db)
	event := i.Uint32(waitEventAddr) - i.Uint32(b.addr.myProc)
	i.PutUint32(proc+event, b.stood.event)
	return proc
}
