package capture

import (
	"fmt"
	"maps"
	"slices"

	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

const (
	// defaultMemory is how much the transactions that are under way may keep in
	// memory together; 64 MiB is logical_decoding_work_mem's default.
	defaultMemory = 64 << 20
	// spillLeast is the least that is worth a write.
	spillLeast = 64 << 10
)

// transactions are those under way, each by its own xid, subtransactions too: which
// belong together the commit record says.
type transactions struct {
	files  vfs.FS // for what is too large for memory; nil: there is nowhere to put it
	memory int    // bytes in memory, at most, if there is somewhere
	used   int
	byXID  map[uint32]*pending
	// ended are files of transactions that have, which the saved state may name:
	// they can be removed when the next one is saved.
	ended []string
}

func newTransactions(files vfs.FS, memory int) *transactions {
	if memory <= 0 {
		memory = defaultMemory
	}
	return &transactions{files: files, memory: memory, byXID: map[uint32]*pending{}}
}

// adopt takes over those of a saved state.
func (t *transactions) adopt(all []*pending) {
	for _, p := range all {
		t.byXID[p.xid] = p
		t.used += p.log.size
	}
}

// add keeps an entry of transaction xid.
func (t *transactions) add(xid uint32, at wal.LSN, kind entryKind, payload func([]byte) []byte) error {
	p := t.byXID[xid]
	if p == nil {
		p = &pending{xid: xid}
		t.byXID[xid] = p
	}
	before := p.log.size
	p.log.add(at, kind, payload)
	t.used += p.log.size - before
	if t.used > t.memory && t.files != nil {
		return t.spill(at)
	}
	return nil
}

// spill moves what the largest transaction has in memory to its file.
func (t *transactions) spill(at wal.LSN) error {
	var p *pending
	for _, q := range t.byXID {
		if p == nil || q.log.size > p.log.size {
			p = q
		}
	}
	if p.log.size < spillLeast {
		return nil // very many small ones: they are bounded by the number of backends
	}
	var err error
	if p.file == nil {
		p.file, err = newSpill(t.files, p.xid, at)
	}
	for _, chunk := range p.log.chunks {
		if err == nil {
			err = p.file.write(chunk)
		}
	}
	if err != nil {
		return fmt.Errorf("capture: keep what transaction %d has changed: %w", p.xid, err)
	}
	t.used -= p.log.size
	p.log = entries{}
	return nil
}

// take gives what is kept of these xids; it is the caller's to drop.
func (t *transactions) take(xids []uint32) (all []*pending) {
	for _, xid := range xids {
		if p := t.byXID[xid]; p != nil {
			delete(t.byXID, xid)
			t.used -= p.log.size
			all = append(all, p)
		}
	}
	return all
}

// drop forgets what was taken. The files stay until forgotten is called.
func (t *transactions) drop(all []*pending) error {
	for _, p := range all {
		if p.file == nil {
			continue
		}
		t.ended = append(t.ended, p.file.name)
		if err := p.close(); err != nil {
			return err
		}
	}
	return nil
}

// crashed forgets all that can't end any more after a restart of the server.
func (t *transactions) crashed() error {
	var xids []uint32
	for xid, p := range t.byXID {
		if !p.prepared {
			xids = append(xids, xid)
		}
	}
	return t.drop(t.take(xids))
}

// crashedBefore forgets those that are older than the oldest one under way.
func (t *transactions) crashedBefore(oldest uint32) error {
	var xids []uint32
	for xid, p := range t.byXID {
		// xids are compared in a circle (TransactionIdPrecedes).
		if !p.prepared && int32(xid-oldest) < 0 {
			xids = append(xids, xid)
		}
	}
	return t.drop(t.take(xids))
}

// preparedUnseen notes a transaction that was prepared before the capture began.
func (t *transactions) preparedUnseen(xid uint32) {
	p := t.byXID[xid]
	if p == nil {
		p = &pending{xid: xid}
		t.byXID[xid] = p
	}
	p.prepared, p.unseen = true, true
}

// prepared notes that these end by name only.
func (t *transactions) prepared(xids []uint32) {
	for _, xid := range xids {
		if p := t.byXID[xid]; p != nil {
			p.prepared = true
		}
	}
}

// xids are those of all under way.
func (t *transactions) xids() []uint32 { return slices.Collect(maps.Keys(t.byXID)) }

// all gives those under way, by xid.
func (t *transactions) all() (all []*pending) {
	for _, p := range t.byXID {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *pending) int { return int(int64(a.xid) - int64(b.xid)) })
	return all
}

// forgotten removes the files of transactions that have ended: no saved state names
// them any more.
func (t *transactions) forgotten() error {
	for len(t.ended) > 0 {
		if err := t.files.Unlink(t.ended[0]); err != nil {
			return fmt.Errorf("capture: remove %s: %w", t.ended[0], err)
		}
		t.ended = t.ended[1:]
	}
	return nil
}

// close gives up all files, and leaves them where they are.
func (t *transactions) close() error {
	for _, p := range t.byXID {
		if err := p.close(); err != nil {
			return err
		}
	}
	return nil
}
