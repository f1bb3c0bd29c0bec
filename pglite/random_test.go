package pglite_test

import "testing"

// TestRandomIsTheSessions: what setseed has chosen comes along, and is nobody
// else's.
func TestRandomIsTheSessions(t *testing.T) {
	c := openCluster(t, nil)
	a, b := connect(t, c, nil), connect(t, c, nil)
	value(t, a, "select setseed(0.5)")
	if value(t, b, "select random()") == value(t, b, "select setseed(0.5); select random()") {
		t.Error("b goes on from a's seed")
	}
	if got, want := value(t, a, "select random()"), value(t, b, "select setseed(0.5); select random()"); got != want {
		t.Errorf("after its seed a gets %s, want %s", got, want)
	}
}
