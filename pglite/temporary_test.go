package pglite_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/howdahdb/howdah/pglite"
)

// TestTemporaryFilesAfterCrash: a crash leaves no file of a sort or of a temporary
// table on the disk, and no file of anything else goes.
func TestTemporaryFilesAfterCrash(t *testing.T) {
	dir := t.TempDir()
	c := openCluster(t, func(o *pglite.Options) { o.Dir, o.MaxBackends = dir, 4 })
	temporary := func() (n int) {
		for _, pattern := range []string{"base/pgsql_tmp/*", "base/*/t[0-9]*_*"} {
			found, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				t.Fatal(err)
			}
			n += len(found)
		}
		return n
	}
	sorter, owner := connect(t, c, nil), connect(t, c, nil)
	exec(t, owner, "create temp table mine as select i as id from generate_series(1, 1000) i; create table t as select 1 as id")
	exec(t, sorter, "set work_mem = '64kB'; begin; declare x cursor for select repeat('x', 50) || i from generate_series(1, 5000) i order by 1; fetch x")
	if n := temporary(); n < 2 {
		t.Fatalf("%d temporary files before the crash", n)
	}
	foreign := []string{"base/pgsql", "base/t1_2", "base/1/tx_2", "base/1/t1_2_x", "base/1/t1_2.", "base/1/t1"}
	for _, name := range foreign {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := pglite.TrapNext(c, owner.PgConn().PID()); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Exec(t.Context(), "select 1"); err == nil {
		t.Error("the backend has not crashed")
	}
	if got := value(t, connect(t, c, nil), "select count(*) from t"); got != "1" {
		t.Errorf("%s rows", got)
	}
	foreign = slices.DeleteFunc(foreign, func(name string) bool { return os.Remove(filepath.Join(dir, name)) == nil })
	if len(foreign) > 0 {
		t.Errorf("%q are gone", foreign)
	}
	if n := temporary(); n != 0 {
		t.Errorf("%d temporary files after the crash", n)
	}
}
