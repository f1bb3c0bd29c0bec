package bundle_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/value"
)

// replica is what a subscriber makes of the sets: the tables of a database. A change
// that does not fit, such as an insert of what is there or an update of what is not,
// is an error: one set too many or too few shows.
type replica struct {
	tables map[uint32]*copied
	parts  []*change.Set // of a transaction that is not whole
}

type copied struct {
	shape *change.Table
	rows  map[string]*row // by the text of their key
}

// row is a row by the numbers of its columns, and how often it is there: more than
// once in a table that has no key.
type row struct {
	values map[int16]any
	count  int
}

func newReplica() *replica { return &replica{tables: map[uint32]*copied{}} }

// apply does what a set says when its transaction is whole.
func (r *replica) apply(s *change.Set) error {
	if s.Part != len(r.parts) || s.Part > 0 && (s.LSN != r.parts[0].LSN || s.XID != r.parts[0].XID) {
		if s.Part != 0 {
			return fmt.Errorf("part %d after %d parts", s.Part, len(r.parts))
		}
		r.parts = nil // the process ended in the midst of it
	}
	r.parts = append(r.parts, s)
	if s.More {
		return nil
	}
	parts := r.parts
	r.parts = nil
	for _, p := range parts {
		for k := range p.Changes {
			if c := &p.Changes[k]; c.Table != nil {
				if err := r.change(c); err != nil {
					return fmt.Errorf("%v of %s.%s, change %d of part %d, at %v: %w", c.Kind, c.Table.Schema, c.Table.Name, k, p.Part, c.LSN, err)
				}
			}
		}
	}
	return nil
}

func (r *replica) change(c *change.Change) error {
	t := r.tables[c.Table.OID]
	if t == nil {
		t = &copied{rows: map[string]*row{}}
		r.tables[c.Table.OID] = t
	}
	if t.shape != c.Table {
		t.reshape(c.Table)
	}
	switch c.Kind {
	case change.Insert:
		return t.insert(c.New)
	case change.Update:
		return t.update(c)
	case change.Delete:
		_, err := t.remove(c.Old)
		return err
	case change.Truncate:
		clear(t.rows)
	case change.DDL:
		if c.Command == change.Drop {
			delete(r.tables, c.Table.OID)
		}
	}
	return nil
}

// reshape forgets dropped columns, and gives the others that are new NULL.
func (t *copied) reshape(shape *change.Table) {
	rows := t.rows
	t.shape, t.rows = shape, map[string]*row{}
	for _, old := range rows {
		now := &row{values: map[int16]any{}, count: old.count}
		for _, c := range shape.Columns {
			now.values[c.Number] = old.values[c.Number]
		}
		key := t.key(now.values)
		if there := t.rows[key]; there != nil {
			there.count += now.count
		} else {
			t.rows[key] = now
		}
	}
}

func (t *copied) byNumber(values []any) map[int16]any {
	m := map[int16]any{}
	for k, c := range t.shape.Columns {
		m[c.Number] = values[k]
	}
	return m
}

// keyed tells whether rows are told apart by some of their columns.
func (t *copied) keyed() bool { return t.shape.Identity != change.IdentityFull }

func (t *copied) key(values map[int16]any) string {
	var b strings.Builder
	for _, c := range t.shape.Columns {
		if c.Key {
			fmt.Fprintf(&b, "%q,", text(&c, values[c.Number]))
		}
	}
	return b.String()
}

func (t *copied) insert(values []any) error { return t.put(t.byNumber(values)) }

func (t *copied) put(values map[int16]any) error {
	for number, v := range values {
		switch v.(type) {
		case value.Unchanged, value.Raw:
			return fmt.Errorf("column %d is %T", number, v)
		}
	}
	key := t.key(values)
	there := t.rows[key]
	switch {
	case there == nil:
		t.rows[key] = &row{values, 1}
	case t.keyed():
		return fmt.Errorf("row %s is there", key)
	default:
		there.count++
	}
	return nil
}

func (t *copied) remove(values []any) (map[int16]any, error) {
	if values == nil {
		return nil, fmt.Errorf("the old row is not told")
	}
	key := t.key(t.byNumber(values))
	there := t.rows[key]
	if there == nil {
		return nil, fmt.Errorf("row %s is not there", key)
	}
	if there.count--; there.count == 0 {
		delete(t.rows, key)
	}
	return there.values, nil
}

func (t *copied) update(c *change.Change) error {
	old := c.Old
	if old == nil {
		old = c.New // the key is as before
	}
	was, err := t.remove(old)
	if err != nil {
		return err
	}
	now := t.byNumber(c.New)
	for number, v := range now {
		if _, same := v.(value.Unchanged); same {
			now[number] = was[number]
		}
	}
	return t.put(now)
}

// text is how Postgres writes a value, NULL apart from all others.
func text(c *change.Column, v any) string {
	if v == nil {
		return "\x00"
	}
	return string(value.AppendText(nil, c.Type, v))
}

// lines are all rows as text, sorted, in the form of dumpSQL.
func (r *replica) lines() []string {
	var lines []string
	for _, t := range r.tables {
		for _, row := range t.rows {
			var b strings.Builder
			fmt.Fprintf(&b, "%s.%s:", t.shape.Schema, t.shape.Name)
			for _, c := range t.shape.Columns {
				fmt.Fprintf(&b, " %s=%q", c.Name, text(&c, row.values[c.Number]))
			}
			for range row.count {
				lines = append(lines, b.String())
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// bytes are all rows as values, in the CBOR form, sorted: what equal values of
// different types would not have in common.
func (r *replica) bytes() ([][]byte, error) {
	var all [][]byte
	for _, t := range r.tables {
		for _, row := range t.rows {
			s := &change.Set{Changes: []change.Change{{Kind: change.Insert, Table: t.shape}}}
			for _, c := range t.shape.Columns {
				s.Changes[0].New = append(s.Changes[0].New, row.values[c.Number])
			}
			var e change.Encoder
			b, err := e.Append(nil, s)
			if err != nil {
				return nil, err
			}
			all = append(all, b)
		}
	}
	slices.SortFunc(all, bytes.Compare)
	return all, nil
}

// difference tells where two lists of lines part, "" if nowhere.
func difference(got, want []string) string {
	var out []string
	for i, k := 0, 0; (i < len(got) || k < len(want)) && len(out) < 6; {
		switch {
		case k == len(want) || i < len(got) && got[i] < want[k]:
			out = append(out, "too many: "+short(got[i]))
			i++
		case i == len(got) || want[k] < got[i]:
			out = append(out, "missing: "+short(want[k]))
			k++
		default:
			i, k = i+1, k+1
		}
	}
	return strings.Join(out, "\n")
}

func short(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}
