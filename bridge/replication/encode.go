package replication

import (
	"context"
	"database/sql"
	"slices"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/bridge/wal"
)

// encoder turns the sets of a stream into the payloads of XLogData messages.
type encoder interface {
	// encode gives a set's payloads, in order. It is called by one goroutine.
	encode(ctx context.Context, s *change.Set, send func(at wal.LSN, payload []byte) error) error
}

// pgoutput is the encoder of the plugin by that name.
type pgoutput struct {
	*settings
	db *sql.DB // of the publications' database
	// changed is Options.CatalogChange.
	changed func() (at wal.LSN, xid uint32)

	tables  map[uint32]*published // by table
	version string                // of the publications that tables goes by
	checked wal.LSN               // the last change of a catalog that version is known to have

	begun bool   // of the transaction under way Begin was sent
	buf   []byte // of one message
}

func newPgoutput(s *settings, db *sql.DB, changed func() (wal.LSN, uint32)) *pgoutput {
	return &pgoutput{settings: s, db: db, changed: changed, tables: map[uint32]*published{}}
}

func (p *pgoutput) encode(ctx context.Context, s *change.Set, send func(wal.LSN, []byte) error) error {
	if s.Part == 0 {
		p.begun = false
	}
	if p.localOnly && s.Origin != "" {
		return nil
	}
	if err := p.refresh(ctx); err != nil {
		return err
	}
	out := &transaction{pgoutput: p, set: s, send: send}
	rows, err := p.pass(ctx, s)
	if err != nil {
		return err
	}
	for k := 0; k < len(s.Changes); k++ {
		c := &s.Changes[k]
		var err error
		switch c.Kind {
		case change.Message:
			err = out.message(c)
		case change.Truncate:
			n := k + 1
			for n < len(s.Changes) && s.Changes[n].Kind == change.Truncate && s.Changes[n].LSN == c.LSN {
				n++
			}
			err = out.truncate(rows[k:n])
			k = n - 1
		default:
			err = out.row(rows[k])
		}
		if err != nil {
			return err
		}
	}
	if !s.More && p.begun {
		p.begun = false
		return send(s.LSN, appendCommit(p.buf[:0], s))
	}
	return nil
}

// refresh forgets what is known of the publications if they have changed. A commit
// that may have changed them is told of before the sets of later ones come, but in the
// catalogs it is a moment later: until then every set has them asked for. A set of a
// transaction that could see the change comes when others can, too.
func (p *pgoutput) refresh(ctx context.Context) error {
	at, xid := p.changed()
	if at == p.checked && p.version != "" {
		return nil
	}
	version, xmin, err := catalogVersion(ctx, p.db)
	if err != nil {
		return err
	}
	if version != p.version {
		clear(p.tables)
	}
	p.version = version
	if at == 0 || int32(xid-xmin) < 0 { // they wrap around
		p.checked = at
	}
	return nil
}

// published is what is published of a table.
func (p *pgoutput) published(ctx context.Context, t *change.Table) (*published, error) {
	if known := p.tables[t.OID]; known != nil && known.holds(t) {
		return known, nil
	}
	l, err := lineageOf(ctx, p.db, t.OID, p.publications)
	if err != nil {
		return nil, err
	}
	pub, err := l.published(t)
	if err != nil {
		return nil, err
	}
	p.tables[t.OID] = pub
	return pub, nil
}

// sent is what becomes of a change of a row: another kind perhaps, since an update
// that takes a row into a filter is an insert to who sees through it.
type sent struct {
	kind change.Kind // 0: nothing
	by   *published
	c    *change.Change
}

// pass decides what becomes of the rows of a set. What Postgres has to be asked is
// asked once for each filter.
func (p *pgoutput) pass(ctx context.Context, s *change.Set) ([]sent, error) {
	rows := make([]sent, len(s.Changes))
	asked := map[*filter]*question{}
	for k := range s.Changes {
		c := &s.Changes[k]
		if c.Kind == change.Message || c.Kind == change.DDL {
			continue
		}
		by, err := p.published(ctx, c.Table)
		if err != nil {
			return nil, err
		}
		rows[k] = sent{by: by, c: c}
		if !by.publishes(c.Kind) || c.Kind == change.Delete && c.Old == nil {
			continue // a delete without an identity says nothing
		}
		rows[k].kind = c.Kind
		if f := by.filters[c.Kind]; f != nil {
			if asked[f] == nil {
				asked[f] = &question{}
			}
			asked[f].add(k, c)
		}
	}
	for f, q := range asked {
		if err := q.answer(ctx, p.db, f, rows); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// question is what one filter is asked of a set.
type question struct {
	rows [][]any
	of   []asked
}

type asked struct {
	change   int // its index in the set
	old, row int // indexes in rows, -1 for none
}

func (q *question) add(k int, c *change.Change) {
	a := asked{change: k, old: -1, row: -1}
	if c.Old != nil {
		a.old = len(q.rows)
		q.rows = append(q.rows, c.Old)
	}
	if c.New != nil {
		a.row = len(q.rows)
		q.rows = append(q.rows, whole(c))
	}
	q.of = append(q.of, a)
}

// whole is a new row with what it has not logged itself taken from the old one.
func whole(c *change.Change) []any {
	row := c.New
	for k, v := range c.New {
		if _, same := v.(value.Unchanged); same && c.Old != nil && c.Old[k] != nil {
			if &row[0] == &c.New[0] {
				row = slices.Clone(c.New)
			}
			row[k] = c.Old[k]
		}
	}
	return row
}

// answer changes rows by what the filter says (pgoutput_row_filter).
func (q *question) answer(ctx context.Context, db *sql.DB, f *filter, rows []sent) error {
	pass, err := f.passing(ctx, db, q.rows)
	if err != nil {
		return err
	}
	for _, a := range q.of {
		r := &rows[a.change]
		old, row := a.old >= 0 && pass[a.old], a.row >= 0 && pass[a.row]
		switch {
		case r.kind != change.Update || a.old < 0:
			if !old && !row {
				r.kind = 0
			}
		case old && !row:
			r.kind = change.Delete
		case !old && row:
			r.kind = change.Insert
			full := *r.c
			full.New = whole(r.c)
			r.c = &full
		case !old && !row:
			r.kind = 0
		}
	}
	return nil
}

// transaction writes the changes of one set.
type transaction struct {
	*pgoutput
	set  *change.Set
	send func(wal.LSN, []byte) error
}

// begin is sent with the first change that is: who publishes nothing of a
// transaction is not told that there was one.
func (t *transaction) begin(at wal.LSN) error {
	if t.begun {
		return nil
	}
	t.begun = true
	if err := t.emit(at, appendBegin(t.buf[:0], t.set)); err != nil {
		return err
	}
	if t.set.Origin == "" {
		return nil
	}
	return t.emit(at, appendOrigin(t.buf[:0], t.set))
}

// emit sends a message, and keeps its memory for the next.
func (t *transaction) emit(at wal.LSN, message []byte) error {
	t.buf = message
	return t.send(at, message)
}

func (t *transaction) message(c *change.Change) error {
	if !t.messages {
		return nil
	}
	if c.Message.Transactional {
		if err := t.begin(c.LSN); err != nil {
			return err
		}
	}
	return t.emit(c.LSN, appendMessage(t.buf[:0], c))
}

func (t *transaction) truncate(rows []sent) error {
	var relations []uint32
	for _, r := range rows {
		if r.kind == 0 {
			continue
		}
		if err := t.describe(r.c.LSN, r.by); err != nil {
			return err
		}
		relations = append(relations, r.c.Table.OID)
	}
	if len(relations) == 0 {
		return nil
	}
	c := rows[0].c
	return t.emit(c.LSN, appendTruncate(t.buf[:0], relations, c.Cascade, c.RestartIdentity))
}

func (t *transaction) row(s sent) error {
	if s.kind == 0 {
		return nil
	}
	if err := readable(s.by.target, s.c); err != nil {
		return err
	}
	if err := t.describe(s.c.LSN, s.by); err != nil {
		return err
	}
	r, b := s.by.target, t.buf[:0]
	switch s.kind {
	case change.Insert:
		b = appendInsert(b, r, s.c, t.binary)
	case change.Update:
		b = appendUpdate(b, r, s.c, t.binary)
	case change.Delete:
		b = appendDelete(b, r, s.c, t.binary)
	}
	return t.emit(s.c.LSN, b)
}

// readable refuses a row of which a value could not be decoded: anything sent in its
// place would be wrong.
func readable(r *relation, c *change.Change) error {
	for _, row := range [...][]any{c.Old, c.New} {
		for _, col := range r.columns {
			if row == nil {
				break
			}
			if _, raw := row[col.source].(value.Raw); raw {
				return errorf(featureNotSupported, "a value of column \"%s\" of table \"%s.%s\" could not be read", col.name, r.schema, r.name)
			}
		}
	}
	return nil
}

// describe tells the subscriber of a relation what it does not know yet
// (maybe_send_schema).
func (t *transaction) describe(at wal.LSN, by *published) error {
	if err := t.begin(at); err != nil {
		return err
	}
	if by.sent {
		return nil
	}
	for _, r := range [...]*relation{by.target, by.own} {
		if r == nil {
			continue
		}
		for _, c := range r.columns {
			if c.typeOID < firstGenbkiOID {
				continue
			}
			if err := t.emit(at, appendType(t.buf[:0], c.typ)); err != nil {
				return err
			}
		}
		if err := t.emit(at, appendRelation(t.buf[:0], r)); err != nil {
			return err
		}
	}
	by.sent = true
	return nil
}
