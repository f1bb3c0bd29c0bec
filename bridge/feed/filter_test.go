package feed_test

import (
	"reflect"
	"testing"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, schema, table string
		want                   bool
	}{
		{"people", "public", "people", true},
		{"people", "other", "people", true},
		{"people", "public", "people2", false},
		{"public.people", "other", "people", false},
		{"public.*", "public", "", true},
		{"p*.*e", "public", "people", true},
		{"p*.*x", "public", "people", false},
		{"*.p?ople", "public", "people", true},
		{"*.?", "public", "ö", true},
		{"*.??", "public", "ö", false},
		{"*a*b*c", "public", "xaybbzc", true},
		{"*a*b*c", "public", "xaybbz", false},
		{`"a.b"."c*"`, "a.b", "c*", true},
		{`"a.b"."c*"`, "a.b", "cd", false},
		{`"say ""x"""`, "public", `say "x"`, true},
		{"People", "public", "people", false},
	} {
		l := open(t, feed.Options{})
		s := subscribe(t, l, feed.SubscribeOptions{Filter: feed.Filter{Tables: []string{"none", c.pattern}}})
		table := &change.Table{Schema: c.schema, Name: c.table, Columns: people.Columns}
		appended(t, l, set(8, insert(table, 1, "x")), set(16, insert(&change.Table{Name: "none", Columns: people.Columns}, 1, "x")))
		got, err := s.Next(t.Context())
		if err != nil || (got.LSN == 8) != c.want {
			t.Errorf("%s for %s.%s: got %+v, %v", c.pattern, c.schema, c.table, got, err)
		}
	}
	for _, bad := range []string{"", "a.b.c", ".a", "a.", `"a`} {
		l := open(t, feed.Options{})
		if _, err := l.Subscribe(t.Context(), feed.SubscribeOptions{Filter: feed.Filter{Tables: []string{bad}}}); err == nil {
			t.Errorf("%q is taken for a pattern", bad)
		}
	}
}

func TestFilter(t *testing.T) {
	l := open(t, feed.Options{})
	all := func() *change.Set {
		return set(8,
			insert(people, 1, "Ada"),
			change.Change{Kind: change.Update, Table: people, New: []any{int64(2), "Bob"}, Old: []any{int64(1), "Ada"}, Changed: []int{0, 1}},
			change.Change{Kind: change.Delete, Table: people, Old: []any{int64(3), nil}},
			change.Change{Kind: change.Truncate, Table: places},
			change.Change{Kind: change.Message, Message: &change.EmittedMessage{Prefix: "p"}},
		)
	}
	other := set(6, insert(people, 9, "of another database"))
	other.Database = "other"
	kinds := func(s *change.Set) (list []change.Kind) {
		for k := range s.Changes {
			list = append(list, s.Changes[k].Kind)
		}
		return list
	}
	subs := map[string]*feed.Subscription{}
	for name, f := range map[string]feed.Filter{
		"all":     {},
		"tables":  {Tables: []string{"geo.*"}},
		"kinds":   {Kinds: []change.Kind{change.Delete, change.Truncate}},
		"where":   {Where: func(c *change.Change) bool { return c.New == nil || c.New[0].(int64) > 1 }},
		"columns": {Columns: map[string][]string{"public.*": {"name"}}},
		"both":    {Tables: []string{"people"}, Kinds: []change.Kind{change.Update}},
	} {
		subs[name] = subscribe(t, l, feed.SubscribeOptions{Filter: f})
	}
	want := all()
	appended(t, l, other, want)
	for name, kept := range map[string][]change.Kind{
		"all":     {change.Insert, change.Update, change.Delete, change.Truncate, change.Message},
		"tables":  {change.Truncate, change.Message},
		"kinds":   {change.Delete, change.Truncate},
		"where":   {change.Update, change.Delete, change.Truncate, change.Message},
		"columns": {change.Insert, change.Update, change.Delete, change.Truncate, change.Message},
		"both":    {change.Update},
	} {
		got := expect(t, subs[name], 8)[0]
		if !reflect.DeepEqual(kinds(got), kept) {
			t.Errorf("%s: %v, not %v", name, kinds(got), kept)
		}
		if name != "columns" {
			continue
		}
		insert, update, truncate := got.Changes[0], got.Changes[1], got.Changes[3]
		if len(insert.Table.Columns) != 1 || insert.Table.Columns[0].Name != "name" || insert.Table != update.Table ||
			!reflect.DeepEqual(insert.New, []any{"Ada"}) || !reflect.DeepEqual(update.Old, []any{"Ada"}) ||
			!reflect.DeepEqual(update.Changed, []int{0}) || truncate.Table != places {
			t.Errorf("columns: %+v %+v %+v", insert, update, truncate)
		}
	}
	if !reflect.DeepEqual(want, all()) {
		t.Error("the shared set has changed")
	}
}
