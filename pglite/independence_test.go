package pglite_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// TestIndependence runs random programs over clones, clones of clones, and their
// marks, against a model of each: no clone sees what another does, crashes and
// returns to marks included. In the end amcheck looks at all that are left.
func TestIndependence(t *testing.T) {
	c := openCluster(t, manyBackends)
	conn := connect(t, c, nil)
	exec(t, conn, `create extension amcheck; create sequence s; create table t (id serial primary key, v text); create index on t (v);
		insert into t (v) select 'base ' || i from generate_series(1, 50) i; analyze t`)
	exec(t, conn, "select pg_stat_force_next_flush()")
	origin := state{rows: map[int]string{}, nextID: 51, nextS: 1, analyzed: 50, inserted: 50}
	for id := 1; id <= 50; id++ {
		origin.rows[id] = fmt.Sprint("base ", id)
	}
	conn.Close(t.Context())
	image, err := c.Freeze(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeImage(t, image)
	if err := flag.Set("rapid.checks", strconv.Itoa(need.Choose(8, 500))); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		w := &world{ctx: ctx, rt: rt, image: image, origin: origin}
		defer w.close()
		w.open()
		rt.Repeat(map[string]func(*rapid.T){
			"open":      func(*rapid.T) { w.open() },
			"fork":      w.on((*clone).fork),
			"drop":      w.on((*clone).drop),
			"insert":    w.on((*clone).insert),
			"update":    w.on((*clone).update),
			"delete":    w.on((*clone).delete),
			"nextval":   w.on((*clone).nextval),
			"analyze":   w.on((*clone).analyze),
			"sort":      w.on((*clone).sort),
			"unsort":    w.on((*clone).unsort),
			"extension": w.on((*clone).toggle),
			"abandon":   w.on((*clone).abandon),
			"crash":     w.on((*clone).crash),
			"mark":      w.on((*clone).mark),
			"rewind":    w.on((*clone).rewind),
			"":          func(*rapid.T) { w.check() },
		})
		for _, c := range w.clones {
			c.unsort()
			c.exec(`select bt_index_check(i.indexrelid, true) from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam where a.amname = 'btree'`)
			if bad := c.value("select count(*) from verify_heapam('t')"); bad != "0" {
				rt.Fatalf("clone %d: verify_heapam finds %s defects", c.n, bad)
			}
		}
	})
}

// state is what a clone should have.
type state struct {
	rows      map[int]string
	nextID    int // of t's serial
	nextS     int // of s
	slack     int // a crash may have skipped so many values of either (SEQ_LOG_VALS, src/backend/commands/sequence.c)
	analyzed  int // reltuples of t
	inserted  int // what the cumulative statistics have of t
	extension bool
}

func (s state) clone() state {
	s.rows = maps.Clone(s.rows)
	return s
}

// crashed is s after a recovery.
func (s state) crashed() state {
	s = s.clone()
	s.slack, s.inserted = 32, 0
	return s
}

type world struct {
	ctx    context.Context
	rt     *rapid.T
	image  *pglite.Image
	origin state
	clones []*clone
	opened int
}

// clone is a cluster with a client; sorter holds temporary files open while it is
// not nil.
type clone struct {
	state
	w       *world
	n       int
	cluster *pglite.Cluster
	conn    *pgx.Conn
	sorter  *pgx.Conn
	marks   map[string]state
}

const maxClones = 4

func (w *world) options() pglite.Options {
	return pglite.Options{MaxBackends: 16, NoHousekeeping: true}
}

// open adds a clone of the image.
func (w *world) open() {
	if len(w.clones) < maxClones {
		w.add(w.image, w.origin.clone())
	}
}

func (w *world) add(i *pglite.Image, s state) {
	cluster, err := i.Open(w.ctx, w.options())
	w.must(err)
	w.opened++
	c := &clone{state: s, w: w, n: w.opened, cluster: cluster, marks: map[string]state{}}
	w.clones = append(w.clones, c)
	c.conn = c.connect()
}

// on runs an action on one of the clones.
func (w *world) on(do func(*clone)) func(*rapid.T) {
	return func(rt *rapid.T) {
		do(w.clones[rapid.IntRange(0, len(w.clones)-1).Draw(rt, "clone")])
	}
}

func (w *world) must(err error) {
	if err != nil {
		w.rt.Helper()
		w.rt.Fatal(err)
	}
}

func (w *world) close() {
	for _, c := range w.clones {
		c.end()
	}
}

// check compares every clone with its model.
func (w *world) check() {
	for _, c := range w.clones {
		var want []string
		for _, id := range slices.Sorted(maps.Keys(c.rows)) {
			want = append(want, fmt.Sprint(id, "=", c.rows[id]))
		}
		files := "f"
		if c.sorter != nil {
			files = "t"
		}
		got := c.value(`select concat_ws('|', string_agg(id || '=' || v, ',' order by id),
			(select pg_stat_get_tuples_inserted('t'::regclass)), (select reltuples from pg_class where oid = 't'::regclass), (select count(*) from pg_extension where extname = 'hstore'),
			(select count(*) > 0 from pg_ls_tmpdir()), (select count(*) from pg_class where relpersistence = 't' and relkind = 'r')) from t`)
		all := []string{strings.Join(want, ","), fmt.Sprint(c.inserted), fmt.Sprint(c.analyzed), map[bool]string{true: "1", false: "0"}[c.extension], files, "0"}
		if len(want) == 0 {
			all = all[1:] // concat_ws leaves null out
		}
		if want := strings.Join(all, "|"); got != want {
			w.rt.Fatalf("clone %d has\n%s, not\n%s", c.n, got, want)
		}
	}
}

func (c *clone) connect() *pgx.Conn {
	config, err := driver.ConnConfig(c.cluster)
	c.w.must(err)
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(c.w.ctx, config)
	c.w.must(err)
	return conn
}

func (c *clone) exec(sql string) {
	_, err := c.conn.Exec(c.w.ctx, sql)
	c.w.must(err)
}

func (c *clone) value(sql string) (v string) {
	r, err := c.conn.PgConn().Exec(c.w.ctx, sql).ReadAll()
	c.w.must(err)
	return string(r[len(r)-1].Rows[0][0])
}

// number draws one up to n.
func (c *clone) number(what string, n int) int { return rapid.IntRange(1, n).Draw(c.w.rt, what) }

func (c *clone) insert() {
	v := fmt.Sprint("clone ", c.n, " ", c.number("value", 1000))
	var id int
	c.w.must(c.conn.QueryRow(c.w.ctx, "insert into t (v) values ($1) returning id", v).Scan(&id))
	c.exec("select pg_stat_force_next_flush()") // at the end of this message
	c.rows[id] = v
	c.inserted++
	c.drawn("t_id_seq", id, &c.nextID)
}

func (c *clone) nextval() {
	var v int
	c.w.must(c.conn.QueryRow(c.w.ctx, "select nextval('s')").Scan(&v))
	c.drawn("s", v, &c.nextS)
}

// drawn looks at a value of a sequence.
func (c *clone) drawn(name string, v int, next *int) {
	if v < *next || v > *next+c.slack {
		c.w.rt.Fatalf("clone %d: %s gives %d, not %d to %d", c.n, name, v, *next, *next+c.slack)
	}
	*next = v + 1
}

func (c *clone) update() {
	id, v := c.number("id", 60), fmt.Sprint("clone ", c.n, " changed ", c.number("value", 1000))
	c.exec(fmt.Sprintf("update t set v = '%s' where id = %d", v, id))
	if _, ok := c.rows[id]; ok {
		c.rows[id] = v
	}
}

func (c *clone) delete() {
	id := c.number("id", 60)
	c.exec(fmt.Sprint("delete from t where id = ", id))
	delete(c.rows, id)
}

func (c *clone) analyze() {
	c.exec("analyze t")
	c.analyzed = len(c.rows)
}

// sort leaves a sort's temporary files open.
func (c *clone) sort() {
	if c.sorter != nil {
		return
	}
	c.sorter = c.connect()
	_, err := c.sorter.Exec(c.w.ctx, "set work_mem = '64kB'; begin; declare x cursor for select repeat('x', 50) || i from generate_series(1, 5000) i order by 1; fetch x")
	c.w.must(err)
}

func (c *clone) unsort() {
	if c.sorter != nil {
		c.w.must(c.sorter.Close(c.w.ctx))
		c.sorter = nil
	}
}

// toggle makes an extension or drops it.
func (c *clone) toggle() {
	c.exec(map[bool]string{true: "drop extension hstore", false: "create extension hstore"}[c.extension])
	c.extension = !c.extension
}

// abandon leaves a temporary table with a transaction that never ends.
func (c *clone) abandon() {
	conn := c.connect()
	_, err := conn.Exec(c.w.ctx, "begin; create temp table mine as select * from t; delete from t")
	c.w.must(err)
	c.w.must(conn.Close(c.w.ctx))
}

// crash has a backend trap.
func (c *clone) crash() {
	c.w.must(pglite.TrapNext(c.cluster, c.conn.PgConn().PID()))
	if _, err := c.conn.Exec(c.w.ctx, "select 1"); err == nil {
		c.w.rt.Fatal("the backend has not crashed")
	}
	c.again(c.crashed())
}

// again connects after all sessions have ended.
func (c *clone) again(s state) {
	for _, conn := range []*pgx.Conn{c.conn, c.sorter} {
		if conn != nil {
			_ = conn.Close(c.w.ctx)
		}
	}
	c.sorter, c.state = nil, s
	c.conn = c.connect()
}

func (c *clone) fork() {
	if len(c.w.clones) == maxClones {
		return
	}
	i, err := c.cluster.Fork(c.w.ctx)
	c.w.must(err)
	defer i.Close()
	c.w.add(i, c.crashed())
}

func (c *clone) drop() {
	if len(c.w.clones) > 1 {
		c.w.clones = slices.DeleteFunc(c.w.clones, func(x *clone) bool { return x == c })
		c.end()
	}
}

func (c *clone) end() {
	for _, conn := range []*pgx.Conn{c.conn, c.sorter} {
		if conn != nil {
			_ = conn.Close(context.Background())
		}
	}
	if err := c.cluster.Close(context.Background()); err != nil {
		c.w.rt.Error(err)
	}
}

func (c *clone) mark() {
	name := fmt.Sprint("m", c.number("mark", 3))
	if _, ok := c.marks[name]; ok {
		c.w.must(c.cluster.Unmark(name))
	}
	c.w.must(c.cluster.Mark(c.w.ctx, name))
	c.marks[name] = c.crashed()
}

func (c *clone) rewind() {
	name := fmt.Sprint("m", c.number("mark", 3))
	s, ok := c.marks[name]
	if !ok {
		return
	}
	c.w.must(c.cluster.Rewind(c.w.ctx, name))
	c.again(s.clone())
}
