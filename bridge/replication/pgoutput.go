package replication

import (
	"encoding/binary"
	"time"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/bridge/wal"
)

// Messages of pgoutput, as src/backend/replication/logical/proto.c writes them
// (https://www.postgresql.org/docs/18/protocol-logicalrep-message-formats.html).

const (
	truncateCascade         = 1
	truncateRestartIdentity = 2
	messageTransactional    = 1
	columnIsKey             = 1
)

// postgresEpoch is what Postgres counts microseconds from.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func micros(t time.Time) uint64 { return uint64(t.Sub(postgresEpoch).Microseconds()) }

func appendUint16(b []byte, x int) []byte { return binary.BigEndian.AppendUint16(b, uint16(x)) }
func appendUint32(b []byte, x uint32) []byte {
	return binary.BigEndian.AppendUint32(b, x)
}
func appendUint64(b []byte, x uint64) []byte  { return binary.BigEndian.AppendUint64(b, x) }
func appendLSN(b []byte, l wal.LSN) []byte    { return appendUint64(b, uint64(l)) }
func appendTime(b []byte, t time.Time) []byte { return appendUint64(b, micros(t)) }
func appendCString(b []byte, s string) []byte { return append(append(b, s...), 0) }
func appendCounted(b []byte, body []byte) []byte {
	return append(appendUint32(b, uint32(len(body))), body...)
}

func appendBegin(b []byte, s *change.Set) []byte {
	b = appendLSN(append(b, 'B'), s.Commit)
	return appendUint32(appendTime(b, s.Time), s.XID)
}

func appendCommit(b []byte, s *change.Set) []byte {
	b = append(b, 'C', 0) // flags, none of which is in use
	b = appendLSN(appendLSN(b, s.Commit), s.LSN)
	return appendTime(b, s.Time)
}

func appendOrigin(b []byte, s *change.Set) []byte {
	return appendCString(appendLSN(append(b, 'O'), s.OriginLSN), s.Origin)
}

func appendMessage(b []byte, c *change.Change) []byte {
	m := c.Message
	var flags byte
	if m.Transactional {
		flags = messageTransactional
	}
	b = appendLSN(append(b, 'M', flags), c.LSN)
	return appendCounted(appendCString(b, m.Prefix), m.Content)
}

func appendTruncate(b []byte, relations []uint32, cascade, restart bool) []byte {
	var flags byte
	if cascade {
		flags |= truncateCascade
	}
	if restart {
		flags |= truncateRestartIdentity
	}
	b = append(appendUint32(append(b, 'T'), uint32(len(relations))), flags)
	for _, oid := range relations {
		b = appendUint32(b, oid)
	}
	return b
}

// firstGenbkiOID is the first OID of types that pg_type.dat does not fix
// (FirstGenbkiObjectId): what is below, every Postgres has.
const firstGenbkiOID = 10000

func appendType(b []byte, t *value.Type) []byte {
	oid := t.OID
	for t.Kind == value.DomainKind && t.Elem != nil { // a domain is described by its base type
		t = t.Elem
	}
	return appendCString(appendSchema(appendUint32(append(b, 'Y'), oid), t.Schema), t.Name)
}

// appendSchema leaves out the name of pg_catalog.
func appendSchema(b []byte, schema string) []byte {
	if schema == "pg_catalog" {
		schema = ""
	}
	return appendCString(b, schema)
}

func appendRelation(b []byte, r *relation) []byte {
	b = appendUint32(append(b, 'R'), r.oid)
	b = append(appendCString(appendSchema(b, r.schema), r.name), byte(r.identity))
	b = appendUint16(b, len(r.columns))
	for _, c := range r.columns {
		var flags byte
		if c.key {
			flags = columnIsKey
		}
		b = appendCString(append(b, flags), c.name)
		b = appendUint32(appendUint32(b, c.typeOID), uint32(c.typmod))
	}
	return b
}

func appendInsert(b []byte, r *relation, c *change.Change, binary bool) []byte {
	b = append(appendUint32(append(b, 'I'), r.oid), 'N')
	return appendTuple(b, r, c.Table, c.New, binary)
}

func appendUpdate(b []byte, r *relation, c *change.Change, binary bool) []byte {
	b = appendUint32(append(b, 'U'), r.oid)
	if c.Old != nil {
		b = appendTuple(append(b, r.oldKind()), r, c.Table, c.Old, binary)
	}
	return appendTuple(append(b, 'N'), r, c.Table, c.New, binary)
}

func appendDelete(b []byte, r *relation, c *change.Change, binary bool) []byte {
	b = append(appendUint32(append(b, 'D'), r.oid), r.oldKind())
	return appendTuple(b, r, c.Table, c.Old, binary)
}

func appendTuple(b []byte, r *relation, t *change.Table, row []any, binary bool) []byte {
	b = appendUint16(b, len(r.columns))
	for _, c := range r.columns {
		b = appendDatum(b, t.Columns[c.source].Type, row[c.source], binary)
	}
	return b
}

func appendDatum(b []byte, t *value.Type, v any, wantBinary bool) []byte {
	switch v.(type) {
	case nil:
		return append(b, 'n')
	case value.Unchanged:
		return append(b, 'u')
	}
	at := len(b)
	b = append(b, 'b', 0, 0, 0, 0)
	done := false
	if wantBinary {
		b, done = value.AppendBinary(b, t, v)
	}
	if !done {
		b = value.AppendText(b[:at+5], t, v)
		b[at] = 't'
	}
	binary.BigEndian.PutUint32(b[at+1:], uint32(len(b)-at-5))
	return b
}
