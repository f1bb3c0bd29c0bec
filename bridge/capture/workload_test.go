package capture_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// writer makes up what one session sends: statements on tables of its own, which it
// changes in their shape too, and on rows of its own in a table that all share. So
// several of them never wait for each other, and what each writes does not depend on
// when the others do. It keeps a model of its tables, to send little that fails.
type writer struct {
	rng  *rand.Rand
	name string
	base int64 // its first key in the shared table
	// applied leaves out what can't be repeated elsewhere from the sets alone: changes
	// of rows without an identity, and what DDL does to rows that are there, by
	// expressions.
	applied   bool
	burstRows int // of the largest statements

	model
	begun model       // as it was at BEGIN
	saved []savepoint // those of the transaction
	open  bool        // in a transaction
	made  int         // names given
}

type model struct {
	tables []table
	shared int64 // keys used in the shared table
}

type table struct {
	name     string
	columns  []column // behind id
	next     int      // id
	identity string
}

type column struct{ name, kind string }

type savepoint struct {
	name string
	model
}

func (m model) copy() model {
	m.tables = slices.Clone(m.tables)
	for i := range m.tables {
		m.tables[i].columns = slices.Clone(m.tables[i].columns)
	}
	return m
}

func newWriter(seed uint64, number int) *writer {
	return &writer{rng: rand.New(rand.NewPCG(seed, uint64(number))), name: fmt.Sprintf("w%d", number), base: int64(number) << 32, burstRows: 80}
}

// prepare are statements that come before all writers'.
var prepare = []string{
	"create table shared (id bigint primary key, v text, n int)",
	"create type mood as enum ('sad', 'so so', 'glad')",
	"create type pair as (a int, b text)",
}

// next makes up the next message.
func (w *writer) next() string {
	switch k := w.rng.IntN(100); {
	case len(w.tables) == 0 || k < 3 && len(w.tables) < 4:
		return w.create()
	case k < 40:
		return w.dml()
	case k < 52:
		return w.burst()
	case k < 60:
		return w.begin()
	case k < 66 && w.open:
		return w.end()
	case k < 74 && w.open:
		return w.savepoint()
	case k < 84:
		return w.alter()
	case k < 86:
		return w.truncate()
	case k < 88:
		return w.exceptions()
	case k < 90:
		return fmt.Sprintf("select pg_logical_emit_message(%t, %s, %s)", w.rng.IntN(2) == 0, literalOf(w.word(5)), literalOf(w.word(w.rng.IntN(50))))
	case k < 91:
		return "set synchronous_commit = " + []string{"off", "on"}[w.rng.IntN(2)]
	case k < 94:
		return w.maintain()
	case k < 95 && len(w.tables) > 1:
		return w.drop()
	}
	return w.sharedDML()
}

// finish ends what is open.
func (w *writer) finish() string {
	if w.open {
		w.open, w.saved = false, nil
		return "commit"
	}
	return "select"
}

// failed puts the model where the transaction has begun, which is rolled back.
func (w *writer) failed() {
	if w.open {
		w.model, w.open, w.saved = w.begun, false, nil
	}
}

// take reads the columns that the database has: name/type, with commas between.
func (t *table) take(columns string) error {
	for _, c := range strings.FieldsFunc(columns, func(r rune) bool { return r == ',' }) {
		name, typ, _ := strings.Cut(c, "/")
		i := slices.IndexFunc(kinds, func(k string) bool { return k == typ || formatted[k] == typ })
		if i < 0 {
			return fmt.Errorf("column %s is of type %s", name, typ)
		}
		t.columns = append(t.columns, column{name, kinds[i]})
	}
	return nil
}

func (w *writer) fresh(prefix string) string {
	w.made++
	return fmt.Sprintf("%s_%s%d", w.name, prefix, w.made)
}

func (w *writer) table() *table { return &w.tables[w.rng.IntN(len(w.tables))] }

func (w *writer) create() string {
	t := table{name: w.fresh("t"), next: 1}
	var b strings.Builder
	fmt.Fprintf(&b, "create table %s (id int primary key", t.name)
	for range 1 + w.rng.IntN(8) {
		c := column{w.fresh("c"), kinds[w.rng.IntN(len(kinds))]}
		t.columns = append(t.columns, c)
		fmt.Fprintf(&b, ", %s %s", c.name, c.kind)
	}
	b.WriteString(")")
	if w.rng.IntN(3) == 0 {
		b.WriteString("; " + w.identify(&t))
	}
	if i := w.rng.IntN(len(t.columns)); w.rng.IntN(3) == 0 && slices.Contains([]string{"text", "bytea", "jsonb"}, t.columns[i].kind) {
		fmt.Fprintf(&b, "; alter table %s alter %s set storage external", t.name, t.columns[i].name)
	}
	w.tables = append(w.tables, t)
	return b.String()
}

func (w *writer) identify(t *table) string {
	all := []string{"default", "full", "nothing"}
	if w.applied {
		all = all[:2]
	}
	t.identity = all[w.rng.IntN(len(all))]
	return fmt.Sprintf("alter table %s replica identity %s", t.name, t.identity)
}

func (w *writer) dml() string {
	t := w.table()
	switch k := w.rng.IntN(10); {
	case k < 4 || t.next < 3:
		return w.insert(t, 1+w.rng.IntN(6)/4*w.rng.IntN(5))
	case k < 7 && len(t.columns) > 0:
		sets := []string{}
		for range 1 + w.rng.IntN(2) {
			c := t.columns[w.rng.IntN(len(t.columns))]
			if set := c.name + " = " + w.value(c.kind); !slices.ContainsFunc(sets, func(s string) bool { return strings.HasPrefix(s, c.name+" ") }) {
				sets = append(sets, set)
			}
		}
		return fmt.Sprintf("update %s set %s where %s", t.name, strings.Join(sets, ", "), w.some(t))
	case k == 7:
		t.next += 2
		return fmt.Sprintf("update %s set id = %d where id = %d", t.name, t.next-1, w.rng.IntN(t.next))
	case k == 8:
		return fmt.Sprintf("delete from %s where %s", t.name, w.some(t))
	}
	t.next = max(t.next, 2)
	names, values := w.row(t, 1+w.rng.IntN(t.next-1))
	set := "nothing"
	if len(names) > 1 && w.rng.IntN(3) > 0 {
		set = fmt.Sprintf("(id) do update set %s = excluded.%[1]s", names[1+w.rng.IntN(len(names)-1)])
	}
	return fmt.Sprintf("insert into %s (%s) values (%s) on conflict %s", t.name, strings.Join(names, ", "), strings.Join(values, ", "), conflict(set))
}

func conflict(set string) string {
	if set == "nothing" {
		return "do nothing"
	}
	return set
}

func (w *writer) some(t *table) string {
	from := w.rng.IntN(t.next)
	return fmt.Sprintf("id between %d and %d", from, from+w.rng.IntN(4))
}

func (w *writer) row(t *table, id int) (names, values []string) {
	names, values = []string{"id"}, []string{fmt.Sprint(id)}
	for _, c := range t.columns {
		if w.rng.IntN(8) > 0 {
			names, values = append(names, c.name), append(values, w.value(c.kind))
		}
	}
	return names, values
}

func (w *writer) insert(t *table, rows int) string {
	names, _ := w.row(t, 0)
	var all []string
	for range rows {
		values := []string{fmt.Sprint(t.next)}
		t.next++
		for _, name := range names[1:] {
			i := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
			values = append(values, w.value(t.columns[i].kind))
		}
		all = append(all, "("+strings.Join(values, ", ")+")")
	}
	return fmt.Sprintf("insert into %s (%s) values %s", t.name, strings.Join(names, ", "), strings.Join(all, ", "))
}

// burst is a transaction in one message, or many rows in one statement.
func (w *writer) burst() string {
	if w.rng.IntN(3) == 0 {
		t := w.table()
		from := t.next
		if w.rng.IntN(3) == 0 {
			return fmt.Sprintf("update %s set id = id where id between %d and %d", t.name, from-w.burstRows, from)
		}
		if w.rng.IntN(4) == 0 {
			return fmt.Sprintf("delete from %s where id between %d and %d", t.name, from-w.burstRows/2, from)
		}
		t.next += w.burstRows/4 + w.rng.IntN(w.burstRows)
		return fmt.Sprintf("insert into %s (id) select generate_series(%d, %d)", t.name, from, t.next-1)
	}
	if w.open {
		return w.dml()
	}
	var all []string
	for range 2 + w.rng.IntN(4) {
		all = append(all, w.dml())
	}
	return strings.Join(all, "; ")
}

func (w *writer) begin() string {
	if w.open {
		return w.dml()
	}
	w.open, w.begun = true, w.model.copy()
	return "begin; " + w.dml()
}

func (w *writer) end() string {
	w.open, w.saved = false, nil
	if w.rng.IntN(4) == 0 {
		w.model = w.begun
		return "rollback"
	}
	return "commit"
}

func (w *writer) savepoint() string {
	if len(w.saved) == 0 || w.rng.IntN(2) == 0 {
		s := savepoint{w.fresh("s"), w.model.copy()}
		w.saved = append(w.saved, s)
		return "savepoint " + s.name + "; " + w.dml()
	}
	i := w.rng.IntN(len(w.saved))
	s := w.saved[i]
	if w.rng.IntN(2) == 0 {
		w.saved = w.saved[:i]
		return "release " + s.name
	}
	w.model, w.saved = s.model.copy(), w.saved[:i+1]
	return "rollback to " + s.name
}

func (w *writer) alter() string {
	t := w.table()
	switch k := w.rng.IntN(12); {
	case k < 4 && len(t.columns) < 14 || len(t.columns) == 0:
		c := column{w.fresh("c"), kinds[w.rng.IntN(len(kinds))]}
		t.columns = append(t.columns, c)
		def := ""
		if w.rng.IntN(2) == 0 && !w.applied {
			def = " default " + w.value(c.kind)
			if strings.Contains(def, "(select") { // which a default may not have
				def = ""
			}
		}
		return fmt.Sprintf("alter table %s add %s %s%s", t.name, c.name, c.kind, def)
	case k < 6:
		i := w.rng.IntN(len(t.columns))
		name := t.columns[i].name
		t.columns = slices.Delete(t.columns, i, i+1)
		return fmt.Sprintf("alter table %s drop %s", t.name, name)
	case k < 8:
		i := w.rng.IntN(len(t.columns))
		c := &t.columns[i]
		was := c.name
		c.name = w.fresh("c")
		return fmt.Sprintf("alter table %s rename %s to %s", t.name, was, c.name)
	case k < 9:
		was := t.name
		t.name = w.fresh("t")
		return fmt.Sprintf("alter table %s rename to %s", was, t.name)
	case k < 11:
		i := slices.IndexFunc(t.columns, func(c column) bool { return c.kind != "text" })
		if i < 0 {
			return w.insert(t, 1)
		}
		t.columns[i].kind = "text"
		if w.applied {
			return fmt.Sprintf("alter table %s alter %s type text", t.name, t.columns[i].name)
		}
		return fmt.Sprintf("alter table %s alter %s drop default, alter %[2]s type text using left(%[2]s::text, 500)", t.name, t.columns[i].name)
	}
	return w.identify(t)
}

func (w *writer) truncate() string {
	t := w.table()
	if w.open && w.rng.IntN(2) == 0 {
		return fmt.Sprintf("truncate %s; %s", t.name, w.insert(t, 2))
	}
	return fmt.Sprintf("truncate %s %s", t.name, []string{"", "cascade", "restart identity"}[w.rng.IntN(3)])
}

// exceptions are subtransactions, of which some are rolled back.
func (w *writer) exceptions() string {
	t := w.table()
	from := t.next
	t.next += 10
	return fmt.Sprintf("do $$ begin for i in %d..%d loop begin insert into %s (id) values (i); if i %% 3 = 0 then perform 1 / 0; end if; exception when division_by_zero then null; end; end loop; end $$",
		from, from+9, t.name)
}

// maintain is what has no place in a transaction.
func (w *writer) maintain() string {
	if w.open {
		return w.dml()
	}
	t := w.table()
	switch w.rng.IntN(5) {
	case 0:
		if w.applied { // those of the host's come at their time
			return "analyze " + t.name
		}
		return "checkpoint"
	case 1:
		return "vacuum full " + t.name
	case 2:
		return "vacuum freeze " + t.name
	}
	return "vacuum " + t.name
}

func (w *writer) drop() string {
	i := w.rng.IntN(len(w.tables))
	name := w.tables[i].name
	w.tables = slices.Delete(w.tables, i, i+1)
	return "drop table " + name
}

func (w *writer) sharedDML() string {
	pick := func() int64 { return w.base + w.rng.Int64N(w.shared+1) }
	switch w.rng.IntN(4) {
	case 0:
		return fmt.Sprintf("update shared set v = %s where id = %d", w.value("text"), pick())
	case 1:
		return fmt.Sprintf("delete from shared where id = %d", pick())
	case 2:
		return fmt.Sprintf("insert into shared values (%d, %s, 0) on conflict (id) do update set n = shared.n + 1", pick(), w.value("text"))
	}
	w.shared++
	return fmt.Sprintf("insert into shared values (%d, %s, %d) on conflict do nothing", w.base+w.shared, w.value("text"), w.rng.IntN(1000))
}
