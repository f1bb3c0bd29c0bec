package pglite

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/howdahdb/howdah/runtime"
	"github.com/howdahdb/howdah/runtime/snapshot"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// storedProcess is a process in JSON, but for its memory and files.
type storedProcess struct {
	Segment    struct{ Addr, Size, Control uint32 }
	AtStart    []Setting
	Shm        map[string][]byte
	Role, DB   string
	RoleOID    uint32
	DBOID      uint32
	Defaults   string
	ExitAt     uint32
	LocalLatch uint32
	Params     []Setting
	Base       map[string]string
	Given      map[string]string
	GUCs       int
	Customs    []string
	IDs        []uint32 // where in memory the system identifier is,
	Nonces     []uint32 // and the secret beside it
	Instance   json.RawMessage
}

// storedVersion names what storedProcess means.
const storedVersion = "1"

// storedKey is of all that the stored process of a new cluster depends on beside
// the artifact, with options as they are by default: how the program is changed and
// what its table has, how the cluster was made, and how the backend was started.
func storedKey() [32]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s %s\n%s\n", storedVersion, runtime.StoredVersion, rewrittenHash, keptKey)
	for _, f := range backendSource(nil).Table {
		fmt.Fprintf(h, "%s %s\n", f.Name, f.Sig.Key())
	}
	fmt.Fprintf(h, "%q\n%q\n", backendEnv, postgresArgs(nil, connections(defaultMaxBackends, 1), true))
	return [32]byte(h.Sum(nil))
}

// store gives the process in the form that openProcess takes.
func (p *process) store() ([]byte, error) {
	who, err := identityOf(p.files, guestData)
	if err != nil {
		return nil, err
	}
	s := storedProcess{
		AtStart: p.atStart.settings, Shm: p.shm,
		Role: p.role, DB: p.db, RoleOID: p.roleOID, DBOID: p.dbOID, Defaults: p.defaults,
		ExitAt: p.exitAt, LocalLatch: p.localLatch, Params: p.params, Base: p.base, Given: p.given, GUCs: p.gucs, Customs: p.customs,
	}
	s.Segment.Addr, s.Segment.Size, s.Segment.Control = p.segment.addr, p.segment.size, p.segment.control
	if s.IDs, err = p.image.Find(who.id[:]); err != nil {
		return nil, err
	}
	if s.Nonces, err = p.image.Find(who.nonce[:]); err != nil {
		return nil, err
	}
	if len(s.IDs) == 0 || len(s.Nonces) == 0 { // ControlFile is in shared memory
		return nil, errors.New("pglite: the cluster's identity is not in the server's memory")
	}
	return snapshot.WriteMapped(Program, storedKey(), func(b []byte) (all, state []byte, err error) {
		if all, s.Instance, err = p.image.Store(b); err != nil {
			return nil, nil, err
		}
		state, err = json.Marshal(s)
		return all, state, err
	}, p.files)
}

// openProcess gives the process whose mapped form, in the file f, is m. f must stay
// as long as the process, or a cluster that goes on from it, is used. The error is
// snapshot.ErrCorrupt.
func openProcess(program *runtime.Program, f *os.File, m *snapshot.Mapped, files *vfs.Memory) (*process, error) {
	var s storedProcess
	if err := json.Unmarshal(m.State, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", snapshot.ErrCorrupt, err)
	}
	p := &process{size: defaultMaxBackends, files: files}
	p.atStart.settings, p.shm = s.AtStart, s.Shm
	p.login = login{role: s.Role, db: s.DB, roleOID: s.RoleOID, dbOID: s.DBOID, defaults: s.Defaults}
	p.exitAt, p.localLatch, p.params = s.ExitAt, s.LocalLatch, s.Params
	p.base, p.given, p.gucs, p.customs = s.Base, s.Given, s.GUCs, s.Customs
	p.segment.addr, p.segment.size, p.segment.control = s.Segment.Addr, s.Segment.Size, s.Segment.Control
	p.ids, p.nonces = s.IDs, s.Nonces
	var err error
	if p.image, err = program.OpenImage(f, s.Instance); err != nil {
		return nil, fmt.Errorf("%w: %w", snapshot.ErrCorrupt, err)
	}
	return p, nil
}

// rename gives the server in memory another identity: ControlFile is there, from
// which the file is written anew, and the first page of a WAL segment may be.
func (p *process) rename(i *runtime.Instance, who *identity) {
	for _, at := range p.ids {
		copy(i.Bytes(at, uint32(len(who.id))), who.id[:])
	}
	for _, at := range p.nonces {
		copy(i.Bytes(at, nonceSize), who.nonce[:])
	}
}
