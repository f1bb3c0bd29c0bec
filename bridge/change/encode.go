package change

import (
	"fmt"
	"maps"
	"slices"

	"github.com/howdahdb/howdah/bridge/value"
)

// Encoder writes sets in their CBOR form. It remembers what it has written of
// tables, for which it relies on their not being changed. The zero Encoder is ready;
// it is used by one goroutine at a time.
type Encoder struct {
	tables map[*Table][]byte
}

// Append appends the set to dst. It fails, and gives dst back as it was, if a value
// is none of package value's or nested too deep.
func (e *Encoder) Append(dst []byte, s *Set) ([]byte, error) {
	b := appendHead(dst, majorMap, uint64(s.keys()))
	b = appendUint(appendUint(b, setVersion), formVersion)
	if s.Database != "" {
		b = appendText(appendUint(b, setDatabase), s.Database)
	}
	b = appendNumber(b, setLSN, uint64(s.LSN))
	b = appendNumber(b, setCommit, uint64(s.Commit))
	b = appendNumber(b, setXID, uint64(s.XID))
	if !s.Time.IsZero() {
		b = appendInt(appendUint(b, setTime), s.Time.UnixMicro())
	}
	if s.Origin != "" {
		b = appendText(appendUint(b, setOrigin), s.Origin)
	}
	b = appendNumber(b, setOriginLSN, uint64(s.OriginLSN))
	if s.GID != "" {
		b = appendText(appendUint(b, setGID), s.GID)
	}
	b = appendNumber(b, setPart, uint64(s.Part))
	b = appendYes(b, setMore, s.More)
	if len(s.Changes) == 0 {
		return b, nil
	}
	tables, b, err := e.appendTables(b, s)
	if err != nil {
		return dst, err
	}
	b = appendArray(appendUint(b, setChanges), len(s.Changes))
	for k := range s.Changes {
		if b, err = appendChange(b, s, &s.Changes[k], tables); err != nil {
			return dst, err
		}
	}
	return b, nil
}

// keys counts what Append writes.
func (s *Set) keys() int {
	return 1 + count(s.Database != "", s.LSN != 0, s.Commit != 0, s.XID != 0, !s.Time.IsZero(), s.Origin != "",
		s.OriginLSN != 0, s.GID != "", s.Part != 0, s.More, slices.ContainsFunc(s.Changes, func(c Change) bool { return c.Table != nil }), len(s.Changes) > 0)
}

func count(there ...bool) (n int) {
	for _, t := range there {
		if t {
			n++
		}
	}
	return n
}

func appendNumber(b []byte, key, n uint64) []byte {
	if n == 0 {
		return b
	}
	return appendUint(appendUint(b, key), n)
}

func appendYes(b []byte, key uint64, v bool) []byte {
	if !v {
		return b
	}
	return append(appendUint(b, key), cborTrue)
}

// tableIndex numbers the tables of a set in the order in which they come.
type tableIndex struct {
	list []*Table
	at   map[*Table]int // once there are many
}

const manyTables = 8

func (x *tableIndex) of(t *Table) int {
	if x.at == nil {
		return slices.Index(x.list, t)
	}
	if k, ok := x.at[t]; ok {
		return k
	}
	return -1
}

func (x *tableIndex) add(t *Table) {
	x.list = append(x.list, t)
	switch n := len(x.list); {
	case n == manyTables:
		x.at = make(map[*Table]int, 2*n)
		for k, t := range x.list {
			x.at[t] = k
		}
	case n > manyTables:
		x.at[t] = n - 1
	}
}

// appendTables appends the tables that the changes are of.
func (e *Encoder) appendTables(b []byte, s *Set) (*tableIndex, []byte, error) {
	x := &tableIndex{}
	for k := range s.Changes {
		if t := s.Changes[k].Table; t != nil && x.of(t) < 0 {
			x.add(t)
		}
	}
	if len(x.list) == 0 {
		return x, b, nil
	}
	b = appendArray(appendUint(b, setTables), len(x.list))
	for _, t := range x.list {
		form, err := e.table(t)
		if err != nil {
			return nil, nil, err
		}
		b = append(b, form...)
	}
	return x, b, nil
}

// table gives the form of a table.
func (e *Encoder) table(t *Table) ([]byte, error) {
	if form, ok := e.tables[t]; ok {
		return form, nil
	}
	b := appendArray(nil, 5)
	b = appendUint(b, uint64(t.OID))
	b = appendText(appendText(b, t.Schema), t.Name)
	b = appendUint(b, uint64(t.Identity))
	b = appendArray(b, len(t.Columns))
	for k := range t.Columns {
		var err error
		if b, err = appendColumn(b, &t.Columns[k]); err != nil {
			return nil, fmt.Errorf("change: table %s.%s: %w", t.Schema, t.Name, err)
		}
	}
	if e.tables == nil || len(e.tables) >= maxTables {
		e.tables = map[*Table][]byte{}
	}
	e.tables[t] = b
	return b, nil
}

func appendColumn(b []byte, c *Column) ([]byte, error) {
	b = appendText(appendArray(b, 5), c.Name)
	b = appendInt(appendInt(b, int64(c.Number)), int64(c.Typmod))
	var flags uint64
	if c.Key {
		flags |= columnKey
	}
	if c.Stored {
		flags |= columnStored
	}
	b, err := appendType(appendUint(b, flags), c.Type, 0)
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", c.Name, err)
	}
	return b, nil
}

func appendType(b []byte, t *value.Type, depth int) ([]byte, error) {
	switch {
	case t == nil:
		return append(b, cborNull), nil
	case depth == maxDepth:
		return nil, fmt.Errorf("type %s is nested more than %d deep", t.Name, maxDepth)
	}
	b = appendUint(appendArray(b, 11), uint64(t.OID))
	b = appendText(appendText(b, t.Schema), t.Name)
	b = appendInt(appendUint(b, uint64(t.Kind)), int64(t.Length))
	b = appendBool(appendUint(b, uint64(t.Align)), t.ByVal)
	b = appendUint(b, uint64(t.Output))
	b, err := appendType(b, t.Elem, depth+1)
	if err != nil {
		return nil, err
	}
	b = appendHead(b, majorMap, uint64(len(t.Labels)))
	for _, oid := range slices.Sorted(maps.Keys(t.Labels)) {
		b = appendText(appendUint(b, uint64(oid)), t.Labels[oid])
	}
	b = appendArray(b, len(t.Fields))
	for k := range t.Fields {
		f := &t.Fields[k]
		b = appendText(appendArray(b, 6), f.Name)
		if b, err = appendType(b, f.Type, depth+1); err != nil {
			return nil, err
		}
		b = appendInt(b, int64(f.Typmod))
		b = appendInt(appendBool(b, f.Dropped), int64(f.Length))
		b = appendUint(b, uint64(f.Align))
	}
	return b, nil
}

func appendChange(b []byte, s *Set, c *Change, tables *tableIndex) (_ []byte, err error) {
	b = appendHead(b, majorMap, uint64(1+count(c.Table != nil, c.LSN != 0, c.XID != s.XID, c.New != nil, c.Old != nil, c.Changed != nil,
		c.Cascade, c.RestartIdentity, c.Message != nil, c.Command != 0, c.Snapshot)))
	b = appendUint(appendUint(b, changeKind), uint64(c.Kind))
	if c.Table != nil {
		b = appendUint(appendUint(b, changeTable), uint64(tables.of(c.Table)))
	}
	b = appendNumber(b, changeLSN, uint64(c.LSN))
	if c.XID != s.XID {
		b = appendUint(appendUint(b, changeXID), uint64(c.XID))
	}
	for key, row := range [...][]any{c.New, c.Old} {
		if row == nil {
			continue
		}
		if b, err = appendValues(appendUint(b, changeNew+uint64(key)), row, 0); err != nil {
			return nil, fmt.Errorf("change: set %v: %w", s.LSN, err)
		}
	}
	if c.Changed != nil {
		b = appendArray(appendUint(b, changeChanged), len(c.Changed))
		for _, k := range c.Changed {
			b = appendUint(b, uint64(k))
		}
	}
	b = appendYes(b, changeCascade, c.Cascade)
	b = appendYes(b, changeRestart, c.RestartIdentity)
	if m := c.Message; m != nil {
		b = appendText(appendArray(appendUint(b, changeMessage), 3), m.Prefix)
		b = appendBool(appendBytes(b, m.Content), m.Transactional)
	}
	b = appendNumber(b, changeCommand, uint64(c.Command))
	return appendYes(b, changeSnapshot, c.Snapshot), nil
}
