package history_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// world is a number of clients of one server on one goroutine, so that each
// knows what the others have done before. Several of them run side by side, and
// share tables and sequences, but neither channels nor locks.
type world struct {
	t    testing.TB
	n    int // its number
	addr string
	rng  *rand.Rand
	// pins is how many clients may have what pins a backend at once. All worlds
	// together leave a backend to the others: nobody would wait for ever, but for
	// a client on the same goroutine.
	pins    int
	control *pgconn.PgConn // the test's own

	defaults map[string]string // of parameters, without startup parameters
	numbers  *sync.Map         // values of sequences, by sequence and value: the client's id

	open     []*caller
	locks    map[int64]int // session locks: the client's id
	rows     map[int]int   // what clients that have left have written
	shape    int           // which type its table's column has
	notified int
	steps    int
}

// reported are the parameters of the model that Postgres reports (GUC_REPORT).
var reported = []string{
	"application_name", "client_encoding", "DateStyle", "IntervalStyle", "TimeZone", "search_path", "session_authorization",
}

const sessionSchema = `
create role alice; create role bob; create role carol login;
alter role carol set work_mem = '3MB';
create schema a; create schema b; create schema c;
grant usage on schema a, b, c to public;
create table a.whereabouts as select 'a' as name;
create table b.whereabouts as select 'b' as name;
create table c.whereabouts as select 'c' as name;
create table public.whereabouts as select 'public' as name;
grant select on a.whereabouts, b.whereabouts, c.whereabouts, public.whereabouts to public;
create table public.own (client int);
create index on public.own (client);
grant select, insert on public.own to public;
create sequence public.plain; create sequence public.cached cache 5;
grant usage, select on sequence public.plain, public.cached to public`

// newWorld makes a world without clients.
func newWorld(t testing.TB, addr string, n, pins int, seed uint64, numbers *sync.Map) *world {
	w := &world{
		t: t, n: n, addr: addr, rng: rand.New(rand.NewPCG(seed, uint64(n))), pins: pins, numbers: numbers,
		defaults: map[string]string{}, locks: map[int64]int{}, rows: map[int]int{},
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	if w.control, err = pgconn.Connect(ctx, "postgres://postgres@"+addr+"/postgres?sslmode=disable"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.control.Close(context.Background()) })
	w.admin(fmt.Sprintf("create table public.shape%d as select 1 as x", n))
	w.admin(fmt.Sprintf("grant select on public.shape%d to public", n))
	for name := range values {
		if !strings.Contains(name, ".") {
			w.defaults[name] = w.admin("select current_setting('" + name + "')")[0]
		}
	}
	return w
}

// admin runs SQL for the test and gives its first column.
func (w *world) admin(sql string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all, err := w.control.Exec(ctx, sql).ReadAll()
	if err != nil {
		panic(failure{fmt.Errorf("%s: %w", sql, err)})
	}
	var out []string
	for _, row := range all[len(all)-1].Rows {
		out = append(out, string(row[0]))
	}
	return out
}

// run lets clients of these ids come and go, up to crowd of them at a time.
func (w *world) run(ids []int, crowd int) {
	for failures := 0; len(ids) > 0 || len(w.open) > 0; {
		var c *caller
		err := w.step(func() {
			if len(ids) > 0 && len(w.open) < crowd {
				id := ids[0]
				ids = ids[1:]
				w.open = append(w.open, w.connect(id))
				return
			}
			c = w.choose()
			if c.life--; c.life >= 0 {
				c.act()
				return
			}
			if c.s.status != 'E' && w.rng.IntN(2) == 0 {
				c.lookRound()
			}
			w.farewell(c)
		})
		if err == nil {
			continue
		}
		w.t.Errorf("world %d: %v", w.n, err)
		if c != nil {
			w.t.Logf("what it did:\n\t%s", strings.Join(c.trace, "\n\t"))
			w.forget(c)
		}
		if failures++; failures == 5 {
			w.t.Errorf("world %d: and so on", w.n)
			break
		}
	}
	for len(w.open) > 0 {
		w.forget(w.open[0])
	}
}

// step makes a failure of what it does an error.
func (w *world) step(do func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r
		default:
			panic(r)
		}
	}()
	w.steps++
	do()
	return nil
}

// room tells whether one more client may pin a backend.
func (w *world) room() bool { return len(w.pinned()) < w.pins }

func (w *world) pinned() (out []*caller) {
	for _, c := range w.open {
		if c.s.pinned() {
			out = append(out, c)
		}
	}
	return out
}

// choose gives the client to go on with: often one of the few that may keep a
// backend, lest they keep it for long.
func (w *world) choose() *caller {
	if few := w.pinned(); len(few) > 0 && w.rng.IntN(2) == 0 {
		return few[w.rng.IntN(len(few))]
	}
	return w.open[w.rng.IntN(len(w.open))]
}

// deliver brings what a transaction has notified to those who listen. Those in
// a transaction hear of it later.
func (w *world) deliver(sent []notice) {
	if len(sent) == 0 {
		return
	}
	for _, c := range w.open {
		if len(c.s.listening) == 0 {
			continue
		}
		c.s.queue = append(c.s.queue, sent...)
		if c.s.status == 'I' {
			c.hear()
		}
	}
}

// farewell lets a client leave, and waits until its locks are free.
func (w *world) farewell(c *caller) {
	if len(c.s.before) > 0 {
		c.s.rollback()
	}
	if c.s.rows > 0 {
		w.rows[c.id] = c.s.rows
	}
	c.leave()
	w.release(c)
	w.forget(c)
}

// release waits for the end of a client's locks.
func (w *world) release(c *caller) {
	var keys []string
	for key := range c.s.advisory {
		keys = append(keys, strconv.FormatInt(key, 10))
	}
	c.unlockAll()
	if len(keys) == 0 {
		return
	}
	held := "select objid from pg_locks where locktype = 'advisory' and objid in (" + strings.Join(keys, ", ") + ")"
	for deadline := time.Now().Add(patience); len(w.admin(held)) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			c.fail("has left, and still holds %v", keys)
		}
	}
}

// forget drops a client.
func (w *world) forget(c *caller) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = c.conn.Close(ctx)
	c.unlockAll()
	w.open = slices.DeleteFunc(w.open, func(x *caller) bool { return x == c })
}

// audit compares what clients have written with what is there.
func audit(t testing.TB, worlds []*world) {
	t.Helper()
	want := map[int]int{}
	for _, w := range worlds {
		maps.Copy(want, w.rows)
	}
	got := map[int]int{}
	for _, line := range worlds[0].admin("select client || ' ' || count(*) from own group by client") {
		var id, n int
		if _, err := fmt.Sscan(line, &id, &n); err != nil {
			t.Fatal(err)
		}
		got[id] = n
	}
	if !maps.Equal(got, want) {
		t.Errorf("%d clients have written, want %d", len(got), len(want))
		for id := range want {
			if got[id] != want[id] {
				t.Errorf("client %d has %d rows, want %d", id, got[id], want[id])
			}
		}
	}
}
