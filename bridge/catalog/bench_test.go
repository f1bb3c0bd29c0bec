package catalog

import (
	"testing"

	"github.com/howdahdb/howdah/bridge/wal"
)

// BenchmarkRows is what the catalogs cost a transaction that changes a row and no
// catalog: its records, and its View.
func BenchmarkRows(b *testing.B) {
	c := little(b)
	v := c.Begin(5)
	table := Op{Database: 5, kind: classes, tuple: classTuple(16385, 16385, 0)}
	if err := v.Apply(&table); err != nil {
		b.Fatal(err)
	}
	if _, err := v.Commit(); err != nil {
		b.Fatal(err)
	}
	at := wal.Relation{Tablespace: defaultTablespace, Database: 5, Number: 16385}
	row := wal.Record{RM: wal.Heap, XID: 700, Data: []byte{1, 0, 8}, Blocks: []wal.Block{{Relation: at}}}
	commit := wal.Record{RM: wal.Transaction, XID: 700, Data: make([]byte, 8)}
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range [...]*wal.Record{&row, &commit} {
			if _, err := c.Redo(r); err != nil {
				b.Fatal(err)
			}
		}
		v := c.Begin(5)
		if r, ok := v.Relation(at); !ok || r.OID != 16385 {
			b.Fatal("no relation")
		}
		if _, err := v.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}
