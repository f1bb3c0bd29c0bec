package wire

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"sync"
)

// Cancel keys have four bytes up to protocol 3.1, and since 3.2 as many as
// Postgres 18 gives (MAX_CANCEL_KEY_LENGTH in procsignal.h).
const (
	shortCancelKey = 4
	longCancelKey  = 32
)

// cancelKeys finds the session that a CancelRequest means. The keys are the
// host's: a backend that serves several sessions in turn knows none of them.
type cancelKeys struct {
	mu struct {
		sync.Mutex
		byPID map[uint32]*cancelEntry
	}
}

type cancelEntry struct {
	key    []byte
	cancel func()
}

// add makes a key for a session and returns it. The pid must be the session's
// alone until remove.
func (k *cancelKeys) add(pid, protocol uint32, cancel func()) *cancelEntry {
	size := shortCancelKey
	if protocol >= protocol32 {
		size = longCancelKey
	}
	e := &cancelEntry{key: make([]byte, size), cancel: cancel}
	rand.Read(e.key) // never fails: crypto/rand ends the program instead
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.mu.byPID == nil {
		k.mu.byPID = make(map[uint32]*cancelEntry)
	}
	k.mu.byPID[pid] = e
	return e
}

func (k *cancelKeys) remove(pid uint32, e *cancelEntry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.mu.byPID[pid] == e {
		delete(k.mu.byPID, pid)
	}
}

// cancel cancels what the session of the request runs. It reports whether pid
// is known and whether the key fits, for the log: the client is told nothing.
// The comparison takes the same time for every wrong key of the right length.
func (k *cancelKeys) cancel(r cancelRequest) (known, fits bool) {
	k.mu.Lock()
	e := k.mu.byPID[r.pid]
	k.mu.Unlock()
	if e == nil {
		return false, false
	}
	if subtle.ConstantTimeCompare(e.key, r.key) != 1 {
		return true, false
	}
	e.cancel()
	return true, true
}

// appendKeyData appends BackendKeyData; pgproto3's has only the short key.
func appendKeyData(dst []byte, pid uint32, key []byte) []byte {
	dst = append(dst, 'K')
	dst = binary.BigEndian.AppendUint32(dst, uint32(8+len(key)))
	dst = binary.BigEndian.AppendUint32(dst, pid)
	return append(dst, key...)
}
