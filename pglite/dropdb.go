package pglite

import (
	"encoding/binary"
	"slices"
	"time"
)

// DROP, RENAME and copying of a database ask who else uses it
// (src/backend/commands/dbcommands.c).

// How long they wait for others to go, and how often they look. Postgres looks every
// 100 ms, fifty times.
const (
	othersPatience = 5 * time.Second
	othersStep     = 10 * time.Millisecond
)

// countOthers is CountOtherDBBackends(database, *backends, *prepared) → bool
// (src/backend/storage/ipc/procarray.c), which counts the sessions too that no
// backend shows. Backends that no session has left anything in end meanwhile, and
// autovacuum gives way.
func (b *backend) countOthers(s []uint64) {
	i := b.inst
	db, backends, prepared := uint32(s[0]), uint32(s[1]), uint32(s[2])
	if b.forced == db {
		for _, a := range b.srv.absentFrom(db) {
			a.s.end()
		}
	}
	for began := time.Now(); ; {
		if _, err := i.Call("ProcessInterrupts"); err != nil {
			panic(err)
		}
		n, waiting, workers := b.othersIn(db)
		n += uint32(len(b.srv.absentFrom(db)))
		i.PutUint32(backends, n)
		i.PutUint32(prepared, waiting)
		s[0] = 0
		if n+waiting == 0 {
			return
		}
		if s[0] = 1; time.Since(began) >= othersPatience {
			return
		}
		for _, w := range workers {
			w.post(sigTerm)
		}
		b.srv.waitedFor(db)
		b.usleep([]uint64{uint64(othersStep / time.Microsecond)})
	}
}

// othersIn counts who is in a database beside this backend: other backends and, with
// no pid, prepared transactions. workers are those of autovacuum among them.
// REQUIRES: the baton.
func (b *backend) othersIn(db uint32) (backends, prepared uint32, workers []*backend) {
	i := b.inst
	array, procs := i.Uint32(procArrayAddr), i.Uint32(i.Uint32(procGlobalAddr))
	for k := range i.Uint32(array) {
		proc := procs + i.Uint32(array+procNumbersAt+4*k)*procSize
		if i.Uint32(proc+procDatabaseAt) != db || proc == i.Uint32(b.addr.myProc) {
			continue
		}
		pid := i.Uint32(proc + procPIDAt)
		if pid == 0 {
			prepared++
			continue
		}
		backends++
		if i.Bytes(proc+procStatusFlags, 1)[0]&procIsAutovacuum != 0 {
			if w := b.srv.byPID(pid); w != nil {
				workers = append(workers, w)
			}
		}
	}
	return backends, prepared, workers
}

// absentFrom lists the sessions of a database that no backend shows.
func (s *server) absentFrom(db uint32) []absence {
	return slices.DeleteFunc(s.absent(), func(a absence) bool { return a.s.want.dbOID != db })
}

// Roles and words of TerminateOtherDBBackends.
const (
	signalBackend    = 4200 // ROLE_PG_SIGNAL_BACKEND
	mayNotTerminate  = "permission denied to terminate process"
	onlySuperuser    = "Only roles with the SUPERUSER attribute may terminate processes of roles with the SUPERUSER attribute."
	onlyPrivileged   = `Only roles with privileges of the role whose process is being terminated or with privileges of the "pg_signal_backend" role may terminate this process.`
	noPrivilegeState = "42501"
)

// forceDrop comes where DROP DATABASE (FORCE) looks whether it may terminate who is
// in the database, and looks at those that no backend shows. They end when it has
// looked at all (see countOthers).
func (b *backend) forceDrop([]uint64) {
	db, err := b.lockedDatabase()
	if err != nil {
		panic(err)
	}
	ask := func(name string, args ...uint64) bool {
		yes, err := b.inst.Call(name, args...)
		if err != nil {
			panic(err)
		}
		return uint32(yes) != 0
	}
	me, err := b.inst.Call("GetUserId")
	if err != nil {
		panic(err)
	}
	allowed := map[uint32]bool{}
	for _, a := range b.srv.absentFrom(db) {
		role := a.s.want.roleOID
		if allowed[role] {
			continue
		}
		if ask("superuser_arg", uint64(role)) && !ask("superuser") {
			raise(b.inst, noPrivilegeState, mayNotTerminate, onlySuperuser)
		}
		if !ask("has_privs_of_role", me, uint64(role)) && !ask("has_privs_of_role", me, signalBackend) {
			raise(b.inst, noPrivilegeState, mayNotTerminate, onlyPrivileged)
		}
		allowed[role] = true
	}
	b.forced = db
}

// A lock in the table of those that a backend has: LOCALLOCKTAG
// (src/include/storage/lock.h), which LOCKTAG begins.
const (
	lockFieldsAt  = 0 // field1 to field3; of an object: database, catalog, OID
	lockTypeAt    = 14
	lockModeAt    = 16
	lockSize      = 20
	lockObject    = 8 // LOCKTAG_OBJECT
	lockExclusive = 8 // AccessExclusiveLock
	databases     = 1262
)

// lockedDatabase is the database that the backend has for itself, as DROP DATABASE
// does, which runs alone in its transaction. REQUIRES: entered.
func (b *backend) lockedDatabase() (oid uint32, err error) {
	le := binary.LittleEndian
	err = b.eachEntry(localLocksAddr, func(entry uint32) {
		tag := b.inst.Bytes(entry, lockSize)
		if le.Uint32(tag[lockFieldsAt:]) == 0 && le.Uint32(tag[lockFieldsAt+4:]) == databases &&
			tag[lockTypeAt] == lockObject && le.Uint32(tag[lockModeAt:]) == lockExclusive {
			oid = le.Uint32(tag[lockFieldsAt+8:])
		}
	})
	return oid, err
}
