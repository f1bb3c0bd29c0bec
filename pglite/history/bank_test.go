package history_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite/history/internal/elle"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// bank is the transfer workload: money moves between accounts, in every way in
// which that is safe, and each transfer leaves an entry in a journal.
type bank struct {
	f    *fleet
	seed uint64

	mu        sync.Mutex
	next      int
	transfers map[int]elle.Outcome // by id
	codes     map[string]int       // why transfers failed
}

const (
	accounts   = 12
	opening    = 100
	bankSchema = `
create table accounts (id int primary key, balance int not null check (balance >= 0));
create table journal (id int primary key, source int not null references accounts, target int not null references accounts, amount int not null);
create index on journal (source);
insert into accounts select g, 100 from generate_series(1, 12) g`
)

// A transfer moves money between two accounts.
type transfer struct {
	m                          *member
	id, source, target, amount int
}

// The ways to transfer. Those that read a balance and write another rely on the
// level, or on row locks; the others on the row's latest version and the table's
// constraint. Locks are taken in the order of the transfer, so there are
// deadlocks.
var ways = []func(transfer) (elle.Outcome, error){
	func(x transfer) (elle.Outcome, error) {
		return x.m.transact("serializable", func() error { return x.byReading("") })
	},
	func(x transfer) (elle.Outcome, error) {
		return x.m.transact("repeatable read", func() error { return x.byReading("") })
	},
	func(x transfer) (elle.Outcome, error) {
		return x.m.transact("read committed", func() error { return x.byReading(" for update") })
	},
	func(x transfer) (elle.Outcome, error) {
		return x.m.transact("read committed", x.byDifference)
	},
	func(x transfer) (elle.Outcome, error) {
		return x.m.transact("read committed", x.withSavepoint)
	},
	func(x transfer) (elle.Outcome, error) {
		_, err := x.m.exec(`with moved as (
				update accounts set balance = balance + case id when $2 then -$4::int else $4 end where id in ($2, $3))
			insert into journal values ($1, $2, $3, $4)`, x.id, x.source, x.target, x.amount)
		return outcomeOf(err), err
	},
}

func (x transfer) byReading(lock string) error {
	var balances [2]int
	for n, id := range []int{x.source, x.target} {
		got, err := query(x.m, pgx.RowTo[int], "select balance from accounts where id = $1"+lock, id)
		if err != nil {
			return err
		}
		balances[n] = got[0]
	}
	if balances[0] < x.amount {
		return errNotThisTime
	}
	for n, id := range []int{x.source, x.target} {
		to := balances[n] + x.amount*(2*n-1)
		if _, err := x.m.exec("update accounts set balance = $2 where id = $1", id, to); err != nil {
			return err
		}
	}
	return x.enter()
}

func (x transfer) byDifference() error {
	if _, err := x.m.exec("update accounts set balance = balance - $2 where id = $1", x.source, x.amount); err != nil {
		return err
	}
	if _, err := x.m.exec("update accounts set balance = balance + $2 where id = $1", x.target, x.amount); err != nil {
		return err
	}
	return x.enter()
}

// withSavepoint transfers twice, and takes the first one back.
func (x transfer) withSavepoint() error {
	if _, err := x.m.exec("savepoint first"); err != nil {
		return err
	}
	if err := x.byDifference(); err != nil && !refused(err) {
		return err
	}
	if _, err := x.m.exec("rollback to savepoint first"); err != nil {
		return err
	}
	return x.byDifference()
}

func (x transfer) enter() error {
	_, err := x.m.exec("insert into journal values ($1, $2, $3, $4)", x.id, x.source, x.target, x.amount)
	return err
}

// transfer makes one and books what its client knows of it.
func (b *bank) transfer(m *member, rng *rand.Rand) {
	b.mu.Lock()
	b.next++
	x := transfer{m: m, id: b.next, source: 1 + rng.IntN(accounts), amount: 1 + rng.IntN(opening)}
	b.mu.Unlock()
	x.target = 1 + (x.source+rng.IntN(accounts-1))%accounts
	outcome, err := ways[rng.IntN(len(ways))](x)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.transfers[x.id] = outcome
	if code := sqlState(err); code != "" {
		b.codes[code]++
	}
	b.f.finished()
}

// state is what a reader sees: each balance, and what the journal says it is.
type state struct{ Account, Balance, Booked int }

const (
	byJournal = `select a.id, a.balance, 100
		+ coalesce((select sum(amount) from journal where target = a.id), 0)::int
		- coalesce((select sum(amount) from journal where source = a.id), 0)::int
		from accounts a order by a.id`
	oneAccount = `select id, balance, 100
		+ coalesce((select sum(amount) from journal where target = $1), 0)::int
		- coalesce((select sum(amount) from journal where source = $1), 0)::int
		from accounts where id = $1`
)

// read looks at all accounts at once, or one after the other in one snapshot.
func (b *bank) read(m *member, rng *rand.Rand) {
	var all []state
	levels := [...]string{"read committed", "repeatable read", "serializable", "serializable read only", "serializable read only deferrable"}
	level := levels[rng.IntN(len(levels))]
	_, err := m.transact(level, func() (err error) {
		if level == "read committed" || rng.IntN(2) == 0 {
			all, err = query(m, pgx.RowToStructByPos[state], byJournal)
			return err
		}
		all = nil
		for _, id := range rng.Perm(accounts) {
			one, err := query(m, pgx.RowToStructByPos[state], oneAccount, id+1)
			if err != nil {
				return err
			}
			all = append(all, one...)
		}
		return nil
	})
	if err == nil {
		b.check(level, all)
	}
	b.f.finished()
}

// check holds what was read against what is always true.
func (b *bank) check(who string, all []state) {
	sum := 0
	for _, s := range all {
		sum += s.Balance
		if s.Balance < 0 || s.Balance != s.Booked {
			b.f.t.Errorf("%s: account %d has %d, by the journal %d", who, s.Account, s.Balance, s.Booked)
		}
	}
	if len(all) != accounts || sum != accounts*opening {
		b.f.t.Errorf("%s: %d accounts have %d", who, len(all), sum)
	}
}

// audit compares the journal with what clients know: acknowledged transfers are
// in it, failed ones are not, and of the others any may be.
func (b *bank) audit() {
	b.f.t.Helper()
	outcomes := map[elle.Outcome]int{}
	var booked []int
	for _, id := range b.f.must("select id from journal") {
		n, err := strconv.Atoi(id)
		if err != nil {
			b.f.t.Fatal(err)
		}
		booked = append(booked, n)
		if o, ok := b.transfers[n]; !ok || o == elle.Aborted {
			b.f.t.Errorf("transfer %d is in the journal, and has failed", n)
		}
	}
	slices.Sort(booked)
	if len(slices.Compact(slices.Clone(booked))) != len(booked) {
		b.f.t.Error("a transfer is in the journal twice")
	}
	for id, o := range b.transfers {
		outcomes[o]++
		if _, found := slices.BinarySearch(booked, id); o == elle.Committed && !found {
			b.f.t.Errorf("transfer %d was acknowledged, and is not in the journal", id)
		}
	}
	b.f.t.Logf("%d committed, %d aborted, %d unknown; %v", outcomes[elle.Committed], outcomes[elle.Aborted], outcomes[elle.Unknown], b.codes)
	// Ways through an index and past it lead to the same rows.
	const counts = `set enable_seqscan = %s; set enable_indexscan = %[1]s; set enable_bitmapscan = %[2]s; set enable_indexonlyscan = %[2]s;
		select count(*) || ' ' || coalesce(sum(id), 0) || ' ' || coalesce(sum(source), 0) from journal where id > 0 and source > 0`
	if a, z := b.f.must(fmt.Sprintf(counts, "on", "off")), b.f.must(fmt.Sprintf(counts, "off", "on")); !slices.Equal(a, z) {
		b.f.t.Errorf("the table has %s, its index %s", a, z)
	}
}

// testBank lets clients transfer and read, under a nemesis.
func testBank(t *testing.T, srv *server) {
	f := newFleet(t, srv)
	f.must(bankSchema)
	b := &bank{f: f, seed: pickSeed(t), transfers: map[int]elle.Outcome{}, codes: map[string]int{}}
	transactions := need.Choose(25, 600) * clients
	n := newNemesis(f, b.seed, transactions)
	n.start()
	f.run(clients, func(m *member) error {
		rng := rand.New(rand.NewPCG(b.seed, uint64(m.id)))
		for k := 0; k < transactions/clients || n.unfinished(); k++ {
			if err := m.ready(); err != nil {
				return err
			}
			if rng.IntN(3) == 0 {
				b.read(m, rng)
			} else {
				b.transfer(m, rng)
			}
		}
		return nil
	})
	n.stop()
	f.settled()
	m := f.join(0)
	defer m.leave()
	if err := m.ready(); err != nil {
		t.Fatal(err)
	}
	all, err := query(m, pgx.RowToStructByPos[state], byJournal)
	if err != nil {
		t.Fatal(err)
	}
	b.check("at the end", all)
	b.audit()
	f.checkCrash()
}
