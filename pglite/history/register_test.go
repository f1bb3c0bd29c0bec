package history_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite/history/internal/elle"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// registers is the workload of single statements on single rows. Each is a
// transaction of its own that takes effect between its request and its answer,
// at any level of isolation: Postgres' reads and writes of one row are
// linearizable.
type registers struct {
	f    *fleet
	seed uint64
	next atomic.Int64 // operations so far
	last int          // of the groups that are in use one after the other
	// torn makes additions out of two statements, which are not.
	torn bool

	mu  sync.Mutex
	ops map[int][]porcupine.Operation // by register
}

const (
	registersInUse  = 4
	registerLength  = 80 // operations on one register
	registerValues  = 4
	registersSchema = `create table registers (id int primary key, v int not null)`
)

type registerCall struct {
	kind     string // read, write, add, swap, exchange
	old, new int    // exchange compares with old
}

// registerAnswer is what a client was told; nothing of it holds when the
// outcome is unknown.
type registerAnswer struct {
	known bool
	value int  // read: the value; add: the new one; swap: the one before
	done  bool // exchange: it was equal
}

// registerModel is a register that begins with 0.
var registerModel = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		v, call, answer := state.(int), input.(registerCall), output.(registerAnswer)
		switch call.kind {
		case "write":
			return true, call.new
		case "add":
			return !answer.known || answer.value == v+call.new, v + call.new
		case "swap":
			return !answer.known || answer.value == v, call.new
		case "exchange":
			equal := v == call.old
			if equal {
				v = call.new
			}
			return !answer.known || answer.done == equal, v
		default:
			return !answer.known || answer.value == v, v
		}
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v %+v", input, output) },
}

// run makes one operation and books it, unless it is known to have had no
// effect and no answer.
func (w *registers) run(m *member, rng *rand.Rand) {
	n := int(w.next.Add(1))
	id := min(n/(registersInUse*registerLength), w.last)*registersInUse + rng.IntN(registersInUse)
	kinds := [...]string{"read", "read", "write", "add", "swap", "exchange", "exchange"}
	call := registerCall{kinds[rng.IntN(len(kinds))], rng.IntN(registerValues), rng.IntN(registerValues)}
	op := porcupine.Operation{ClientId: m.id, Input: call, Call: int64(w.f.now())}
	answer, outcome := w.ask(m, id, call)
	w.f.finished()
	if outcome == elle.Aborted || outcome == elle.Unknown && call.kind == "read" {
		return
	}
	op.Return = math.MaxInt64 // it may take effect at any time from now on
	if answer.known = outcome == elle.Committed; answer.known {
		op.Return = int64(w.f.now())
	}
	op.Output = answer
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ops[id] = append(w.ops[id], op)
}

func (w *registers) ask(m *member, id int, call registerCall) (a registerAnswer, o elle.Outcome) {
	value := func(sql string, args ...any) elle.Outcome {
		got, err := query(m, pgx.RowTo[int], sql, args...)
		switch {
		case refused(err):
			return elle.Aborted
		case err != nil || len(got) != 1:
			return elle.Unknown
		}
		a.value = got[0]
		return elle.Committed
	}
	switch call.kind {
	case "write":
		_, err := m.exec("update registers set v = $2 where id = $1", id, call.new)
		return a, outcomeOf(err)
	case "add":
		if !w.torn {
			return a, value("update registers set v = v + $2 where id = $1 returning v", id, call.new)
		}
		if o := value("select v from registers where id = $1", id); o != elle.Committed {
			return a, elle.Aborted
		}
		return a, value("update registers set v = $2 where id = $1 returning v", id, a.value+call.new)
	case "swap":
		return a, value("update registers set v = $2 where id = $1 returning old.v", id, call.new)
	case "exchange":
		tag, err := m.exec("update registers set v = $3 where id = $1 and v = $2", id, call.old, call.new)
		a.done = tag.RowsAffected() == 1
		return a, outcomeOf(err)
	default:
		return a, value("select v from registers where id = $1", id)
	}
}

// record runs the workload; each client has a default level of its own.
func (w *registers) record(operations int, n *nemesis) {
	w.ops = map[int][]porcupine.Operation{}
	// With room for what clients do beyond that while the nemesis is not done.
	w.last = 2*operations/(registersInUse*registerLength) + 1
	w.f.must("drop table if exists registers; " + registersSchema)
	w.f.must(fmt.Sprintf("insert into registers select g, 0 from generate_series(0, %d) g", (w.last+1)*registersInUse))
	if n != nil {
		n.start()
	}
	levels := [...]elle.Level{elle.ReadCommitted, elle.RepeatableRead, elle.Serializable}
	w.f.run(clients, func(m *member) error {
		rng := rand.New(rand.NewPCG(w.seed, uint64(m.id)))
		var at *pgx.Conn
		for k := 0; k < operations/clients || n.unfinished(); k++ {
			if err := m.ready(); err != nil {
				return err
			}
			if at != m.conn { // a new session
				at = m.conn
				_, _ = m.exec(fmt.Sprintf("set default_transaction_isolation = '%s'", levels[m.id%len(levels)]))
				continue
			}
			w.run(m, rng)
		}
		return nil
	})
	if n != nil {
		n.stop()
	}
	w.f.settled()
	m := w.f.join(-1)
	defer m.leave()
	if err := m.ready(); err != nil {
		w.f.t.Fatal(err)
	}
	for id := range w.ops {
		op := porcupine.Operation{ClientId: clients, Input: registerCall{kind: "read"}, Call: int64(w.f.now())}
		a, o := w.ask(m, id, registerCall{kind: "read"})
		if o != elle.Committed {
			w.f.t.Fatalf("register %d can't be read", id)
		}
		a.known = true
		op.Output, op.Return = a, int64(w.f.now())
		w.ops[id] = append(w.ops[id], op)
	}
}

// illegal lists the registers whose operations have no order in time.
func (w *registers) illegal() []int {
	var out []int
	for id, ops := range w.ops {
		if !porcupine.CheckOperations(registerModel, ops) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// describe writes down what happened to a register, in the order of requests.
func (w *registers) describe(id int) string {
	ops := slices.Clone(w.ops[id])
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, op := range ops {
		fmt.Fprintf(&b, "\n%12d %20d client %2d %s", op.Call, op.Return, op.ClientId, registerModel.DescribeOperation(op.Input, op.Output))
	}
	return b.String()
}

func (w *registers) summary() string {
	count, unknown := 0, 0
	for _, ops := range w.ops {
		for _, op := range ops {
			count++
			if !op.Output.(registerAnswer).known {
				unknown++
			}
		}
	}
	return fmt.Sprintf("%d operations on %d registers, %d of unknown outcome", count, len(w.ops), unknown)
}

// testRegisters looks for an order in time of what clients did to single rows.
func testRegisters(t *testing.T, srv *server) {
	f := newFleet(t, srv)
	w := &registers{f: f, seed: pickSeed(t)}
	operations := need.Choose(60, 940) * clients
	w.record(operations, newNemesis(f, w.seed, operations))
	t.Log(w.summary())
	for _, id := range w.illegal() {
		t.Errorf("register %d is not linearizable:%s", id, w.describe(id))
	}
	f.checkCrash()
}

// testTornRegisters: additions that are not atomic are found.
func testTornRegisters(t *testing.T, srv *server) {
	w := &registers{f: newFleet(t, srv), seed: pickSeed(t), torn: true}
	w.record(need.Choose(60, 300)*clients, nil)
	if len(w.illegal()) == 0 {
		t.Errorf("%s, all of them linearizable", w.summary())
	}
}
