package history_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// caller is a client with its model. It is one of many on the goroutine of its
// world.
type caller struct {
	w     *world
	rng   *rand.Rand // the world's
	id    int
	conn  *pgconn.PgConn
	s     *session
	habit habit
	life  int // what it has yet to do
	trace []string
	heard []string // notifications that have come and are not yet accounted for
	asked string   // its last statement, "" when that is not of do
}

// habit is what kind of client it is. Few have those that cost a backend of
// their own.
type habit struct {
	user                                     string
	temps, listens, cursors, locks, sqlNames bool
}

// failure is an observation that the model does not have.
type failure struct{ error }

func (c *caller) fail(format string, args ...any) {
	panic(failure{fmt.Errorf("client %d: %s", c.id, fmt.Sprintf(format, args...))})
}

func (c *caller) note(format string, args ...any) {
	c.trace = append(c.trace, fmt.Sprintf(format, args...))
}

// startups are parameters that a client may connect with.
var startups = []map[string]string{
	{}, {}, {"application_name": "app one"}, {"application_name": "it's two", "TimeZone": "Asia/Tokyo"},
	{"search_path": "b, a", "work_mem": "9MB"}, {"options": "-c extra_float_digits=2 -c app.tenant=zero"},
}

// connect makes a client.
func (w *world) connect(id int) *caller {
	c := &caller{w: w, rng: w.rng, id: id, life: 4 + w.rng.IntN(16)}
	c.habit = habit{
		user: "postgres", temps: c.rng.IntN(40) == 0, listens: c.rng.IntN(12) == 0, cursors: c.rng.IntN(12) == 0,
		locks: c.rng.IntN(8) == 0, sqlNames: c.rng.IntN(12) == 0,
	}
	if c.rng.IntN(200) == 0 { // her backends are of no use to others
		c.habit.user = "carol"
	}
	asked := startups[c.rng.IntN(len(startups))]
	cfg, err := pgconn.ParseConfig("postgres://" + c.habit.user + "@" + w.addr + "/postgres?sslmode=disable")
	if err != nil {
		c.fail("%v", err)
	}
	cfg.RuntimeParams = maps.Clone(asked)
	cfg.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) {
		c.heard = append(c.heard, n.Channel+" "+n.Payload)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c.note("connect as %s with %v", c.habit.user, asked)
	if c.conn, err = pgconn.ConnectConfig(ctx, cfg); err != nil {
		c.fail("connect: %v", err)
	}
	start := maps.Clone(w.defaults)
	start["session_authorization"], start["role"] = c.habit.user, "none"
	if c.habit.user == "carol" {
		start["work_mem"] = "3MB"
	}
	c.s = newSession(start)
	for name, v := range asked {
		if name == "options" {
			start["extra_float_digits"], start["app.tenant"] = "2", "zero"
			c.s.customs["app.tenant"] = true
			c.s.settings["extra_float_digits"], c.s.settings["app.tenant"] = setting{value: "2"}, setting{value: "zero"}
			continue
		}
		start[name] = v
		c.s.settings[name] = setting{value: v}
	}
	return c
}

// answer is what a statement gave.
type answer struct {
	rows [][]string // NULL is "∅"
	code string     // SQLSTATE
	tag  string
}

func (a answer) String() string {
	if a.code != "" {
		return a.code
	}
	return fmt.Sprint(a.tag, a.rows)
}

// do runs a statement by one of the two protocols.
func (c *caller) do(sql string) answer {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var a answer
	var err error
	if c.rng.IntN(2) == 0 {
		var all []*pgconn.Result
		all, err = c.conn.Exec(ctx, sql).ReadAll()
		if len(all) > 0 {
			a.rows, a.tag = texts(all[len(all)-1].Rows), all[len(all)-1].CommandTag.String()
		}
	} else {
		r := c.conn.ExecParams(ctx, sql, nil, nil, nil, nil).Read()
		a.rows, a.tag, err = texts(r.Rows), r.CommandTag.String(), r.Err
	}
	a = c.got(sql, a, err)
	c.asked = sql
	return a
}

func (c *caller) got(what string, a answer, err error) answer {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		a.code = e.Code
	}
	c.note("%s → %v", what, a)
	c.asked = ""
	if err != nil && a.code == "" {
		c.fail("%s: %v", what, err)
	}
	return a
}

func texts(rows [][][]byte) [][]string {
	out := make([][]string, len(rows))
	for i, r := range rows {
		for _, v := range r {
			t := "∅"
			if v != nil {
				t = string(v)
			}
			out[i] = append(out[i], t)
		}
	}
	return out
}

// must runs a statement that succeeds, if the transaction has not failed, and
// tells whether it did.
func (c *caller) must(sql string) (answer, bool) {
	a := c.do(sql)
	if c.s.status == 'E' {
		c.expect(sql, a.code, "25P02")
		return a, false
	}
	if a.code != "" {
		c.fail("%s gives %s", sql, a.code)
	}
	return a, true
}

// refused runs a statement that fails, and so does its transaction.
func (c *caller) refused(sql, code string) {
	a := c.do(sql)
	c.failed(sql, a, code)
}

func (c *caller) failed(what string, a answer, code string) {
	switch c.s.status {
	case 'E':
		code = "25P02"
	case 'T':
		c.s.fail()
	}
	c.expect(what, a.code, code)
}

func (c *caller) expect(what, got, want string) {
	if got != want {
		c.fail("%s gives %q, want %q", what, got, want)
	}
}

// sees runs a query that gives some rows, whose columns are joined by a bar.
func (c *caller) sees(sql string, want ...string) { c.yields(sql, want...) }

// yields is sees, and tells whether the query could be run.
func (c *caller) yields(sql string, want ...string) bool {
	a, ok := c.must(sql)
	if !ok {
		return false
	}
	var got []string
	for _, r := range a.rows {
		got = append(got, strings.Join(r, "|"))
	}
	if !slices.Equal(got, want) {
		c.fail("%s gives %q, want %q", sql, got, want)
	}
	return true
}

// checkStatus compares what the protocol says of the session.
func (c *caller) checkStatus() {
	if got := c.conn.TxStatus(); got != c.s.status {
		c.fail("the transaction's status is %c, want %c", got, c.s.status)
	}
	for _, name := range reported {
		if got, want := c.conn.ParameterStatus(name), c.s.settings[name].now(); got != want {
			c.fail("the client was told that %s is %q, want %q", name, got, want)
		}
	}
}

// hear waits for the notifications that are due between two transactions, and
// takes no others.
func (c *caller) hear() {
	var due []string
	for _, n := range c.s.queue {
		if c.s.listening[n.channel] {
			due = append(due, n.channel+" "+n.payload)
		}
	}
	for deadline := time.Now().Add(patience); len(c.heard) < len(due); {
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		err := c.conn.WaitForNotification(ctx)
		cancel()
		if err != nil {
			c.fail("waits for notifications: %v; has %q, want %q", err, c.heard, due)
		}
	}
	if !slices.Equal(c.heard, due) {
		c.fail("has heard %q, want %q", c.heard, due)
	}
	c.heard, c.s.queue = nil, nil
}

// leave ends a client in one of the ways that clients have, whatever it is in
// the middle of.
func (c *caller) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	how := c.rng.IntN(6)
	c.note("leave, way %d", how)
	switch how {
	case 0: // without a word
		_ = c.conn.Conn().Close()
	case 1: // with a statement under way
		c.conn.Frontend().SendQuery(&pgproto3.Query{String: "set app.tenant = 'gone'; set timezone = 'Asia/Tokyo'; select pg_sleep(random() / 10)"})
		_ = c.conn.Frontend().Flush()
		_ = c.conn.Conn().Close()
	case 2: // in the middle of a batch, which nobody has asked to commit
		if c.s.status != 'I' {
			break
		}
		f := c.conn.Frontend()
		f.SendParse(&pgproto3.Parse{Query: fmt.Sprintf("insert into public.own values (%d)", c.id)})
		f.SendBind(&pgproto3.Bind{})
		f.SendExecute(&pgproto3.Execute{})
		f.Send(&pgproto3.Flush{})
		_ = f.Flush()
		if c.rng.IntN(2) == 0 {
			_, _ = c.conn.ReceiveMessage(ctx) // wait for it
		}
		_ = c.conn.Conn().Close()
	case 3: // against its will
		sent := c.w.admin(fmt.Sprintf("select pg_terminate_backend(%d)", c.conn.PID()))[0]
		if sent != "t" {
			c.fail("nobody can terminate it")
		}
		_, err := c.conn.Exec(ctx, "select 1").ReadAll()
		if code := sqlState(err); code != "57P01" && code != "" {
			c.fail("its end is %v", err)
		} else if err == nil {
			c.fail("goes on after pg_terminate_backend")
		}
	}
	_ = c.conn.Close(ctx)
}
