package catalog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/howdahdb/howdah/bridge/heap"
)

var le = binary.LittleEndian

// kind is one of the followed catalogs.
type kind uint8

const (
	classes kind = iota
	attributes
	types
	enums
	namespaces
	indexes
	ranges
	databases
	origins
	kinds int = iota
)

// catalogs says of each its oid, which never changes, and whether its file is in a
// relation map.
var catalogs = [kinds]struct {
	name           string
	oid            uint32
	mapped, shared bool
}{
	classes:    {"pg_class", 1259, true, false},
	attributes: {"pg_attribute", 1249, true, false},
	types:      {"pg_type", 1247, true, false},
	enums:      {"pg_enum", 3501, false, false},
	namespaces: {"pg_namespace", 2615, false, false},
	indexes:    {"pg_index", 2610, false, false},
	ranges:     {"pg_range", 3541, false, false},
	databases:  {"pg_database", 1262, true, true},
	origins:    {"pg_replication_origin", 6000, true, true},
}

func (k kind) String() string { return catalogs[min(int(k), kinds-1)].name }

func kindOf(oid uint32) (kind, bool) {
	for k, c := range catalogs {
		if c.oid == oid {
			return kind(k), true
		}
	}
	return 0, false
}

// ErrCorrupt says that files, the log or a saved state are not what they should be.
var ErrCorrupt = errors.New("catalog: corrupt data")

// key says which row of a catalog: rows that are looked for together have one
// group. Of pg_attribute it is attrelid and attnum, of pg_enum enumtypid and oid, of
// pg_index indrelid and indexrelid, of the others the oid and 0.
type key struct{ group, id uint32 }

// The rows, as far as they are of use. All are comparable.
type (
	classRow struct {
		oid, namespace, rowType, file, tablespace, rewrite uint32
		name                                               string
		persistence, kind, identity                        byte
	}
	attributeRow struct {
		relation, typ              uint32
		name                       string
		length, number             int16
		typmod                     int32
		align, generated           byte
		byVal, dropped, hasMissing bool
		missing                    string // what attmissingval has, in the form of heap.Datum.Bytes
	}
	typeRow struct {
		oid, namespace, relation, subscript, elem, output, base uint32
		name                                                    string
		length                                                  int16
		byVal                                                   bool
		kind, align                                             byte
	}
	enumRow struct {
		oid, typ uint32
		label    string
	}
	namespaceRow struct {
		oid  uint32
		name string
	}
	indexRow struct {
		oid, relation                       uint32
		unique, primary, immediate          bool
		valid, live, replicaIdentity, whole bool   // whole: without a predicate
		columns                             string // attnums of the key, two bytes each
	}
	rangeRow struct{ oid, subtype, multirange uint32 }

	databaseRow struct {
		oid, tablespace uint32
		name            string
	}
	originRow struct {
		oid  uint32
		name string
	}
)

func (r *classRow) key() key     { return key{r.oid, 0} }
func (r *attributeRow) key() key { return key{r.relation, uint32(uint16(r.number))} }
func (r *typeRow) key() key      { return key{r.oid, 0} }
func (r *enumRow) key() key      { return key{r.typ, r.oid} }
func (r *namespaceRow) key() key { return key{r.oid, 0} }
func (r *indexRow) key() key     { return key{r.relation, r.oid} }
func (r *rangeRow) key() key     { return key{r.oid, 0} }
func (r *databaseRow) key() key  { return key{r.oid, 0} }
func (r *originRow) key() key    { return key{r.oid, 0} }

// The columns of those catalogs whose rows have to be cut (src/include/catalog/*.h).
// Of the others what is needed stands at the same place in every row, because
// nothing of variable length or null comes before it.
var (
	attributeColumns = []heap.Column{
		{Length: 4, Align: 'i'}, {Length: 64, Align: 'c'}, {Length: 4, Align: 'i'}, // attrelid, attname, atttypid
		{Length: 2, Align: 's'}, {Length: 2, Align: 's'}, {Length: 4, Align: 'i'}, // attlen, attnum, atttypmod
		{Length: 2, Align: 's'}, {Length: 1, Align: 'c'}, {Length: 1, Align: 'c'}, // attndims, attbyval, attalign
		{Length: 1, Align: 'c'}, {Length: 1, Align: 'c'}, {Length: 1, Align: 'c'}, // attstorage, attcompression, attnotnull
		{Length: 1, Align: 'c'}, {Length: 1, Align: 'c'}, {Length: 1, Align: 'c'}, // atthasdef, atthasmissing, attidentity
		{Length: 1, Align: 'c'}, {Length: 1, Align: 'c'}, {Length: 1, Align: 'c'}, // attgenerated, attisdropped, attislocal
		{Length: 2, Align: 's'}, {Length: 4, Align: 'i'}, {Length: 2, Align: 's'}, // attinhcount, attcollation, attstattarget
		{Length: -1, Align: 'd'}, {Length: -1, Align: 'i'}, {Length: -1, Align: 'i'}, // attacl, attoptions, attfdwoptions
		{Length: -1, Align: 'd'}, // attmissingval
	}
	indexColumns = []heap.Column{
		{Length: 4, Align: 'i'}, {Length: 4, Align: 'i'}, {Length: 2, Align: 's'}, {Length: 2, Align: 's'}, // indexrelid, indrelid, indnatts, indnkeyatts
		{Length: 1, Align: 'c'}, {Length: 1, Align: 'c'}, {Length: 1, Align: 'c'}, {Length: 1, Align: 'c'}, // indisunique, indnullsnotdistinct, indisprimary, indisexclusion
		{Length: 1, Align: 'c'}, {Length: 1, Align: 'c'}, {Length: 1, Align: 'c'}, {Length: 1, Align: 'c'}, // indimmediate, indisclustered, indisvalid, indcheckxmin
		{Length: 1, Align: 'c'}, {Length: 1, Align: 'c'}, {Length: 1, Align: 'c'}, // indisready, indislive, indisreplident
		{Length: -1, Align: 'i'}, {Length: -1, Align: 'i'}, {Length: -1, Align: 'i'}, {Length: -1, Align: 'i'}, // indkey, indcollation, indclass, indoption
		{Length: -1, Align: 'i'}, {Length: -1, Align: 'i'}, // indexprs, indpred
	}
	originColumns = []heap.Column{{Length: 4, Align: 'i'}, {Length: -1, Align: 'i'}} // roident, roname
)

const (
	attributeMissing = 24 // index of attmissingval
	indexKey         = 15 // of indkey
	indexPredicate   = 20 // of indpred
)

// fixed is the beginning of a row's columns, at least size bytes.
func fixed(t *heap.Tuple, size int) ([]byte, error) {
	begin := int(t.Hoff) - heap.HeaderSize
	if begin < 0 || len(t.Body)-begin < size {
		return nil, fmt.Errorf("%w: a row of %d bytes with its header of %d", ErrCorrupt, len(t.Body), t.Hoff)
	}
	return t.Body[begin:], nil
}

const nameSize = 64 // NAMEDATALEN

func name(b []byte) string {
	b = b[:nameSize]
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	return string(b)
}

func (r *classRow) decode(t *heap.Tuple) error {
	b, err := fixed(t, 136)
	if err != nil {
		return err
	}
	*r = classRow{
		oid: le.Uint32(b), name: name(b[4:]), namespace: le.Uint32(b[68:]), rowType: le.Uint32(b[72:]),
		file: le.Uint32(b[88:]), tablespace: le.Uint32(b[92:]),
		persistence: b[118], kind: b[119], identity: b[130], rewrite: le.Uint32(b[132:]),
	}
	return nil
}

func (r *attributeRow) decode(t *heap.Tuple) error {
	b, err := fixed(t, 100)
	if err != nil {
		return err
	}
	*r = attributeRow{
		relation: le.Uint32(b), name: name(b[4:]), typ: le.Uint32(b[68:]),
		length: int16(le.Uint16(b[72:])), number: int16(le.Uint16(b[74:])), typmod: int32(le.Uint32(b[76:])),
		byVal: b[82] != 0, align: b[83], hasMissing: b[88] != 0, generated: b[90], dropped: b[91] != 0,
	}
	if !r.hasMissing {
		return nil
	}
	d, err := t.Deform(nil, attributeColumns)
	if err != nil {
		return err
	}
	r.hasMissing = d[attributeMissing].Kind == heap.Inline
	if r.hasMissing {
		r.missing, err = missing(d[attributeMissing].Bytes, heap.Column{Length: r.length, Align: r.align})
	}
	return err
}

// missing takes the one element of an attmissingval, an array behind its length:
//
//	0 dimensions · 4 where the data begins, counted with the length, or 0: no nulls
//	8 element type · 12 number of elements · 16 lower bound · 20 the element
func missing(b []byte, c heap.Column) (string, error) {
	const header = 20
	if len(b) < header || le.Uint32(b) != 1 || le.Uint32(b[4:]) != 0 || le.Uint32(b[12:]) != 1 {
		return "", fmt.Errorf("%w: a missing value is no array of one element", ErrCorrupt)
	}
	t := heap.Tuple{Infomask2: 1, Hoff: heap.HeaderSize, Body: b[header:]}
	d, err := t.Deform(nil, []heap.Column{c})
	if err != nil {
		return "", err
	}
	if d[0].Kind != heap.Inline {
		return "", fmt.Errorf("%w: a missing value is not in its array", ErrCorrupt)
	}
	return string(d[0].Bytes), nil
}

func (r *typeRow) decode(t *heap.Tuple) error {
	b, err := fixed(t, 136)
	if err != nil {
		return err
	}
	*r = typeRow{
		oid: le.Uint32(b), name: name(b[4:]), namespace: le.Uint32(b[68:]),
		length: int16(le.Uint16(b[76:])), byVal: b[78] != 0, kind: b[79],
		relation: le.Uint32(b[84:]), subscript: le.Uint32(b[88:]), elem: le.Uint32(b[92:]),
		output: le.Uint32(b[104:]), align: b[128], base: le.Uint32(b[132:]),
	}
	return nil
}

func (r *enumRow) decode(t *heap.Tuple) error {
	b, err := fixed(t, 12+nameSize)
	if err != nil {
		return err
	}
	*r = enumRow{oid: le.Uint32(b), typ: le.Uint32(b[4:]), label: name(b[12:])}
	return nil
}

func (r *namespaceRow) decode(t *heap.Tuple) error {
	b, err := fixed(t, 4+nameSize)
	if err != nil {
		return err
	}
	*r = namespaceRow{oid: le.Uint32(b), name: name(b[4:])}
	return nil
}

func (r *indexRow) decode(t *heap.Tuple) error {
	b, err := fixed(t, 24)
	if err != nil {
		return err
	}
	*r = indexRow{
		oid: le.Uint32(b), relation: le.Uint32(b[4:]),
		unique: b[12] != 0, primary: b[14] != 0, immediate: b[16] != 0,
		valid: b[18] != 0, live: b[21] != 0, replicaIdentity: b[22] != 0,
	}
	d, err := t.Deform(nil, indexColumns)
	if err != nil {
		return err
	}
	r.whole = d[indexPredicate].Kind == heap.Null
	// An int2vector has the header of an array of one dimension.
	const header = 20
	keys := d[indexKey].Bytes
	if n := 2 * int(le.Uint16(b[10:])); len(keys) < header+n {
		return fmt.Errorf("%w: an index of %d columns whose numbers have %d bytes", ErrCorrupt, n/2, len(keys))
	} else {
		r.columns = string(keys[header : header+n])
	}
	return nil
}

func (r *rangeRow) decode(t *heap.Tuple) error {
	b, err := fixed(t, 12)
	if err != nil {
		return err
	}
	*r = rangeRow{le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:])}
	return nil
}

func (r *databaseRow) decode(t *heap.Tuple) error {
	b, err := fixed(t, 96)
	if err != nil {
		return err
	}
	*r = databaseRow{oid: le.Uint32(b), name: name(b[4:]), tablespace: le.Uint32(b[92:])}
	return nil
}

func (r *originRow) decode(t *heap.Tuple) error {
	d, err := t.Deform(nil, originColumns)
	if err != nil {
		return err
	}
	if d[0].Kind != heap.Inline {
		return fmt.Errorf("%w: a replication origin without a number", ErrCorrupt)
	}
	*r = originRow{oid: le.Uint32(d[0].Bytes), name: string(d[1].Bytes)}
	return nil
}

// keyOf reads only what a row is known by.
func keyOf(k kind, t *heap.Tuple) (key, error) {
	size := [kinds]int{attributes: 76, enums: 8, indexes: 8}[k]
	b, err := fixed(t, max(size, 4))
	if err != nil {
		return key{}, fmt.Errorf("%v: %w", k, err)
	}
	switch k {
	case attributes:
		return key{le.Uint32(b), uint32(le.Uint16(b[74:]))}, nil
	case enums, indexes:
		return key{le.Uint32(b[4:]), le.Uint32(b)}, nil
	}
	return key{le.Uint32(b), 0}, nil
}
