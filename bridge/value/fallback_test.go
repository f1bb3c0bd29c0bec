package value_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/howdahdb/howdah/bridge/value"
)

// TestFallback reads what only output functions can, and what is made of that.
func TestFallback(t *testing.T) {
	o := newCluster(t)
	o.exec(t, `create extension hstore; create extension ltree; create type tagged as (id int, tags hstore, path ltree[], at timestamptz);
		create domain label as ltree; create type labels as range (subtype = ltree)`)
	for _, c := range []struct {
		typ   string
		texts []string
		want  string // the Go type of the value
	}{
		{"hstore", []string{`"a"=>"1", "b c"=>NULL`, ""}, "string"},
		{"hstore[]", []string{`{"\"a\"=>\"1\"",NULL}`, "{}"}, "*value.Array"},
		{"label[]", []string{"[0:1]={a.b,c}"}, "*value.Array"},
		{"tagged", []string{`(1,"""a""=>""1""","{a.b,NULL}","2020-01-01 00:00:00+00")`, "(,,,)"}, "*value.Record"},
		{"labels", []string{"[a.b,c)", "empty"}, "*value.Range"},
		{"jsonpath", []string{`$."a"[*]?(@ > 1)`}, "string"},
		{"regclass[]", []string{"{pg_class,pg_attribute}"}, "*value.Array"},
	} {
		t.Run(c.typ, func(t *testing.T) {
			typ, data := o.store(t, c.typ, c.texts)
			for k, d := range data {
				d.binary = nil
				// One without an element, a bound or a column of the type needs no decoder.
				if _, err := value.Decode(typ, d.disk); k == 0 && !errors.Is(err, value.ErrNoDecoder) {
					t.Errorf("%s: %v", c.texts[k], err)
				}
				text, err := o.cluster.Output(t.Context(), "postgres", typ.Output, typ.ByVal, typ.Length, d.disk)
				if err != nil {
					t.Fatal(err)
				}
				v, err := value.Parse(typ, text)
				if got := fmt.Sprintf("%T", v); err != nil || got != c.want {
					t.Errorf("%s is read as %s, %v", text, got, err)
				}
				if err := compareForms(typ, v, d); err != nil {
					t.Errorf("%s: %v", text, err)
				}
			}
		})
	}
}
