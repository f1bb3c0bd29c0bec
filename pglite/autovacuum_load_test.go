package pglite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// TestAutovacuumUnderLoad: rows and indexes are whole after rounds of
// autovacuum among clients that change the same tables, more clients than
// backends, some of which take its locks away.
func TestAutovacuumUnderLoad(t *testing.T) {
	seed := pickSeed(t)
	c := openCluster(t, func(o *pglite.Options) {
		o.MaxBackends, o.NoHousekeeping = 4, true
		o.Settings = []pglite.Setting{
			{Name: "deadlock_timeout", Value: "20ms"}, {Name: "autovacuum_vacuum_cost_delay", Value: "0.1"},
			{Name: "autovacuum_vacuum_threshold", Value: "5"}, {Name: "autovacuum_vacuum_scale_factor", Value: "0"},
			{Name: "autovacuum_analyze_threshold", Value: "5"}, {Name: "autovacuum_analyze_scale_factor", Value: "0"},
		}
	})
	super := connect(t, c, nil)
	exec(t, super, `create extension amcheck; create table account (n int primary key, balance int not null);
		insert into account select g, 100 from generate_series(0, 99) g;
		create table paper (n int primary key, v text); alter table paper alter v set storage external; create index on paper (md5(v))`)

	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	failed := make(chan error, 8)
	for k := range 6 {
		conn, rng := connect(t, c, nil), rand.New(rand.NewPCG(seed, uint64(k)))
		clients.Go(func() {
			for ctx.Err() == nil {
				if _, err := conn.Exec(context.Background(), loadStatement(rng)); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	for deadline := time.Now().Add(2 * time.Minute); c.Stats().Autovacuums < uint64(need.Size(300)) && len(failed) == 0 && time.Now().Before(deadline); {
		if err := pglite.VacuumRound(t.Context(), c); err != nil {
			t.Error("round:", err)
			break
		}
	}
	stop()
	clients.Wait()
	close(failed)
	for err := range failed {
		t.Error("client:", err)
	}

	s := c.Stats()
	t.Logf("%d vacuums, %d analyzes, %d cancelled, %d failed, %d transactions", s.Autovacuums, s.Autoanalyzes, s.AutovacuumsCanceled, s.AutovacuumsFailed, s.Commits)
	if s.Autovacuums == 0 || s.AutovacuumsFailed != 0 {
		t.Error("autovacuum did not work")
	}
	if got := value(t, super, "select sum(balance) || ' in ' || count(*) from account"); got != "10000 in 100" {
		t.Error("accounts hold", got)
	}
	for _, table := range []string{"account", "paper", "pg_class", "pg_attribute", "pg_statistic"} {
		if got := value(t, super, fmt.Sprintf("select count(*) from verify_heapam('%s', check_toast => true)", table)); got != "0" {
			t.Errorf("%s damages of %s", got, table)
		}
		exec(t, super, fmt.Sprintf("select bt_index_parent_check(indexrelid, true, true) from pg_index where indrelid = '%s'::regclass", table))
	}
}

// loadStatement moves money, or replaces paper, or takes a lock.
func loadStatement(rng *rand.Rand) string {
	a, b := rng.IntN(50), 50+rng.IntN(50)
	switch rng.IntN(20) {
	case 0:
		return "begin; lock table paper in access exclusive mode; select 1; commit"
	case 1:
		return "vacuum (skip_locked) account"
	case 2, 3, 4, 5:
		return fmt.Sprintf("insert into paper values (%d, repeat(md5(random()::text), 200)) on conflict (n) do update set v = excluded.v", rng.IntN(200))
	case 6, 7:
		return fmt.Sprintf("delete from paper where n = %d", rng.IntN(200))
	}
	return fmt.Sprintf("begin; update account set balance = balance - 1 where n = %d; update account set balance = balance + 1 where n = %d; commit", a, b)
}
