package value_test

import (
	"testing"

	"github.com/howdahdb/howdah/bridge/value"
)

// BenchmarkValues reads a value from disk, writes its text, and reads that.
func BenchmarkValues(b *testing.B) {
	o := newOracle(b)
	o.exec(b, madeTypes)
	for _, c := range []struct{ typ, text string }{
		{"int4", "12345"}, {"int8", "1234567890123"}, {"bool", "t"}, {"float8", "3.141592653589793"}, {"text", "forty bytes of text, as columns have it."},
		{"numeric(12,2)", "1234567.89"}, {"timestamptz", "2026-11-25 12:34:56.789+00"}, {"uuid", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
		{"jsonb", `{"id": 17, "name": "some name", "tags": ["a", "b"], "price": 12.50, "nested": {"x": null}}`},
		{"int4[]", "{1,2,3,4,5,6,7,8}"}, {"text[]", `{one,"two words",NULL,four}`}, {"pair", `(1,"a b")`}, {"int4range", "[1,5)"}, {"mood", "so so"}, {"interval", "1 year 2 mons 3 days 04:05:06.789"}, {"inet", "10.1.2.3/24"},
	} {
		typ, data := o.store(b, c.typ, []string{c.text})
		disk, text := data[0].disk, data[0].text
		b.Run(c.typ+"/decode", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := value.Decode(typ, disk); err != nil {
					b.Fatal(err)
				}
			}
		})
		v, err := value.Decode(typ, disk)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.typ+"/text", func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst = value.AppendText(dst[:0], typ, v)
			}
		})
		b.Run(c.typ+"/parse", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := value.Parse(typ, text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
