package pglite_test

import (
	"regexp"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/pglite"
)

// TestQueryBreathes: while a query only computes, the collector of the Go
// runtime, which has to stop it, gets through again and again.
func TestQueryBreathes(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 2 })
	exec(t, connect(t, c, nil), `create function spin() returns int language plpgsql as $$
		declare n int := 0; begin loop n := (n + 1) % 1000; end loop; end $$`)
	for _, sql := range []string{
		"select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b",
		"select spin()",
	} {
		conn := connect(t, c, nil)
		began := c.Stats().Turns
		ended := make(chan error, 1)
		go func() {
			_, err := conn.Exec(t.Context(), sql)
			ended <- err
		}()
		for c.Stats().Turns == began {
			time.Sleep(time.Millisecond)
		}
		for range 20 {
			time.Sleep(5 * time.Millisecond) // into the query
			runtime.GC()
		}
		select {
		case err := <-ended:
			t.Errorf("%s: has ended with %v", sql, err)
		default:
		}
		exec(t, connect(t, c, nil), "select pg_cancel_backend(pid) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()")
		if err := <-ended; code(err) != "57014" {
			t.Errorf("%s: got %v, expected 57014", sql, err)
		}
	}
}

// TestPendingIsNotTaken: what gives up when an interrupt is pending does not do
// so because the query breathes.
func TestPendingIsNotTaken(t *testing.T) {
	c := openCluster(t, nil)
	var said []string
	conn := connect(t, c, func(cfg *pgx.ConnConfig) {
		cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { said = append(said, n.Message) }
	})
	exec(t, conn, "create table p (at point, note text); create index on p using spgist (at); create index on p using spgist (note)")
	exec(t, conn, "insert into p select point(i % 100, i / 100), repeat('x', i % 50) || i from generate_series(0, 19999) i")
	exec(t, conn, "set enable_seqscan = off")
	if got := value(t, conn, "select count(*) from p where at <@ box '(0,0),(9,9)'"); got != "100" {
		t.Errorf("the index finds %s points", got)
	}
	if got := value(t, conn, "select count(*) from p where note ^@ 'xxx'"); got != value(t, conn, "select count(*) from generate_series(0, 19999) i where i % 50 >= 3") {
		t.Errorf("the index finds %s notes", got)
	}
	exec(t, conn, "delete from p where at[0] < 50")
	exec(t, conn, "set vacuum_cost_delay = 1; set vacuum_cost_limit = 100; set track_cost_delay_timing = on")
	exec(t, conn, "vacuum (verbose) p")
	slept := regexp.MustCompile(`delay time: [0-9.]*[1-9]`)
	if !slices.ContainsFunc(said, slept.MatchString) {
		t.Errorf("VACUUM has not slept: %q", said)
	}
}
