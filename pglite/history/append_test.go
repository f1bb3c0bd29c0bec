package history_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/history/internal/elle"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// quickDeadlocks makes those who wait for each other find out soon: clients do
// not take locks in any order.
var quickDeadlocks = pglite.Setting{Name: "deadlock_timeout", Value: "20ms"}

// appends is the list-append workload: clients share a few lists, of which a
// new one takes the place of one that has become long.
type appends struct {
	f     *fleet
	level elle.Level
	seed  uint64
	next  atomic.Int64 // elements so far
	lists atomic.Int64 // appends meant for any list, which names those in use
}

const (
	listsInUse  = 6
	listLength  = 40 // mean length at the end
	listsSchema = `create table lists (k int primary key, tag text not null, v int[] not null)`
)

// key is one of the lists in use.
func (w *appends) key(rng *rand.Rand) elle.Key {
	n := int(w.lists.Load())
	slot := rng.IntN(listsInUse)
	// Slots move on one after the other, not all at once.
	return elle.Key((n+slot*listLength)/(listsInUse*listLength)*listsInUse + slot)
}

// row is a list as a query gives it.
type row struct {
	K int
	V []int32
}

func (r row) elements() []elle.Element {
	out := make([]elle.Element, len(r.V))
	for n, e := range r.V {
		out[n] = elle.Element(e)
	}
	return out
}

// transaction is one in the making.
type transaction struct {
	elle.Txn
	m   *member
	w   *appends
	rng *rand.Rand
	// undone are appends that were rolled back to a savepoint: an aborted
	// transaction within one that may commit.
	undone elle.Txn
}

// run makes one transaction and says what has become of it. The error is one
// of the test, not of the transaction.
func (w *appends) run(m *member, rng *rand.Rand) ([]elle.Txn, error) {
	if err := m.ready(); err != nil {
		return nil, err
	}
	x := &transaction{m: m, w: w, rng: rng}
	x.Client, x.Start = m.id, w.f.now()
	x.undone.Client, x.undone.Outcome = m.id, elle.Aborted
	x.Outcome, _ = m.transact(string(w.level), x.attempt) // whatever the error is
	x.End = w.f.now()
	w.f.finished()
	if len(x.undone.Ops) > 0 {
		return []elle.Txn{x.Txn, x.undone}, nil
	}
	return []elle.Txn{x.Txn}, nil
}

func (x *transaction) attempt() error {
	for range 1 + x.rng.IntN(4) {
		var err error
		switch x.rng.IntN(10) {
		case 0, 1, 2, 3:
			err = x.append(&x.Txn)
		case 4:
			err = x.appendInVain()
		case 5:
			err = x.readSeveral()
		default:
			err = x.read()
		}
		if err != nil {
			return err
		}
	}
	if x.rng.IntN(16) == 0 {
		return errNotThisTime
	}
	return nil
}

// append appends by an upsert, or by an update that falls back on an insert.
func (x *transaction) append(to *elle.Txn) error {
	k, e := x.w.key(x.rng), elle.Element(x.w.next.Add(1))
	x.w.lists.Add(1)
	to.Ops = append(to.Ops, elle.Append(k, e)) // before it is sent: it may be done and not be answered
	if x.rng.IntN(2) == 0 {
		_, err := x.m.exec(`insert into lists values ($1, 'k' || $1::int, array[$2::int])
			on conflict (k) do update set v = lists.v || excluded.v`, int(k), int(e))
		return err
	}
	tag, err := x.m.exec("update lists set v = v || $2::int where k = $1", int(k), int(e))
	if err != nil || tag.RowsAffected() == 1 {
		return err
	}
	_, err = x.m.exec("insert into lists values ($1, 'k' || $1::int, array[$2::int])", int(k), int(e))
	return err
}

// appendInVain takes back what it appends.
func (x *transaction) appendInVain() error {
	if _, err := x.m.exec("savepoint vain"); err != nil {
		return err
	}
	if err := x.append(&x.undone); err != nil {
		return err
	}
	_, err := x.m.exec("rollback to savepoint vain")
	return err
}

// read reads one list, in one of the ways there are to find it.
func (x *transaction) read() error {
	k := x.w.key(x.rng)
	ways := [...]string{
		"select k, v from lists where k = $1",
		"select k, v from lists where tag = 'k' || $1::int", // no index: a lock on the table
		"select k, v from lists where k between $1 and $1 + 0",
		"select k, v from lists where k = $1 for update",
	}
	rows, err := query(x.m, pgx.RowToStructByPos[row], ways[x.rng.IntN(len(ways))], int(k))
	if err != nil {
		return err
	}
	return x.saw([]elle.Key{k}, rows)
}

// readSeveral reads some lists by one statement.
func (x *transaction) readSeveral() error {
	var keys []elle.Key
	var asked []int32
	for range 1 + x.rng.IntN(3) {
		if k := x.w.key(x.rng); !slices.Contains(keys, k) {
			keys, asked = append(keys, k), append(asked, int32(k))
		}
	}
	rows, err := query(x.m, pgx.RowToStructByPos[row], "select k, v from lists where k = any($1)", asked)
	if err != nil {
		return err
	}
	return x.saw(keys, rows)
}

// saw records what a query gave; a list without a row is empty.
func (x *transaction) saw(keys []elle.Key, rows []row) error {
	for _, k := range keys {
		var list []elle.Element
		for _, r := range rows {
			if r.K == int(k) {
				list = append(list, r.elements()...)
			}
		}
		x.Ops = append(x.Ops, elle.Read(k, list...))
	}
	return nil
}

// record runs the workload, with a nemesis if there is one, and ends the history
// with what is there when all others have ended.
func (w *appends) record(transactions int, n *nemesis) []elle.Txn {
	all := make([][]elle.Txn, clients)
	if n != nil {
		n.start()
	}
	w.f.run(clients, func(m *member) error {
		rng := rand.New(rand.NewPCG(w.seed, uint64(m.id)))
		for k := 0; k < transactions/clients || n.unfinished(); k++ {
			txns, err := w.run(m, rng)
			if err != nil {
				return err
			}
			all[m.id] = append(all[m.id], txns...)
		}
		return nil
	})
	if n != nil {
		n.stop()
	}
	w.f.settled()
	h := slices.Concat(all...)
	final, err := w.final()
	if err != nil {
		w.f.t.Fatal(err)
	}
	return append(h, final)
}

func (w *appends) final() (elle.Txn, error) {
	m := w.f.join(-1)
	defer m.leave()
	t := elle.Txn{Client: -1, Start: w.f.now()}
	if err := m.ready(); err != nil {
		return t, err
	}
	rows, err := query(m, pgx.RowToStructByPos[row], "select k, v from lists order by k")
	if err != nil {
		return t, err
	}
	for _, r := range rows {
		t.Ops = append(t.Ops, elle.Read(elle.Key(r.K), r.elements()...))
	}
	// A list that nobody has made was read, too, and was empty.
	for k := range elle.Key(int(w.lists.Load())/listLength + 2*listsInUse) {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.K == int(k) }) {
			t.Ops = append(t.Ops, elle.Read(k))
		}
	}
	t.End = w.f.now()
	return t, nil
}

// summary counts outcomes and anomalies.
func summary(h []elle.Txn, found []elle.Finding) string {
	outcomes, anomalies := map[elle.Outcome]int{}, map[elle.Anomaly]int{}
	for _, t := range h {
		outcomes[t.Outcome]++
	}
	for _, f := range found {
		anomalies[f.Anomaly]++
	}
	return fmt.Sprintf("%d committed, %d aborted, %d unknown; found %v", outcomes[elle.Committed], outcomes[elle.Aborted], outcomes[elle.Unknown], anomalies)
}

// judge fails t with what the level excludes.
func judge(t testing.TB, l elle.Level, h []elle.Txn) []elle.Finding {
	t.Helper()
	found, err := elle.Check(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(summary(h, found))
	const most = 5
	for n, f := range elle.Forbidden(l, found) {
		if n == most {
			t.Errorf("and so on")
			break
		}
		t.Errorf("%s: %v", l, f)
	}
	return found
}

// testListAppend runs the workload at a level without and with a nemesis. What
// the level allows has to show where it is weak, lest a workload that no longer
// contends pass for an isolated one. The small run is the one with the strictest
// claim.
func testListAppend(t *testing.T, srv *server, l elle.Level, disturbed bool) {
	if l != elle.Serializable || !disturbed {
		need.Soak(t)
	}
	f := newFleet(t, srv)
	f.must("drop table if exists lists; " + listsSchema)
	w := &appends{f: f, level: l, seed: pickSeed(t)}
	transactions := need.Choose(35, 470) * clients
	var n *nemesis
	if disturbed {
		n = newNemesis(f, w.seed, transactions)
	}
	found := judge(t, l, w.record(transactions, n))
	f.checkCrash()
	if disturbed {
		return
	}
	for _, a := range shows[l] {
		if !slices.ContainsFunc(found, func(f elle.Finding) bool { return f.Anomaly == a }) {
			t.Errorf("%s shows no %s", l, a)
		}
	}
}

// shows is what a level lets through, and what a workload with contention
// therefore shows.
var shows = map[elle.Level][]elle.Anomaly{
	elle.ReadCommitted:  {elle.Unrepeatable, elle.GSingle, elle.G2Item},
	elle.RepeatableRead: {elle.G2Item},
}
