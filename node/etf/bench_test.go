package etf_test

import (
	"fmt"
	"testing"

	"github.com/howdahdb/howdah/node/etf"
)

// tenFields is a change as a subscriber gets it.
func tenFields() etf.Term {
	return etf.Tuple{etf.Atom("update"), etf.Map{
		etf.Entry("op", "insert"),
		etf.Entry("schema", "public"),
		etf.Entry("table", "orders"),
		etf.Entry("lsn", int64(1<<40+12345)),
		etf.Entry("xid", int64(741)),
		etf.Entry("commit", true),
		etf.Entry("at", 1.7e9),
		etf.Entry("key", etf.List{int64(1000000)}),
		etf.Entry("note", nil),
		etf.Entry("row", etf.Map{etf.Entry("id", int64(1000000)), etf.Entry("name", "a customer's name")}),
	}}
}

// rows is the answer to a query with 1,000 rows of five columns.
func rows() etf.Term {
	all := make(etf.List, 1000)
	for k := range all {
		all[k] = etf.List{int64(k), fmt.Sprintf("name %d", k), 1.5 * float64(k), nil, true}
	}
	return etf.Tuple{etf.Atom("ok"), etf.Map{
		etf.Entry(etf.Atom("columns"), etf.List{"id", "name", "price", "note", "live"}),
		etf.Entry(etf.Atom("num_rows"), len(all)),
		etf.Entry(etf.Atom("rows"), all),
	}}
}

func benchmark(b *testing.B, f func(*testing.B, etf.Term)) {
	for name, term := range map[string]etf.Term{"ten fields": tenFields(), "1000 rows": rows()} {
		b.Run(name, func(b *testing.B) { f(b, term) })
	}
}

func BenchmarkAppend(b *testing.B) {
	benchmark(b, func(b *testing.B, term etf.Term) {
		b.ReportAllocs()
		var out []byte
		for b.Loop() {
			var err error
			if out, err = etf.Append(out[:0], term); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(len(out)))
	})
}

func BenchmarkDecode(b *testing.B) {
	benchmark(b, func(b *testing.B, term etf.Term) {
		in, err := etf.Append(nil, term)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		b.SetBytes(int64(len(in)))
		for b.Loop() {
			if _, _, err := etf.Decode(in); err != nil {
				b.Fatal(err)
			}
		}
	})
}
