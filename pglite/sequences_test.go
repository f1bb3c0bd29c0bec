package pglite_test

import (
	"testing"

	"github.com/howdahdb/howdah/pglite"
)

// TestSequencesMove: what a session knows of a sequence comes along to backends
// that have never heard of it.
func TestSequencesMove(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 2 })
	a, x, y := connect(t, c, nil), connect(t, c, nil), connect(t, c, nil)
	exec(t, a, "create sequence s; create sequence cached cache 10")
	if got := value(t, a, "select nextval('cached') || '/' || nextval('s')"); got != "1/1" {
		t.Fatalf("nextval gives %s", got)
	}
	// Two transactions take both backends, and leave first one and then the other.
	exec(t, x, "begin")
	exec(t, y, "begin")
	exec(t, x, "rollback")
	const known = "select currval('s') || '/' || lastval() || '/' || nextval('cached')"
	if got := value(t, a, known); got != "1/1/2" {
		t.Errorf("on one backend a knows %s", got)
	}
	value(t, a, "select nextval('s')")
	exec(t, x, "begin")
	exec(t, y, "rollback")
	if got := value(t, a, known); got != "2/2/3" {
		t.Errorf("on the other one a knows %s", got)
	}
	if _, err := y.Exec(t.Context(), "select lastval()"); code(err) != "55000" {
		t.Errorf("lastval of another's nextval: %v", err)
	}
}
