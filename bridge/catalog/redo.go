package catalog

import (
	"fmt"

	"github.com/howdahdb/howdah/bridge/heap"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/bridge/xact"
)

// Redo takes the next record of the log, whatever it is, and gives what it means for
// the rows of catalogs: Ops of the record's transaction, r.XID. The slice is valid
// until the next call, the Ops for good. Commits and aborts are to be given to it as
// well, each before its View.
//
// An error says that the log does not fit what is known of the files. It can't be
// gone on from: begin again with Read.
func (c *Catalogs) Redo(r *wal.Record) ([]Op, error) {
	c.ops = c.ops[:0]
	var err error
	switch r.RM {
	case wal.Heap, wal.Heap2:
		if c.follows(r) {
			err = c.redoHeap(r)
		}
	case wal.XLOG:
		if c.follows(r) {
			err = c.redoImages(r)
		} else if len(r.Blocks) == 0 {
			err = c.redoOther(r)
		}
	case wal.Transaction:
		if c.xids.open > 0 || xact.DropsFiles(r) || c.reading != nil {
			err = c.redoOther(r)
		}
	case wal.MultiXact:
		if c.reading != nil {
			c.reading.madeMulti(r)
		}
	case wal.Storage, wal.RelMap, wal.Database:
		err = c.redoOther(r)
	}
	if err != nil && c.reading != nil && len(r.Blocks) > 0 {
		c.lose(r, err)
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("catalog: %v operation %02X at %v: %w", r.RM, r.Op(), r.LSN, err)
	}
	return c.ops, nil
}

func (c *Catalogs) follows(r *wal.Record) bool {
	for i := range r.Blocks {
		if _, ok := c.files[r.Blocks[i].Relation]; ok && r.Blocks[i].Fork == wal.MainFork {
			return true
		}
	}
	return false
}

// redoImages is for records that have nothing but images (xlog_redo in
// src/backend/access/transam/xlog.c).
func (c *Catalogs) redoImages(r *wal.Record) error {
	for i := range r.Blocks {
		b := &r.Blocks[i]
		f := c.files[b.Relation]
		if f == nil || b.Fork != wal.MainFork || b.Image == nil || !b.Image.Apply() {
			continue
		}
		if err := c.restore(f, b, r.End); err != nil {
			return err
		}
	}
	return nil
}

// restore puts a page image in place.
func (c *Catalogs) restore(f *file, b *wal.Block, end wal.LSN) error {
	var image [wal.PageSize]byte
	if err := b.Image.Restore(&image); err != nil {
		return err
	}
	p := parsePage(image[:])
	switch {
	case p == nil:
		p = &page{}
	case p.bad != nil:
		return p.bad
	}
	p.lsn = end
	if before := f.at(b.Number); before != nil {
		p.keepUpdaters(before)
	}
	if err := f.put(b.Number, p); err != nil {
		return err
	}
	return c.sawPage(b.Relation, f, p)
}

// redoOther is for records without pages.
func (c *Catalogs) redoOther(r *wal.Record) error {
	v, err := xact.Read(r)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case *xact.Commit:
		c.ended(committed, &v.Ending)
	case *xact.Abort:
		c.ended(aborted, &v.Ending)
	case *xact.Prepare:
		c.prepared(v)
	case *xact.TruncateFile:
		if f := c.files[v.Relation]; f != nil && uint64(v.Blocks) < uint64(len(f.pages)) {
			clear(f.pages[v.Blocks:])
			f.pages = f.pages[:v.Blocks]
		}
	case *xact.RelMap:
		return c.setMap(v.Database, v.Tablespace, v.Content)
	case *xact.CreateDatabase:
		c.createDatabase(v)
	case *xact.DropDatabase:
		c.leaveTablespaces(v)
	case *xact.Checkpoint:
		if c.reading != nil {
			break // what it knows is not whole yet
		}
		if v.Shutdown || v.EndOfRecovery {
			c.xids.crashed()
			c.leaveUnused()
		}
		c.xids.forget(c.files)
	}
	return nil
}

func (c *Catalogs) ended(s state, e *xact.Ending) {
	if c.reading != nil {
		c.reading.ended(s, e)
	}
	c.xids.ended(s, e.XID, e.Subs)
	for _, at := range e.Dropped {
		delete(c.files, at)
	}
}

func (c *Catalogs) prepared(p *xact.Prepare) {
	if c.reading != nil {
		c.reading.prepared[p.XID] = p.Subs
	}
	c.xids.ended(prepared, p.XID, p.Subs)
}

// The records of Heap and Heap2 that change pages (src/include/access/
// heapam_xlog.h), by the record's operation without its highest bit.
const (
	opMask   = 0x70
	initPage = 0x80 // the page is made anew

	heapInsert    = 0x00
	heapDelete    = 0x10
	heapUpdate    = 0x20
	heapHotUpdate = 0x40
	heapLock      = 0x60
	heapInplace   = 0x70

	heap2PruneOnAccess = 0x10
	heap2PruneScan     = 0x20
	heap2PruneCleanup  = 0x30
	heap2MultiInsert   = 0x50
	heap2LockUpdated   = 0x60
)

func (c *Catalogs) redoHeap(r *wal.Record) error {
	op := r.Info & opMask
	if r.RM == wal.Heap2 {
		switch op {
		case heap2PruneOnAccess, heap2PruneScan, heap2PruneCleanup:
			return c.redoPrune(r)
		case heap2MultiInsert:
			return c.redoMultiInsert(r)
		case heap2LockUpdated:
			return c.redoLock(r)
		}
		return c.redoImages(r)
	}
	switch op {
	case heapInsert:
		return c.redoInsert(r)
	case heapDelete:
		return c.redoDelete(r)
	case heapUpdate, heapHotUpdate:
		return c.redoUpdate(r)
	case heapLock:
		return c.redoLock(r)
	case heapInplace:
		return c.redoInplace(r)
	}
	return c.redoImages(r)
}

// target is a page that a record changes.
type target struct {
	*page
	file  *file
	block *wal.Block
	// redo says that the change is still to be made: there was no image, and the page
	// is not ahead of the record.
	redo bool
	// known says that the page is now as the record left it. Else, which is only
	// while Read is at work, it is as a later one did.
	known bool
}

// target finds the page of a record's block, and puts its image in place if there is
// one (XLogReadBufferForRedoExtended in src/backend/access/transam/xlogutils.c). A
// target without a page is of a file that is not followed.
func (c *Catalogs) target(r *wal.Record, id uint8) (t target, err error) {
	for i := range r.Blocks {
		if r.Blocks[i].ID == id {
			t.block = &r.Blocks[i]
		}
	}
	if t.block == nil {
		return t, corrupt("no block %d", id)
	}
	if t.file = c.files[t.block.Relation]; t.file == nil || t.block.Fork != wal.MainFork {
		return target{}, nil
	}
	b := t.block
	switch {
	case b.Image != nil && b.Image.Apply():
		err = c.restore(t.file, b, r.End)
		t.page, t.known = t.file.at(b.Number), true
		return t, err
	case b.WillInit:
		t.page = &page{}
		err = t.file.put(b.Number, t.page)
	default:
		t.page = t.file.at(b.Number)
	}
	switch {
	case err != nil:
	case t.page == nil:
		err = corrupt("block %d of %v was never written", b.Number, t.file.kind)
	case t.bad != nil:
		err = t.bad
	default:
		t.redo = t.lsn < r.End
		t.known = t.redo
		if t.redo {
			t.lsn = r.End
		}
	}
	return t, err
}

// lose remembers that pages are not what they should be, which matters only if they
// are a catalog's in the end: while Read is at work, their file may have been cut or
// removed since, or was found only on the way.
func (c *Catalogs) lose(r *wal.Record, err error) {
	for i := range r.Blocks {
		b := &r.Blocks[i]
		if f := c.files[b.Relation]; f != nil && b.Fork == wal.MainFork {
			_ = f.put(b.Number, &page{bad: err}) // or the number is none of a block
		}
	}
}

// inserted makes a tuple of one that a record inserts.
func inserted(r *wal.Record, t heap.Tuple) tuple {
	return tuple{
		xmin: r.XID, infomask2: t.Infomask2, infomask: t.Infomask, hoff: t.Hoff,
		body: append(make([]byte, 0, len(t.Body)), t.Body...),
	}
}

// op adds an Op.
func (c *Catalogs) op(r *wal.Record, t target, o Op) error {
	o.Database, o.kind = t.block.Relation.Database, t.file.kind
	if !o.remove && o.kind == classes {
		if err := c.sawClass(t.block.Relation, &o.tuple); err != nil {
			return err
		}
	}
	if c.reading == nil {
		c.xids.wrote(r.XID)
		c.ops = append(c.ops, o)
	}
	return nil
}

func (c *Catalogs) set(r *wal.Record, t target, tuple *tuple) error {
	row := tuple.row()
	k, err := keyOf(t.file.kind, &row)
	if err != nil {
		return err
	}
	return c.op(r, t, Op{key: k, tuple: row})
}

func (c *Catalogs) remove(r *wal.Record, t target, old *tuple) error {
	row := old.row()
	k, err := keyOf(t.file.kind, &row)
	if err != nil {
		return err
	}
	return c.op(r, t, Op{remove: true, key: k})
}
