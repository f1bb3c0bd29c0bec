package catalog

// Of a tuple's infomask (src/include/access/htup_details.h), who has made it and who
// has removed it.
const (
	xmaxKeyShare   = 0x0010
	xmaxExclusive  = 0x0040
	xmaxLockOnly   = 0x0080
	xminCommitted  = 0x0100
	xminInvalid    = 0x0200
	xmaxCommitted  = 0x0400
	xmaxInvalid    = 0x0800
	xmaxMulti      = 0x1000
	movedOff       = 0x4000
	movedIn        = 0x8000
	xmaxLocks      = xmaxKeyShare | xmaxExclusive
	xmaxBits       = xmaxCommitted | xmaxInvalid | xmaxMulti | xmaxLocks | xmaxLockOnly
	keysUpdated    = 0x2000 // of infomask2
	firstNormalXID = 3      // those below are Postgres' own, and committed
)

// setXmax does what deleting, updating and locking do to a tuple. bits are the
// record's infobits_set (fix_infomask_from_infobits in
// src/backend/access/heap/heapam_xlog.c), updater is who has removed it if somebody
// has.
func (t *tuple) setXmax(xmax uint32, bits uint8, updater uint32) {
	t.infomask &^= xmaxBits | movedOff | movedIn
	t.infomask2 &^= keysUpdated
	for i, mask := range [...]uint16{xmaxMulti, xmaxLockOnly, xmaxExclusive, xmaxKeyShare} {
		if bits>>i&1 != 0 {
			t.infomask |= mask
		}
	}
	if bits&0x10 != 0 {
		t.infomask2 |= keysUpdated
	}
	t.xmax, t.updater = xmax, 0
	if t.updatedByMulti() {
		t.updater = updater
	}
}

// updatedByMulti tells whether xmax is a multixact that has not only locked the
// tuple: its members are locks, and one that has removed it.
func (t *tuple) updatedByMulti() bool {
	return t.infomask&(xmaxMulti|xmaxInvalid) == xmaxMulti && !t.lockedOnly()
}

// remover is who has removed the tuple, as far as it says; 0: nobody.
func (t *tuple) remover() uint32 {
	switch {
	case t.infomask&xmaxInvalid != 0 || t.lockedOnly():
		return 0
	case t.infomask&xmaxMulti != 0:
		return t.updater
	}
	return t.xmax
}

// lockedOnly is HEAP_XMAX_IS_LOCKED_ONLY.
func (t *tuple) lockedOnly() bool {
	return t.infomask&xmaxLockOnly != 0 || t.infomask&(xmaxMulti|xmaxLocks) == xmaxExclusive
}

// asks gives the transactions by whose states it is decided whether the tuple is a
// row, 0 for none: the tuple does not say itself.
func (t *tuple) asks() (xmin, xmax uint32) {
	if t.infomask&(xminCommitted|xminInvalid) == 0 && t.xmin >= firstNormalXID {
		xmin = t.xmin
	}
	if t.infomask&(xmaxInvalid|xmaxCommitted|xmaxMulti) == 0 && !t.lockedOnly() && t.xmax >= firstNormalXID {
		xmax = t.xmax
	}
	if t.updatedByMulti() {
		xmax = t.updater
	}
	return xmin, xmax
}

// state is what has become of a transaction or subtransaction.
type state uint8

const (
	underWay state = iota
	committed
	aborted
	prepared // under way, and no crash ends it
)

// xids are the states of the transactions that followed tuples ask for, and of those
// that are changing catalogs.
type xids struct {
	states map[uint32]state
	// open is how many there are under way or prepared.
	open int
	// older tells the state of others, while Read is at work.
	older func(xid uint32) state
}

func (x *xids) state(xid uint32) state {
	s, ok := x.states[xid]
	if !ok && x.older != nil {
		return x.older(xid)
	}
	if !ok {
		return aborted
	}
	return s
}

func (x *xids) set(xid uint32, s state) {
	if old, ok := x.states[xid]; ok && (old == underWay || old == prepared) {
		x.open--
	}
	if s == underWay || s == prepared {
		x.open++
	}
	x.states[xid] = s
}

// wrote says that a transaction has changed a catalog.
func (x *xids) wrote(xid uint32) {
	if s, ok := x.states[xid]; !ok || s != underWay {
		x.set(xid, underWay)
	}
}

// ended sets the state of those among a transaction and its subtransactions that are
// known.
func (x *xids) ended(s state, xid uint32, subs []uint32) {
	if _, ok := x.states[xid]; ok {
		x.set(xid, s)
	}
	for _, sub := range subs {
		if _, ok := x.states[sub]; ok {
			x.set(sub, s)
		}
	}
}

// crashed ends those that a server which is no more had under way.
func (x *xids) crashed() {
	for xid, s := range x.states {
		if s == underWay {
			x.set(xid, aborted)
		}
	}
}

// visible tells whether the tuple is a row, going by what is committed
// (HeapTupleSatisfiesMVCC, without a snapshot).
func (x *xids) visible(t *tuple) bool {
	xmin, xmax := t.asks()
	switch {
	case xmin != 0 && x.state(xmin) != committed,
		t.infomask&(xminCommitted|xminInvalid) == xminInvalid:
		return false
	case t.infomask&xmaxInvalid != 0 || t.xmax == 0 || t.lockedOnly():
		return true
	case t.infomask&(xmaxMulti|xmaxCommitted) == xmaxCommitted:
		return false
	}
	return xmax == 0 || x.state(xmax) != committed
}

// forget drops the states that nothing asks for any more.
func (x *xids) forget(files map[fileName]*file) {
	asked := map[uint32]bool{}
	for _, f := range files {
		_ = f.tuples(func(t *tuple) error {
			xmin, xmax := t.asks()
			asked[xmin], asked[xmax] = true, true
			return nil
		})
	}
	for xid, s := range x.states {
		if !asked[xid] && s != underWay && s != prepared {
			delete(x.states, xid)
		}
	}
}
