package history_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// values are what clients set parameters to, as Postgres shows them.
var values = map[string][]string{
	"work_mem":            {"5MB", "6MB", "7MB"},
	"application_name":    {"x", "it's", `a\b`, ""},
	"TimeZone":            {"Europe/Berlin", "America/New_York"},
	"DateStyle":           {"SQL, DMY", "German, DMY"},
	"IntervalStyle":       {"iso_8601", "sql_standard"},
	"search_path":         {"a", "b", "c, a", `"$user", public`},
	"extra_float_digits":  {"0", "3"},
	"client_encoding":     {"SQL_ASCII", "UTF8"},
	"client_min_messages": {"warning", "error"},
	"bytea_output":        {"escape"},
	"enable_seqscan":      {"off"},
	"lock_timeout":        {"50s"},
	"app.tenant":          {"blue", "green", "o'hara"},
	"app.secret":          {"hush"},
}

// habits are what a client does, with how often. What pins a backend is done
// only while there is room for that.
var habits = []struct {
	weight int
	pins   bool
	may    func(*caller) bool
	do     func(*caller)
}{
	{weight: 10, do: (*caller).set},
	{weight: 3, do: (*caller).reset},
	{weight: 8, do: (*caller).show},
	{weight: 3, do: (*caller).whoAmI},
	{weight: 2, do: (*caller).setRole, may: (*caller).isSuper},
	{weight: 1, do: (*caller).setAuthorization, may: (*caller).isSuper},
	{weight: 5, do: (*caller).prepare},
	{weight: 8, do: (*caller).execute},
	{weight: 2, do: (*caller).deallocate},
	{weight: 3, do: (*caller).sequence},
	{weight: 2, do: (*caller).currval},
	{weight: 2, do: (*caller).gamble},
	{weight: 8, do: (*caller).transaction, pins: true},
	{weight: 3, do: (*caller).write},
	{weight: 2, do: (*caller).whereAmI},
	{weight: 1, do: (*caller).blunder},
	{weight: 1, do: (*caller).discard},
	{weight: 3, do: (*caller).prepareSQL, pins: true, may: func(c *caller) bool { return c.habit.sqlNames }},
	{weight: 6, do: (*caller).temp, pins: true, may: func(c *caller) bool { return c.habit.temps }},
	{weight: 2, do: (*caller).strangeTemp},
	{weight: 4, do: (*caller).lock, pins: true, may: func(c *caller) bool { return c.habit.locks }},
	{weight: 4, do: (*caller).cursor, pins: true, may: func(c *caller) bool { return c.habit.cursors }},
	{weight: 1, do: (*caller).strangeCursor},
	{weight: 4, do: (*caller).subscribe, pins: true, may: func(c *caller) bool { return c.habit.listens }},
	{weight: 2, do: (*caller).notify},
	{weight: 1, do: (*caller).cancelled},
	{weight: 2, do: (*caller).seen},
	{weight: 1, do: (*caller).reshape},
}

func (c *caller) isSuper() bool { return c.habit.user == "postgres" }

// act does one thing and looks at what the protocol says.
func (c *caller) act() {
	if c.s.status == 'E' && c.rng.IntN(3) == 0 {
		c.transaction()
		c.settle()
		return
	}
	room := c.s.pinned() || c.w.room()
	total := 0
	var open []int
	for k, h := range habits {
		if (room || !h.pins) && (h.may == nil || h.may(c)) {
			open, total = append(open, k), total+h.weight
		}
	}
	p := c.rng.IntN(total)
	for _, k := range open {
		if p -= habits[k].weight; p < 0 {
			habits[k].do(c)
			break
		}
	}
	c.settle()
}

// settle looks at what has come of itself.
func (c *caller) settle() {
	c.checkStatus()
	if c.s.status == 'I' {
		c.hear()
	}
}

// lookRound looks at all that a session has, by what names it may.
func (c *caller) lookRound() {
	for _, look := range [...]func(*caller){
		(*caller).showAll, (*caller).whoAmI, (*caller).names, (*caller).strangeTemp,
		(*caller).strangeCursor, (*caller).locked, (*caller).channels, (*caller).whereAmI, (*caller).seen,
	} {
		look(c)
	}
	c.checkStatus()
}

func literal(s string) string {
	if strings.Contains(s, `\`) {
		return "E'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(s) + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// pick chooses among names, in a repeatable way.
func pick[V any](c *caller, m map[string]V) string {
	names := slices.Sorted(maps.Keys(m))
	return names[c.rng.IntN(len(names))]
}

func (c *caller) set() {
	name := pick(c, values)
	v := values[name][c.rng.IntN(len(values[name]))]
	local := c.rng.IntN(4) == 0
	if _, ok := c.must(fmt.Sprintf("select set_config('%s', %s, %v)", name, literal(v), local)); ok {
		c.s.set(name, v, local)
	}
}

func (c *caller) reset() {
	if c.rng.IntN(3) == 0 {
		if _, ok := c.must("reset all"); ok {
			c.s.resetAll()
		}
		return
	}
	name := pick(c, values)
	if !c.s.customs[name] && strings.Contains(name, ".") {
		return // what RESET says of a name that nobody knows is not the point
	}
	if _, ok := c.must("reset " + name); ok {
		c.s.reset(name)
	}
}

// setting is a parameter as current_setting shows it.
func (c *caller) setting(name string) string {
	if strings.Contains(name, ".") && !c.s.customs[name] {
		return "∅"
	}
	return c.s.settings[name].now()
}

func (c *caller) show() {
	name := pick(c, values)
	c.sees("select current_setting('"+name+"', true)", c.setting(name))
}

// showAll looks at every parameter.
func (c *caller) showAll() {
	var sql, want []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		sql, want = append(sql, "current_setting('"+name+"', true)"), append(want, c.setting(name))
	}
	c.sees("select "+strings.Join(sql, ", "), strings.Join(want, "|"))
}

func (c *caller) whoAmI() {
	c.sees("select current_user, session_user, pg_backend_pid(), current_setting('role')",
		fmt.Sprintf("%s|%s|%d|%s", c.s.currentUser(), c.s.sessionUser(), c.conn.PID(), c.s.settings["role"].now()))
}

func (c *caller) setRole() {
	if c.s.sessionUser() != "postgres" {
		return
	}
	role := [...]string{"alice", "bob", "none"}[c.rng.IntN(3)]
	local := c.rng.IntN(3) == 0
	word := "set role "
	if local {
		word = "set local role "
	}
	if _, ok := c.must(word + role); ok {
		c.s.set("role", role, local)
	}
}

func (c *caller) setAuthorization() {
	if c.s.status != 'I' || c.s.currentUser() != c.s.sessionUser() {
		return
	}
	to := "alice"
	if c.s.sessionUser() == "alice" {
		to = "postgres"
	}
	if _, ok := c.must("set session authorization " + to); ok {
		c.s.set("session_authorization", to, false)
	}
}

// place is what a table says that is found by the search path.
func (c *caller) place() string {
	path := strings.TrimSpace(strings.Split(c.s.settings["search_path"].now(), ",")[0])
	if path == `"$user"` {
		path = "public"
	}
	return path
}

func (c *caller) whereAmI() { c.sees("select name from whereabouts", c.place()) }

func (c *caller) sequence() {
	name := [...]string{"plain", "cached"}[c.rng.IntN(2)]
	a, ok := c.must("select nextval('public." + name + "')")
	if !ok {
		return
	}
	n, err := strconv.ParseInt(a.rows[0][0], 10, 64)
	if err != nil {
		c.fail("nextval: %v", err)
	}
	if who, taken := c.w.numbers.LoadOrStore(name+a.rows[0][0], c.id); taken {
		c.fail("nextval of %s gives %d, which client %v has", name, n, who)
	}
	c.s.sequences[name], c.s.lastSeq = n, name
}

func (c *caller) currval() {
	name := [...]string{"plain", "cached"}[c.rng.IntN(2)]
	sql, n, ok := "select currval('public."+name+"')", int64(0), false
	if c.rng.IntN(2) == 0 {
		sql, name = "select lastval()", c.s.lastSeq
	}
	if n, ok = c.s.sequences[name]; !ok {
		c.refused(sql, "55000")
		return
	}
	c.sees(sql, strconv.FormatInt(n, 10))
}

// gamble chooses a seed, or looks what comes of it.
func (c *caller) gamble() {
	switch seed := float64(c.rng.IntN(9)-4) / 8; {
	case c.rng.IntN(3) == 0:
		if _, ok := c.must(fmt.Sprintf("select setseed(%v)", seed)); ok {
			c.s.setSeed(seed)
		}
	case c.s.random == nil:
		c.must("select random()")
	case c.s.status == 'E':
		c.refused("select random()", "25P02")
	default:
		c.sees("select (random() * 1e15)::int8", strconv.FormatInt(int64(math.RoundToEven(c.s.nextRandom()*1e15)), 10))
	}
}

func (c *caller) transaction() {
	switch c.s.status {
	case 'I':
		c.do("begin")
		c.s.begin()
		return
	case 'E':
		if len(c.s.before) > 1 && c.rng.IntN(2) == 0 {
			c.do("rollback to savepoint s")
			c.s.rollbackTo()
			return
		}
	default:
		if n := c.rng.IntN(6); n == 0 || n == 1 && len(c.s.before) == 1 {
			c.do("savepoint s")
			c.s.savepoint()
			return
		} else if n == 1 {
			c.do("release savepoint s")
			c.s.release()
			return
		} else if n == 2 && len(c.s.before) > 1 {
			c.do("rollback to savepoint s")
			c.s.rollbackTo()
			return
		}
	}
	if c.rng.IntN(3) == 0 {
		c.expect("rollback", c.do("rollback").tag, "ROLLBACK")
		c.s.rollback()
		return
	}
	want := "COMMIT"
	if c.s.status == 'E' {
		want = "ROLLBACK"
	}
	c.expect("commit", c.do("commit").tag, want)
	c.w.deliver(c.s.commit())
}

// write changes a table that all share, in rows of its own.
func (c *caller) write() {
	if _, ok := c.must(fmt.Sprintf("insert into public.own values (%d)", c.id)); ok {
		c.s.rows++
		c.sees(fmt.Sprintf("select count(*) from public.own where client = %d", c.id), strconv.Itoa(c.s.rows))
	}
}

// blunder is a statement that fails.
func (c *caller) blunder() {
	switch c.rng.IntN(3) {
	case 0:
		c.refused("select 1/0", "22012")
	case 1:
		// Postgres parses before it looks at the transaction.
		a := c.do("selec")
		if c.s.status == 'T' {
			c.s.fail()
		}
		c.expect("selec", a.code, "42601")
	default:
		c.refused("do $$ begin raise exception 'no' using errcode = 'P1234'; end $$", "P1234")
	}
}

func (c *caller) discard() {
	switch n := c.rng.IntN(6); {
	case n > 2 && c.s.status == 'I':
		c.must("discard all")
		c.unlockAll()
		c.s.discardAll()
	case n > 2:
		c.refused("discard all", "25001")
	case n == 0:
		if _, ok := c.must("discard sequences"); ok {
			c.s.discardSequences()
		}
	case n == 1:
		c.must("discard plans")
	case c.ownsTemps():
		if _, ok := c.must("discard temp"); ok {
			clear(c.s.temps)
		}
	}
}

// cancelled is a client whose statement somebody wants to cancel, while there is
// none.
func (c *caller) cancelled() {
	sent := c.w.admin(fmt.Sprintf("select pg_cancel_backend(%d)", c.conn.PID()))[0]
	c.note("pg_cancel_backend → %s", sent)
	if sent != "t" {
		c.fail("nobody can cancel it")
	}
}

// seen is what others see of it, with a backend or without.
func (c *caller) seen() {
	state := map[byte]string{'I': "idle", 'T': "idle in transaction", 'E': "idle in transaction (aborted)"}[c.s.status]
	want := fmt.Sprintf("%s|%s|%s|t", c.habit.user, c.s.settings["application_name"].now(), state)
	sql := fmt.Sprintf(`select concat_ws('|', usename, application_name, state,
		state_change between backend_start and clock_timestamp()) from pg_stat_activity where pid = %d`, c.conn.PID())
	c.expect("pg_stat_activity", strings.Join(c.w.admin(sql), "; "), want)
	if c.asked != "" {
		sql = fmt.Sprintf("select query from pg_stat_activity where pid = %d", c.conn.PID())
		c.expect("its query", strings.Join(c.w.admin(sql), "; "), c.asked)
	}
}
