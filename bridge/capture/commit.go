package capture

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/howdahdb/howdah/bridge/catalog"
	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/heap"
	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/bridge/wal"
)

// A transaction of more changes or bytes comes in parts of about so many.
const (
	partChanges = 8192
	partBytes   = 4 << 20
)

// builder makes the change sets of one transaction, which has committed.
type builder struct {
	r     *follower
	view  *catalog.View
	head  change.Set // what all parts have in common
	parts int
	// changes are those of the part that is being made, of bytes bytes in the log.
	changes []change.Change
	bytes   int

	toast heap.Toast
	// speculative is the insert that waits for its confirmation, as an entry; nil:
	// none does.
	speculative []byte
	row         heap.Row
	new, old    []heap.Datum
}

// commit makes the sets of what the transactions of all, one top-level transaction
// and its subtransactions, have logged, and appends them to the feed.
func (r *follower) commit(head change.Set, database uint32, all []*pending) error {
	m, err := merge(all)
	if err != nil || len(m) == 0 {
		return err
	}
	b := &builder{r: r, view: r.catalogs.Begin(database), head: head}
	b.head.Database, _ = r.catalogs.Database(database)
	if err := m.each(b.entry); err != nil {
		return err
	}
	ddl, err := b.view.Commit()
	if err != nil {
		return err
	}
	b.addDDL(ddl, head.XID, head.Commit)
	if len(b.changes) == 0 && b.parts == 0 {
		return nil
	}
	return b.part(false)
}

// entry does one thing that the transaction has logged.
func (b *builder) entry(xid uint32, e *entry) error {
	if len(b.changes) >= partChanges || b.bytes >= partBytes {
		if err := b.part(true); err != nil {
			return err
		}
	}
	b.bytes += len(e.payload)
	switch e.kind {
	case opEntry:
		// It becomes a part of the catalogs; the payload is used again.
		op, err := catalog.ParseOp(bytes.Clone(e.payload))
		if err != nil {
			return err
		}
		return b.view.Apply(&op)
	case messageEntry:
		prefix, content, err := readMessage(e.payload)
		if err == nil {
			b.add(change.Change{Kind: change.Message, LSN: e.at, XID: xid, Message: &change.EmittedMessage{
				Prefix: prefix, Content: bytes.Clone(content), Transactional: true,
			}})
		}
		return err
	}
	if err := readRow(&b.row, e.payload); err != nil {
		return err
	}
	return b.doRow(xid, e)
}

// doRow does what happened to a row, in the order that ReorderBufferProcessTXN has
// for speculative inserts and chunks.
func (b *builder) doRow(xid uint32, e *entry) error {
	row := &b.row
	switch {
	case row.Kind == heap.Truncate:
		b.truncate(xid, e)
		return nil
	case row.Toast:
		return b.chunk()
	case row.Kind == heap.Speculative:
		b.speculative = append(b.speculative[:0], e.payload...)
		return nil
	case row.Kind == heap.SpeculativeAbort:
		b.speculative = b.speculative[:0]
		b.toast.Clear()
		return nil
	case row.Kind == heap.Confirm:
		if len(b.speculative) == 0 {
			return errors.New("a speculative insert is confirmed that is not there")
		}
		if err := readRow(row, b.speculative); err != nil {
			return err
		}
		row.Kind, row.ClearToast = heap.Insert, true
		b.speculative = b.speculative[:0]
	}
	return b.change(xid, e)
}

// chunk keeps a chunk of a value for the row that comes behind it. Chunks that are
// copied by whoever rewrites a table are of no row.
func (b *builder) chunk() error {
	rel, err := b.relation()
	if err != nil || rel.Rewrite != 0 || b.row.Kind == heap.Delete {
		return err
	}
	return b.toast.Add(&b.row.New)
}

// relation is whose row b.row is.
func (b *builder) relation() (*catalog.Relation, error) {
	rel, ok := b.view.Relation(b.row.Relation)
	if !ok {
		return nil, fmt.Errorf("nothing is known of relation %+v", b.row.Relation)
	}
	return rel, nil
}

// follows tells whether a relation's rows are anybody's business: not those of
// catalogs and of materialized views.
func follows(rel *catalog.Relation) bool {
	return !rel.System() && (rel.Kind == 'r' || rel.Kind == 'p')
}

// change adds what happened to the row in b.row.
func (b *builder) change(xid uint32, e *entry) error {
	row := &b.row
	rel, err := b.relation()
	if err != nil || rel.IsToast || rel.Rewrite != 0 {
		return err
	}
	if row.ClearToast {
		defer b.toast.Clear()
	}
	if !follows(rel) {
		return nil
	}
	b.ddl(xid, e.at)
	c := change.Change{LSN: e.at, XID: xid, Table: rel.Table}
	switch row.Kind {
	case heap.Insert:
		c.Kind = change.Insert
		c.New, b.new, err = b.values(rel, &row.New, b.new, false)
	case heap.Update:
		c.Kind = change.Update
		c.New, b.new, err = b.values(rel, &row.New, b.new, false)
		if err == nil && row.HasOld {
			c.Old, b.old, err = b.values(rel, &row.Old, b.old, row.OldIsKey)
			if !row.OldIsKey {
				c.Changed = b.changed(rel, c.New)
			}
		}
	case heap.Delete:
		c.Kind = change.Delete
		if row.HasOld {
			c.Old, b.old, err = b.values(rel, &row.Old, b.old, row.OldIsKey)
		}
	}
	if err != nil {
		return fmt.Errorf("%v of %s.%s: %w", row.Kind, rel.Schema, rel.Name, err)
	}
	b.changes = append(b.changes, c)
	return nil
}

// values reads a row: of an old one of which only the identity is logged, that.
func (b *builder) values(rel *catalog.Relation, t *heap.Tuple, buf []heap.Datum, keyOnly bool) ([]any, []heap.Datum, error) {
	datums, err := t.Deform(buf[:0], rel.Columns)
	if err != nil {
		return nil, datums, err
	}
	columns := rel.Table.Columns
	out := make([]any, len(columns))
	for i := range datums {
		k := rel.Index[i]
		if k < 0 || keyOnly && !columns[k].Key {
			continue
		}
		switch d := &datums[i]; d.Kind {
		case heap.Missing:
			if raw := rel.Missing[i]; raw != nil && !keyOnly {
				if out[k], err = b.value(&columns[k], raw); err != nil {
					return nil, datums, err
				}
			}
		case heap.External:
			raw, ok, err := b.toast.Value(d.Pointer)
			switch {
			case err != nil:
				return nil, datums, fmt.Errorf("column %s: %w", columns[k].Name, err)
			case ok:
				if out[k], err = b.value(&columns[k], raw); err != nil {
					return nil, datums, err
				}
			default:
				out[k] = value.Unchanged{}
			}
		case heap.Inline:
			if out[k], err = b.value(&columns[k], d.Bytes); err != nil {
				return nil, datums, err
			}
		}
	}
	return out, datums, nil
}

// value reads a value, with Postgres' help if it must. What can't be read at all is
// passed on as it is: the other columns of the row are right, and its consumer sees
// which is not. An error says that nobody can be asked, now.
func (b *builder) value(c *change.Column, raw []byte) (any, error) {
	v, err := value.Decode(c.Type, raw)
	if errors.Is(err, value.ErrNoDecoder) && b.r.c.o.Output != nil {
		var text string
		if text, err = b.r.c.o.Output(b.r.ended, b.head.Database, c.Type, raw); err == nil {
			v, err = value.Parse(c.Type, text)
		}
	}
	switch ended := b.r.ended.Err(); {
	case err != nil && (ended != nil || errors.Is(err, ErrEnded)):
		return nil, errors.Join(ended, err)
	case err != nil:
		b.r.c.o.Logger.Warn().Err(err).Str("column", c.Name).Str("type", c.Type.Name).Msg("a value can't be read")
		return value.Raw(bytes.Clone(raw)), nil
	}
	return v, nil
}

// changed compares the row before, which is logged whole, with the row after.
func (b *builder) changed(rel *catalog.Relation, now []any) []int {
	changed := []int{}
	for i := range b.new {
		k := rel.Index[i]
		if k < 0 {
			continue
		}
		was, is := &b.old[i], &b.new[i]
		if _, same := now[k].(value.Unchanged); same {
			continue
		}
		if is.Kind == heap.External { // new: were it as before, nothing would be logged
			changed = append(changed, k)
			continue
		}
		if was.Kind != is.Kind || !bytes.Equal(was.Bytes, is.Bytes) {
			changed = append(changed, k)
		}
	}
	return changed
}

// truncate adds a change for each table of a TRUNCATE.
func (b *builder) truncate(xid uint32, e *entry) {
	for _, oid := range b.row.Relids {
		if rel, ok := b.view.ByOID(oid); ok && follows(rel) {
			b.ddl(xid, e.at)
			b.add(change.Change{
				Kind: change.Truncate, LSN: e.at, XID: xid, Table: rel.Table,
				Cascade: b.row.Cascade, RestartIdentity: b.row.Restart,
			})
		}
	}
}

// ddl adds what has become of tables since it was called before, so that it comes
// before the rows that have the new shape.
func (b *builder) ddl(xid uint32, at wal.LSN) { b.addDDL(b.view.Changed(), xid, at) }

func (b *builder) addDDL(all []change.Change, xid uint32, at wal.LSN) {
	for _, c := range all {
		c.XID, c.LSN = xid, at
		b.add(c)
	}
}

func (b *builder) add(c change.Change) { b.changes = append(b.changes, c) }

// part appends what there is to the feed; more says that another part follows.
func (b *builder) part(more bool) error {
	s := b.head
	s.Part, s.More, s.Changes = b.parts, more, b.changes
	b.parts++
	b.bytes, b.changes = 0, nil
	if more {
		b.changes = make([]change.Change, 0, len(s.Changes))
	}
	return b.r.append(&s)
}

// append hands a set to the feed. While that can't take it, commits go on and the
// log waits, up to its bound.
func (r *follower) append(s *change.Set) error {
	if r.blind != nil || r.unseen {
		return nil // it may lack what was changed before the capture was there
	}
	for warned := false; ; warned = true {
		err := r.c.Feed().Append(s)
		if err == nil {
			r.c.sets.Add(1)
			r.c.changes.Add(uint64(len(s.Changes)))
			return nil
		}
		if errors.Is(err, feed.ErrUnfit) || errors.Is(err, feed.ErrOrder) {
			r.c.o.Logger.Error().Err(err).Stringer("lsn", s.LSN).Msg("a change set can't be kept; subscribers must refetch")
			r.c.gaps.Add(1)
			return r.c.Feed().Gap(s.LSN, err.Error())
		}
		if !warned {
			r.c.o.Logger.Error().Err(err).Stringer("lsn", s.LSN).Msg("a change set can't be appended to the feed, trying again")
		}
		if r.tap.gone() {
			return errors.Join(errBehind, err)
		}
		select {
		case <-r.c.ctx.Done():
			return errors.Join(r.c.ctx.Err(), err)
		case <-time.After(retryDelay):
		}
	}
}
