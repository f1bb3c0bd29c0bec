package clients_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// inParallel runs f on n goroutines and fails t by their errors.
func inParallel(t *testing.T, n int, f func(worker int) error) {
	t.Helper()
	var wg sync.WaitGroup
	for worker := range n {
		wg.Go(func() {
			if err := f(worker); err != nil {
				t.Errorf("worker %d: %v", worker, err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// errRolledBack ends a transaction that was meant not to commit.
var errRolledBack = errors.New("rolled back on purpose")

// A worker of testTransfers has its own random choices.
type worker struct{ rand *rand.Rand }

// maybeRollback is the last word of a transfer: one in eight shall not happen.
func (w *worker) maybeRollback() error {
	if w.rand.IntN(8) == 0 {
		return errRolledBack
	}
	return nil
}

const (
	accounts = 20
	deposit  = 1000
)

// testTransfers moves money between accounts from as many goroutines as the
// pool has connections, while others see that none is lost. run does one
// transfer in a transaction and ends it by the worker's maybeRollback; it takes
// the account with the lower number first.
func testTransfers(t *testing.T, db database, run func(w *worker, from, to int, amount int64) error, total func() (int64, error)) {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	db.exec(t, "create table account (id int primary key, balance int8 not null)",
		fmt.Sprintf("insert into account select g, %d from generate_series(1, %d) g", deposit, accounts))
	check := func() error {
		sum, err := total()
		if err == nil && sum != accounts*deposit {
			err = fmt.Errorf("%d in all accounts, want %d", sum, accounts*deposit)
		}
		return err
	}
	each := need.Size(200)
	inParallel(t, poolSize, func(n int) error {
		w := &worker{rand.New(rand.NewPCG(seed, uint64(n)))}
		for range each {
			from, to := 1+w.rand.IntN(accounts), 1+w.rand.IntN(accounts)
			if from == to {
				if err := check(); err != nil {
					return err
				}
				continue
			}
			amount := w.rand.Int64N(200) - 100
			if err := run(w, min(from, to), max(from, to), amount); err != nil && !errors.Is(err, errRolledBack) {
				return err
			}
		}
		return check()
	})
}
