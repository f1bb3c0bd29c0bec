package pglite_test

import (
	"context"
	"sync"
	"testing"

	"github.com/howdahdb/howdah/pglite"
)

// TestCrashBesideHost: the host's own SQL, as of a login, is run again when
// another's backend crashes in the middle of it.
func TestCrashBesideHost(t *testing.T) {
	c := openCluster(t, manyBackends)
	exec(t, connect(t, c, nil), "create table t as select 1 as id")
	for range 5 {
		conn := connect(t, c, nil)
		exec(t, conn, "begin; lock table t")
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				rows, err := c.AsHost(context.Background(), "select count(*) from t")
				if err != nil || rows[0][0] != "1" {
					t.Errorf("the host gets %v, %v", rows, err)
				}
			})
		}
		until(t, c, "select count(*) from pg_locks where not granted", "4")
		if err := pglite.TrapNext(c, conn.PgConn().PID()); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "select 1"); err == nil {
			t.Error("the backend has not crashed")
		}
		wg.Wait()
	}
}
