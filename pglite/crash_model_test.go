package pglite_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// model is what a client knows to be committed: tables of rows (id, v), other
// databases, and transactions prepared but not committed.
type model struct {
	tables   map[string]map[int]string
	dbs      map[string]bool
	prepared map[string]map[int]string // by transaction id, the rows it will add to twophase
	next     int                       // a number never used yet
}

func newModel() *model {
	return &model{tables: map[string]map[int]string{}, dbs: map[string]bool{}, prepared: map[string]map[int]string{}, next: 1}
}

func (m *model) clone() *model {
	c := newModel()
	c.next = m.next
	for t, rows := range m.tables {
		c.tables[t] = maps.Clone(rows)
	}
	maps.Copy(c.dbs, m.dbs)
	maps.Copy(c.prepared, m.prepared)
	return c
}

// digest is the model in the words of digestOf.
func (m *model) digest() string {
	var b strings.Builder
	for _, t := range slices.Sorted(maps.Keys(m.tables)) {
		fmt.Fprintf(&b, "table %s\n", t)
		for _, id := range slices.Sorted(maps.Keys(m.tables[t])) {
			fmt.Fprintf(&b, "%d=%s\n", id, m.tables[t][id])
		}
	}
	for _, d := range slices.Sorted(maps.Keys(m.dbs)) {
		fmt.Fprintf(&b, "database %s\n", d)
	}
	for _, g := range slices.Sorted(maps.Keys(m.prepared)) {
		fmt.Fprintf(&b, "prepared %s\n", g)
	}
	return b.String()
}

// digestOf reads a cluster through query. A database whose DROP was cut off is
// marked invalid, and counts as dropped.
func digestOf(query func(sql string) ([][]string, error)) (string, error) {
	tables, err := query(`select relname from pg_class where relnamespace = 'public'::regnamespace
		and relkind = 'r' and relpersistence = 'p' order by relname collate "C"`)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, t := range tables {
		fmt.Fprintf(&b, "table %s\n", t[0])
		rows, err := query("select id, v, pad = repeat(v, length(pad) / length(v)) from " + t[0] + " order by id")
		if err != nil {
			return "", err
		}
		for _, r := range rows {
			fmt.Fprintf(&b, "%s=%s\n", r[0], r[1])
			if r[2] != "t" {
				fmt.Fprintf(&b, "pad of %s is wrong\n", r[0])
			}
		}
	}
	for _, list := range [...]string{
		`select 'database ' || datname from pg_database where datname like 'd%' and datconnlimit <> -2 order by datname collate "C"`,
		`select 'prepared ' || gid from pg_prepared_xacts order by gid collate "C"`,
	} {
		rows, err := query(list)
		if err != nil {
			return "", err
		}
		for _, r := range rows {
			fmt.Fprintln(&b, r[0])
		}
	}
	return b.String(), nil
}

// step is what a client sends, and what it knows once the last statement is
// acknowledged. Statements before the last commit nothing.
type step struct {
	sql   []string
	apply func(*model)
}

// workload makes up steps for one model. The same seed gives the same steps.
type workload struct {
	rng   *rand.Rand
	model *model
}

// setup is the part of the first life that every workload begins with.
var setup = []string{
	"create extension amcheck",
	"create unlogged table fleeting (id int primary key, v text)",
	"insert into fleeting select g, g from generate_series(1, 50) g",
}

func (w *workload) step() step {
	if len(w.model.tables) < 2 {
		return w.create()
	}
	p := w.rng.IntN(100)
	for _, c := range [...]struct {
		percent int
		make    func() step
	}{
		{20, w.update}, {8, w.remove}, {20, w.savepoints}, {4, w.create}, {3, w.drop}, {6, w.rewrite}, {3, w.truncate},
		{4, w.checkpoint}, {2, w.switchSegment}, {4, w.twoPhase}, {1, w.database}, {2, w.catalog},
	} {
		if p -= c.percent; p < 0 {
			return c.make()
		}
	}
	return w.insert()
}

func (w *workload) table() string {
	var names []string
	for t := range w.model.tables {
		if t != "twophase" {
			names = append(names, t)
		}
	}
	slices.Sort(names)
	return names[w.rng.IntN(len(names))]
}

// some is how many rows a statement makes, and how far their texts reach.
func (w *workload) some() (rows, width int) {
	if w.rng.IntN(8) == 0 {
		return 2, 3000 // beyond a page: toasted
	}
	return 1 + w.rng.IntN(12), 1 + w.rng.IntN(20)
}

// rows makes an INSERT of n new rows into t, and applies it to m.
func (w *workload) rows(m *model, t string) string {
	n, width := w.some()
	first := m.next
	m.next += n
	for id := first; id < m.next; id++ {
		m.tables[t][id] = fmt.Sprintf("%s-%d", t, id)
	}
	return fmt.Sprintf("insert into %s select g, '%s-' || g, repeat('%[2]s-' || g, %d) from generate_series(%d, %d) g", t, t, width, first, m.next-1)
}

// change makes an UPDATE of some rows of t, and applies it to m.
func (w *workload) change(m *model, t string) string {
	k, v := 2+w.rng.IntN(4), fmt.Sprintf("u%d", m.next)
	m.next++
	for id := range m.tables[t] {
		if id%k == 0 {
			m.tables[t][id] = v
		}
	}
	return fmt.Sprintf("update %s set v = '%s', pad = repeat('%[2]s', %d) where id %% %d = 0", t, v, 1+w.rng.IntN(30), k)
}

// after makes a step out of SQL and the model that it leads to.
func after(m *model, sql ...string) step {
	return step{sql, func(now *model) { *now = *m }}
}

func (w *workload) insert() step {
	m := w.model.clone()
	return after(m, w.rows(m, w.table()))
}

func (w *workload) update() step {
	m := w.model.clone()
	return after(m, w.change(m, w.table()))
}

func (w *workload) remove() step {
	m, t := w.model.clone(), w.table()
	k := 3 + w.rng.IntN(5)
	maps.DeleteFunc(m.tables[t], func(id int, _ string) bool { return id%k == 1 })
	return after(m, fmt.Sprintf("delete from %s where id %% %d = 1", t, k))
}

// savepoints is a transaction over two tables with a part that is rolled back,
// or all of it.
func (w *workload) savepoints() step {
	m := w.model.clone()
	a, b := w.table(), w.table()
	sql := []string{"begin", w.rows(m, a), "savepoint one"}
	inner := m.clone()
	sql = append(sql, w.change(inner, b), "savepoint two", w.rows(inner, a))
	if w.rng.IntN(2) == 0 {
		sql = append(sql, "rollback to one")
		m.next = inner.next
	} else {
		sql = append(sql, "release one")
		m = inner
	}
	sql = append(sql, w.rows(m, b))
	if w.rng.IntN(4) == 0 {
		next := m.next
		m = w.model.clone()
		m.next = next
		return after(m, append(sql, "rollback")...)
	}
	return after(m, append(sql, "commit")...)
}

func (w *workload) create() step {
	m := w.model.clone()
	if len(m.tables) > 8 {
		return w.insert()
	}
	t := fmt.Sprintf("t%d", m.next)
	m.next++
	m.tables[t] = map[int]string{}
	return after(m, "begin",
		"create table "+t+" (id int primary key, v text not null, pad text)",
		"create index on "+t+" (v)",
		w.rows(m, t), "commit")
}

func (w *workload) drop() step {
	m := w.model.clone()
	if len(m.tables) < 4 {
		return w.insert()
	}
	t := w.table()
	delete(m.tables, t)
	return after(m, "drop table "+t)
}

func (w *workload) truncate() step {
	m, t := w.model.clone(), w.table()
	m.tables[t] = map[int]string{}
	return after(m, "begin", "truncate "+t, w.rows(m, t), "commit")
}

// rewrite gives a table or index new files, or frees its pages.
func (w *workload) rewrite() step {
	t := w.table()
	ways := [...]string{
		"vacuum full " + t, "reindex table " + t, "vacuum (analyze, freeze) " + t,
		"cluster " + t + " using " + t + "_pkey", "alter table " + t + " alter id type int using id + 0",
		"update fleeting set v = v || 'x'",
		"drop table if exists passing; create unlogged table passing (id int primary key)",
	}
	return after(w.model, ways[w.rng.IntN(len(ways))])
}

// catalog gives mapped catalogs new files (pg_filenode.map).
func (w *workload) catalog() step {
	ways := [...]string{"vacuum full pg_class", "reindex table pg_attribute", "vacuum full pg_database", "reindex table pg_class"}
	return after(w.model, ways[w.rng.IntN(len(ways))])
}

func (w *workload) checkpoint() step { return after(w.model, "checkpoint") }

func (w *workload) switchSegment() step { return after(w.model, "select pg_switch_wal()") }

// twoPhase prepares a transaction, or ends one.
func (w *workload) twoPhase() step {
	m := w.model.clone()
	if m.tables["twophase"] == nil {
		m.tables["twophase"] = map[int]string{}
		return after(m, "create table twophase (id int primary key, v text not null, pad text)")
	}
	if open := slices.Sorted(maps.Keys(m.prepared)); len(open) > 0 && w.rng.IntN(2) == 0 || len(open) == 3 {
		g := open[0]
		how := "rollback"
		if w.rng.IntN(2) == 0 {
			how = "commit"
			maps.Copy(m.tables["twophase"], m.prepared[g])
		}
		delete(m.prepared, g)
		return after(m, how+" prepared '"+g+"'")
	}
	g := fmt.Sprintf("g%d", m.next)
	with := m.clone()
	with.tables["twophase"] = map[int]string{}
	insert := w.rows(with, "twophase")
	m.next = with.next
	m.prepared[g] = with.tables["twophase"]
	return after(m, "begin", insert, "prepare transaction '"+g+"'")
}

func (w *workload) database() step {
	m := w.model.clone()
	if dbs := slices.Sorted(maps.Keys(m.dbs)); len(dbs) > 1 {
		delete(m.dbs, dbs[0])
		return after(m, "drop database "+dbs[0])
	}
	d := fmt.Sprintf("d%d", m.next)
	m.next++
	m.dbs[d] = true
	strategy := [...]string{"wal_log", "file_copy"}[w.rng.IntN(2)]
	return after(m, "create database "+d+" strategy "+strategy)
}
