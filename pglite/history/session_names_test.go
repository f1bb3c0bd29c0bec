package history_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Statements, tables, locks, cursors and channels: what sessions have by names
// that are the same for all clients.

var statementNames = []string{"s0", "s1", "s2", "S_1"}

// statement makes up a statement with a number of its own.
func (c *caller) statement() (p prepared, sql string) {
	p = prepared{n: c.id*100 + c.rng.IntN(100), shape: c.w.shape}
	sql = fmt.Sprintf("select %d + $1::int", p.n)
	switch c.rng.IntN(4) {
	case 0: // finds its table at each use
		p.kind = "place"
		sql += ", name from whereabouts"
	case 1: // knows its columns
		p.kind = "shape"
		sql += fmt.Sprintf(", s.* from public.shape%d s", c.w.n)
	}
	return p, sql
}

// reshape gives the column of its world's table another type, while nobody needs
// the table.
func (c *caller) reshape() {
	for _, x := range c.w.open {
		if x.s.status != 'I' {
			return
		}
	}
	c.w.shape = 1 - c.w.shape
	c.w.admin(fmt.Sprintf("alter table public.shape%d alter x type %s", c.w.n, [...]string{"int4", "int8"}[c.w.shape]))
}

// prepare prepares a statement by the protocol.
func (c *caller) prepare() {
	name := statementNames[c.rng.IntN(len(statementNames))]
	p, sql := c.statement()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := c.conn.Prepare(ctx, name, sql, nil)
	what := fmt.Sprintf("prepare %s as %s", name, sql)
	a := c.got(what, answer{}, err)
	switch _, taken := c.named(name); {
	case taken:
		c.failed(what, a, "42P05")
	case c.s.status == 'E':
		c.expect(what, a.code, "25P02")
	default:
		c.expect(what, a.code, "")
		c.s.prepared[name] = p
	}
}

// named is the statement of a name, however it was prepared.
func (c *caller) named(name string) (prepared, bool) {
	if p, ok := c.s.prepared[name]; ok {
		return p, true
	}
	p, ok := c.s.sqlNames[name]
	return p, ok
}

// gives is what a statement gives for 7.
func (c *caller) gives(p prepared) []string {
	row := []string{strconv.Itoa(p.n + 7)}
	switch p.kind {
	case "place":
		row = append(row, c.place())
	case "shape":
		row = append(row, "1")
	}
	return row
}

// execute runs a statement by name, by the protocol or by SQL.
func (c *caller) execute() {
	name := statementNames[c.rng.IntN(len(statementNames))]
	p, ok := c.named(name)
	var a answer
	what, bySQL := "execute "+name, c.rng.IntN(3) == 0
	if bySQL {
		what = fmt.Sprintf("execute %q (7)", name)
		a = c.do(what)
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		r := c.conn.ExecPrepared(ctx, name, [][]byte{[]byte("7")}, nil, nil).Read()
		a = c.got(what, answer{rows: texts(r.Rows)}, r.Err)
	}
	switch {
	case !ok && c.s.status == 'E' && !bySQL:
		c.expect(what, a.code, "26000") // exec_bind_message looks for the statement first
	case !ok:
		c.failed(what, a, "26000")
	case c.s.status == 'E':
		c.expect(what, a.code, "25P02")
	case p.kind == "shape" && p.shape != c.w.shape:
		c.failed(what, a, "0A000") // cached plan must not change result type
	case a.code != "" || !slices.Equal(a.rows[0], c.gives(p)):
		c.fail("%s gives %v, want %v", what, a, c.gives(p))
	}
}

func (c *caller) deallocate() {
	name := statementNames[c.rng.IntN(len(statementNames))]
	_, ok := c.named(name)
	switch c.rng.IntN(4) {
	case 0:
		if _, done := c.must("deallocate all"); done {
			clear(c.s.prepared)
			clear(c.s.sqlNames)
		}
		return
	case 1:
		c.names()
		return
	case 2: // by the protocol it always goes, in a failed transaction as well
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c.expect("close "+name, c.got("close "+name, answer{}, c.conn.Deallocate(ctx, name)).code, "")
	default:
		if !ok {
			c.refused(fmt.Sprintf("deallocate %q", name), "26000")
			return
		}
		if _, done := c.must(fmt.Sprintf("deallocate %q", name)); !done {
			return
		}
	}
	delete(c.s.prepared, name)
	delete(c.s.sqlNames, name)
}

// names lists the statements.
func (c *caller) names() {
	all := append(slices.Collect(maps.Keys(c.s.prepared)), slices.Collect(maps.Keys(c.s.sqlNames))...)
	slices.Sort(all)
	c.sees(`select name from pg_prepared_statements order by name collate "C"`, all...)
}

func (c *caller) prepareSQL() {
	name := statementNames[c.rng.IntN(len(statementNames))]
	p, query := c.statement()
	sql := fmt.Sprintf("prepare %q (int) as %s", name, query)
	if _, taken := c.named(name); taken {
		c.refused(sql, "42P05")
		return
	}
	if _, ok := c.must(sql); ok {
		c.s.sqlNames[name] = p
	}
}

// temp makes, changes, reads or drops a temporary table.
func (c *caller) temp() {
	if !c.ownsTemps() {
		return
	}
	name := [...]string{"t0", "t1"}[c.rng.IntN(2)]
	t, there := c.s.temps[name]
	switch n := c.rng.IntN(100); {
	case !there:
		how := "preserve rows"
		if c.s.status == 'T' {
			how = [...]string{"drop", "delete rows", "preserve rows"}[c.rng.IntN(3)]
		}
		if _, ok := c.must(fmt.Sprintf("create temp table %s (n int) on commit %s", name, how)); ok {
			c.s.temps[name] = temp{owner: c.s.currentUser(), onCommit: how}
			c.s.hasTemp = true
		}
	case t.owner != c.s.currentUser():
	case t.onCommit == "delete rows" && c.s.status == 'I': // it would be empty again at once
		c.sees("select coalesce(sum(n), 0) from "+name, "0")
	case t.onCommit == "drop" && c.s.status == 'I':
		c.fail("%s has outlived its transaction", name)
	case len(c.s.temps) > 0 && c.rng.IntN(5) == 0:
		if _, ok := c.must("drop table pg_temp." + name); ok {
			delete(c.s.temps, name)
		}
	default:
		if _, ok := c.must(fmt.Sprintf("insert into %s values (%d)", name, n)); ok {
			t.sum += n
			c.s.temps[name] = t
			c.sees("select sum(n) from "+name, strconv.Itoa(t.sum))
		}
	}
}

// ownsTemps tells whether the current user may use what temporary tables there
// are.
func (c *caller) ownsTemps() bool {
	for _, t := range c.s.temps {
		if t.owner != c.s.currentUser() {
			return false
		}
	}
	return true
}

// strangeTemp looks for temporary tables that others may have.
func (c *caller) strangeTemp() {
	has := make([]string, 2)
	for n, name := range []string{"t0", "t1"} {
		_, there := c.s.temps[name]
		has[n] = strconv.FormatBool(there)[:1]
	}
	c.sees("select pg_my_temp_schema() <> 0, to_regclass('t0') is not null, to_regclass('t1') is not null",
		fmt.Sprintf("%s|%s|%s", strconv.FormatBool(c.s.hasTemp)[:1], has[0], has[1]))
}

// lock takes or gives back a session lock: one that others do not want, or one
// that they do.
func (c *caller) lock() {
	key := int64(1_000_000 + c.id)
	if c.rng.IntN(3) == 0 {
		key = int64(c.w.n)
	}
	holder, held := c.w.locks[key]
	free := !held || holder == c.id
	switch c.rng.IntN(3) {
	case 0:
		if c.yields(fmt.Sprintf("select pg_try_advisory_lock(%d)", key), strconv.FormatBool(free)[:1]) && free {
			c.s.advisory[key]++
			c.w.locks[key] = c.id
		}
	case 1:
		mine := c.s.advisory[key] > 0
		if c.yields(fmt.Sprintf("select pg_advisory_unlock(%d)", key), strconv.FormatBool(mine)[:1]) && mine {
			c.unlock(key)
		}
	default:
		c.locked()
	}
}

func (c *caller) unlock(key int64) {
	if c.s.advisory[key]--; c.s.advisory[key] == 0 {
		delete(c.s.advisory, key)
		delete(c.w.locks, key)
	}
}

func (c *caller) unlockAll() {
	for key := range c.s.advisory {
		delete(c.w.locks, key)
	}
	clear(c.s.advisory)
}

// locked lists the session locks.
func (c *caller) locked() {
	var keys []string
	for _, k := range slices.Sorted(maps.Keys(c.s.advisory)) {
		keys = append(keys, strconv.FormatInt(k, 10))
	}
	c.sees("select objid from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and granted order by 1", keys...)
}

// cursor declares, reads or closes a cursor that outlives its transaction.
func (c *caller) cursor() {
	name := [...]string{"c0", "c1"}[c.rng.IntN(2)]
	at, there := c.s.cursors[name]
	switch {
	case !there && c.rng.IntN(3) > 0:
		if _, ok := c.must(fmt.Sprintf("declare %s cursor with hold for select generate_series(%d, %d)", name, c.id, c.id+5)); ok {
			c.s.cursors[name] = &cursor{next: c.id, last: c.id + 5, depth: len(c.s.before)}
		}
	case !there:
		c.refused("fetch "+name, "34000")
	case c.rng.IntN(5) == 0:
		if _, ok := c.must("close " + name); ok {
			delete(c.s.cursors, name)
		}
	case at.next > at.last:
		c.sees("fetch " + name)
	default:
		if c.yields("fetch "+name, strconv.Itoa(at.next)) {
			at.next++
		}
	}
}

// strangeCursor looks for the cursors that there are.
func (c *caller) strangeCursor() {
	c.sees("select name from pg_cursors where name ~ '^c[01]$' order by 1", slices.Sorted(maps.Keys(c.s.cursors))...)
}

func (c *caller) channel() string { return fmt.Sprintf("w%d_%d", c.w.n, c.rng.IntN(3)) }

// subscribe begins or ends to listen, or looks at what it listens to.
func (c *caller) subscribe() {
	ch := c.channel()
	switch c.rng.IntN(5) {
	case 0, 1, 2:
		c.listening("listen "+ch, listen{ch, true})
	case 3:
		c.listening("unlisten "+ch, listen{ch, false})
	default:
		c.channels()
	}
}

func (c *caller) listening(sql string, l listen) {
	if _, ok := c.must(sql); !ok {
		return
	}
	c.s.listens = append(c.s.listens, l)
	if c.s.status == 'I' {
		c.s.commit()
	}
}

func (c *caller) channels() {
	c.sees(`select c from pg_listening_channels() c order by c collate "C"`, slices.Sorted(maps.Keys(c.s.listening))...)
}

func (c *caller) notify() {
	c.w.notified++
	n := notice{c.channel(), fmt.Sprintf("%d from %d", c.w.notified, c.id)}
	if _, ok := c.must(fmt.Sprintf("select pg_notify('%s', '%s')", n.channel, n.payload)); !ok {
		return
	}
	c.s.notifies = append(c.s.notifies, n)
	if c.s.status == 'I' {
		c.w.deliver(c.s.commit())
	}
}
