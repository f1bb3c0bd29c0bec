package catalog

import (
	"fmt"

	"github.com/howdahdb/howdah/bridge/wal"
)

// The status of a member that has updated or deleted, and not only locked, is greater
// (MultiXactStatus in src/include/access/multixact.h).
const lastLockStatus = 3

// madeMulti takes a CREATE_ID record: 0 multixact u32 · 4 place of its members u32 · 8
// number of members u32 · 12 each: xid u32 · status u32.
func (r *reading) madeMulti(rec *wal.Record) {
	const create = 0x20
	b := rec.Data
	if rec.Op() != create || len(b) < 12 {
		return
	}
	id := le.Uint32(b)
	r.multis[id] = 0
	for b = b[12:]; len(b) >= 8; b = b[8:] {
		if le.Uint32(b[4:]) > lastLockStatus {
			r.multis[id] = le.Uint32(b)
		}
	}
}

// findUpdaters looks for who has removed the tuples that a multixact stands in for.
// What it can't find matters only in files that are a catalog's in the end.
func (r *reading) findUpdaters(c *Catalogs) {
	for _, f := range c.files {
		for _, p := range f.pages {
			if p == nil {
				continue
			}
			for i := range p.tuples {
				t := &p.tuples[i]
				if t.body == nil || !t.updatedByMulti() {
					continue
				}
				var err error
				if t.updater, err = r.updater(t.xmax); err != nil {
					p.bad = err
				}
			}
		}
	}
}

// updater is the member of a multixact that has updated, 0 if none
// (GetMultiXactIdMembers in src/backend/access/transam/multixact.c). The members are
// one behind the other, from the place of this multixact to that of the next.
func (r *reading) updater(id uint32) (uint32, error) {
	if xid, ok := r.multis[id]; ok {
		return xid, nil
	}
	begin, err := r.multiOffset(id)
	if err != nil {
		return 0, err
	}
	end := r.nextMember
	if next := max(id+1, 1); next != r.nextMulti { // there is no multixact 0
		if end, err = r.multiOffset(next); err != nil {
			return 0, err
		}
	}
	if most := uint32(1 << 20); end-begin > most {
		return 0, corrupt("multixact %d has its members from %d to %d", id, begin, end)
	}
	for ; begin != end; begin++ {
		// Four members are a group: a byte of status each, then an xid each.
		const group, perPage = 4 * (1 + 4), 4 * (wal.PageSize / (4 * (1 + 4)))
		in := int64(begin%perPage/4) * group
		b, err := r.slru("pg_multixact/members", begin/perPage, in, group)
		if err != nil {
			return 0, err
		}
		if k := begin % 4; b[k] > lastLockStatus {
			return le.Uint32(b[4+4*k:]), nil
		}
	}
	return 0, nil
}

// multiOffset is the place of a multixact's first member.
func (r *reading) multiOffset(id uint32) (uint32, error) {
	const perPage = wal.PageSize / 4
	b, err := r.slru("pg_multixact/offsets", id/perPage, int64(id%perPage)*4, 4)
	if err != nil {
		return 0, err
	}
	return le.Uint32(b), nil
}

// slru reads a part of a page of a folder whose files have 32 of them
// (src/backend/access/transam/slru.c).
func (r *reading) slru(folder string, page uint32, at int64, n int) ([]byte, error) {
	const perSegment = 32
	b, err := r.read(fmt.Sprintf("%s/%04X", folder, page/perSegment), int64(page%perSegment)*wal.PageSize+at, n)
	if err == nil && len(b) < n {
		err = corrupt("%s has no page %d", folder, page)
	}
	return b, err
}
