package change

import (
	"math"
	"time"

	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/bridge/wal"
)

// Decoder reads sets in their CBOR form. Sets of a table that has not changed share
// its Table. The zero Decoder is ready; it is used by one goroutine at a time.
type Decoder struct {
	tables map[string]*Table // by their form
}

// Decode reads the set at the front of b and gives what is behind it. The set has
// nothing of b. It takes memory in proportion to its bytes at most. The error is
// ErrMalformed or a *VersionError.
func (d *Decoder) Decode(b []byte) (s *Set, rest []byte, err error) {
	r := &cborReader{b: b, size: len(b)}
	n := r.count(majorMap, 2)
	if n == 0 || r.uint(math.MaxUint64) != setVersion {
		r.fail("it does not begin with its version")
		return nil, b, r.err
	}
	if v := r.uint(math.MaxUint64); r.err == nil && v != formVersion {
		return nil, b, &VersionError{Version: v}
	}
	s = &Set{}
	var tables []*Table
	r.keys(n-1, setVersion, func(key uint64) {
		switch key {
		case setDatabase:
			s.Database = r.some()
		case setLSN:
			s.LSN = wal.LSN(r.positive(math.MaxUint64))
		case setCommit:
			s.Commit = wal.LSN(r.positive(math.MaxUint64))
		case setXID:
			s.XID = uint32(r.positive(math.MaxUint32))
		case setTime:
			if s.Time = time.UnixMicro(r.long()).UTC(); s.Time.IsZero() {
				r.fail("no time is left out")
			}
		case setOrigin:
			s.Origin = r.some()
		case setOriginLSN:
			s.OriginLSN = wal.LSN(r.positive(math.MaxUint64))
		case setGID:
			s.GID = r.some()
		case setPart:
			s.Part = int(r.positive(math.MaxInt32))
		case setMore:
			s.More = r.yes()
		case setTables:
			tables = d.readTables(r)
		case setChanges:
			s.Changes = r.changes(s, tables)
		default:
			r.fail("a set with key %d", key)
		}
	})
	if r.err != nil {
		return nil, b, r.err
	}
	return s, r.b, nil
}

// keys reads the keys of a map, which rise.
func (r *cborReader) keys(n int, before uint64, read func(key uint64)) {
	for range n {
		key := r.uint(math.MaxUint64)
		if r.err != nil {
			return
		}
		if key <= before {
			r.fail("key %d comes after key %d", key, before)
			return
		}
		before = key
		read(key)
	}
}

// some reads a text that is left out when it is empty.
func (r *cborReader) some() string {
	s := r.text()
	if s == "" {
		r.fail("an empty text is left out")
	}
	return s
}

// positive reads a number that is left out when it is 0.
func (r *cborReader) positive(limit uint64) uint64 {
	n := r.uint(limit)
	if n == 0 {
		r.fail("0 is left out")
	}
	return n
}

func (d *Decoder) readTables(r *cborReader) []*Table {
	n := r.count(majorArray, 6)
	tables := make([]*Table, 0, n)
	for range n {
		b, mark := r.b, *r
		r.skip()
		if r.err != nil {
			return nil
		}
		form := b[:len(b)-len(r.b)]
		t, ok := d.tables[string(form)]
		if !ok {
			rest := r.b
			*r = mark
			if t = r.table(); r.err != nil {
				return nil
			}
			r.b = rest
			if d.tables == nil || len(d.tables) >= maxTables {
				d.tables = map[string]*Table{}
			}
			d.tables[string(form)] = t
		}
		tables = append(tables, t)
	}
	return tables
}

// skip goes behind an item of the kinds that a table is made of.
func (r *cborReader) skip() {
	for left := uint64(1); left > 0 && r.err == nil; left-- {
		switch major, n := r.head(); major {
		case majorBytes, majorText:
			if n > uint64(len(r.b)) {
				r.fail("a string is cut short")
				return
			}
			r.b = r.b[n:]
		case majorArray, majorMap:
			if n > uint64(len(r.b)) {
				r.fail("an array is cut short")
				return
			}
			left += n << (major >> 5 & 1) // a map has two items for each
		case majorTag:
			left++
		}
	}
}

func (r *cborReader) table() *Table {
	t := &Table{}
	r.array(5)
	t.OID = uint32(r.uint(math.MaxUint32))
	t.Schema, t.Name = r.text(), r.text()
	t.Identity = Identity(r.uint(math.MaxUint8))
	n := r.count(majorArray, 6)
	if n > 0 {
		t.Columns = make([]Column, n)
	}
	for k := range t.Columns {
		c := &t.Columns[k]
		r.array(5)
		c.Name = r.text()
		c.Number = int16(r.int(math.MinInt16, math.MaxInt16))
		c.Typmod = int32(r.int(math.MinInt32, math.MaxInt32))
		flags := r.uint(columnKey | columnStored)
		c.Key, c.Stored = flags&columnKey != 0, flags&columnStored != 0
		c.Type = r.typ()
		if r.err != nil {
			return nil
		}
	}
	return t
}

func (r *cborReader) typ() (t *value.Type) {
	if r.peek() == cborNull {
		r.b = r.b[1:]
		return nil
	}
	r.within(func() {
		t = &value.Type{}
		r.array(11)
		t.OID = uint32(r.uint(math.MaxUint32))
		t.Schema, t.Name = r.text(), r.text()
		t.Kind = value.Kind(r.uint(uint64(value.MultirangeKind)))
		t.Length = int16(r.int(math.MinInt16, math.MaxInt16))
		t.Align = byte(r.uint(math.MaxUint8))
		t.ByVal = r.bool()
		t.Output = uint32(r.uint(math.MaxUint32))
		t.Elem = r.typ()
		r.labels(t)
		r.fields(t)
	})
	return t
}

func (r *cborReader) labels(t *value.Type) {
	n := r.count(majorMap, 2)
	if n == 0 {
		return
	}
	t.Labels = make(map[uint32]string, n)
	before := int64(-1)
	for range n {
		oid := r.int(before+1, math.MaxUint32)
		t.Labels[uint32(oid)] = r.text()
		if r.err != nil {
			return
		}
		before = oid
	}
}

func (r *cborReader) fields(t *value.Type) {
	n := r.count(majorArray, 7)
	if n == 0 {
		return
	}
	t.Fields = make([]value.Field, n)
	for k := range t.Fields {
		f := &t.Fields[k]
		r.array(6)
		f.Name = r.text()
		f.Type = r.typ()
		f.Typmod = int32(r.int(math.MinInt32, math.MaxInt32))
		f.Dropped = r.bool()
		f.Length = int16(r.int(math.MinInt16, math.MaxInt16))
		f.Align = byte(r.uint(math.MaxUint8))
		if r.err != nil {
			return
		}
	}
}

func (r *cborReader) changes(s *Set, tables []*Table) []Change {
	n := r.count(majorArray, 3)
	if n == 0 {
		r.fail("no changes are left out")
		return nil
	}
	changes := make([]Change, n)
	used := 0
	for k := range changes {
		r.change(&changes[k], s, tables, &used)
		if r.err != nil {
			return nil
		}
	}
	if used != len(tables) {
		r.fail("%d tables, of which %d have changes", len(tables), used)
	}
	return changes
}

// change reads a change. used is how many tables there have been before: they are
// in the order in which they come.
func (r *cborReader) change(c *Change, s *Set, tables []*Table, used *int) {
	c.XID = s.XID
	n := r.count(majorMap, 2)
	if n == 0 || r.uint(math.MaxUint64) != changeKind {
		r.fail("a change does not begin with its kind")
		return
	}
	if c.Kind = Kind(r.uint(uint64(DDL))); c.Kind == 0 {
		r.fail("a change of no kind")
		return
	}
	r.keys(n-1, changeKind, func(key uint64) {
		switch key {
		case changeTable:
			if k := r.uint(math.MaxInt32); k < uint64(len(tables)) && k <= uint64(*used) {
				c.Table = tables[k]
				*used = max(*used, int(k)+1)
			} else {
				r.fail("table %d of %d", k, len(tables))
			}
		case changeLSN:
			c.LSN = wal.LSN(r.positive(math.MaxUint64))
		case changeXID:
			if c.XID = uint32(r.uint(math.MaxUint32)); c.XID == s.XID {
				r.fail("the set's own xid is left out")
			}
		case changeNew:
			c.New = r.row(c)
		case changeOld:
			c.Old = r.row(c)
		case changeChanged:
			c.Changed = r.changed(c)
		case changeCascade:
			c.Cascade = r.yes()
		case changeRestart:
			c.RestartIdentity = r.yes()
		case changeMessage:
			r.array(3)
			c.Message = &EmittedMessage{Prefix: r.text(), Content: r.bytes(), Transactional: r.bool()}
		case changeCommand:
			c.Command = Command(r.positive(uint64(Drop)))
		case changeSnapshot:
			c.Snapshot = r.yes()
		default:
			r.fail("a change with key %d", key)
		}
	})
	if r.err == nil && (c.Table == nil) != (c.Kind == Message) {
		r.fail("%v with a table or without one", c.Kind)
	}
}

// row reads a value for each column.
func (r *cborReader) row(c *Change) []any {
	values := r.values()
	if r.err == nil && (c.Table == nil || len(values) != len(c.Table.Columns)) {
		r.fail("a row of %d values is none of its table", len(values))
	}
	return values
}

func (r *cborReader) changed(c *Change) []int {
	n := r.count(majorArray, 1)
	list := make([]int, 0, n)
	least := int64(0)
	for range n {
		k := r.int(least, math.MaxInt32)
		if r.err != nil {
			return nil
		}
		if c.Table == nil || int(k) >= len(c.Table.Columns) {
			r.fail("column %d is none of the table", k)
			return nil
		}
		list = append(list, int(k))
		least = k + 1
	}
	return list
}
