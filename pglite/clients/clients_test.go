package clients_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// TestClients runs all tests on the native server, which shows that they ask for
// what Postgres does, then on Howdah, and then those that can on Howdah with
// fewer backends than connections.
func TestClients(t *testing.T) {
	tests := slices.Concat(
		group("pgxpool", pgxTests()),
		group("sql", sqlTests(openStdlib)),
		group("node", nodeTests()),
		group("postgrex", postgrexTests()),
	)
	t.Run("native", func(t *testing.T) { startNative(t).run(t, tests) })
	// A pipe in the process takes the place of TCP, and the same must come of it.
	inProcess := group("driver", sqlTests(openDriver))
	t.Run("howdah", func(t *testing.T) { startHowdah(t, 0).run(t, append(tests, inProcess...)) })
	sharing := make(map[int][]test)
	for _, c := range tests {
		if c.shared > 0 {
			sharing[c.shared] = append(sharing[c.shared], c)
		}
	}
	for _, backends := range slices.Sorted(maps.Keys(sharing)) {
		t.Run(fmt.Sprintf("howdah, backends=%d", backends), func(t *testing.T) {
			startHowdah(t, backends).run(t, sharing[backends])
		})
	}
}

// test is one client's behaviour, run in a fresh database.
type test struct {
	name string
	run  func(t *testing.T, db database)
	// shared, if not 0, is a number of backends that the test's connections,
	// which are more, can share: none needs its own between two transactions.
	shared int
}

func group(name string, tests []test) []test {
	for i := range tests {
		tests[i].name = name + "/" + tests[i].name
	}
	return tests
}

func (s *server) run(t *testing.T, tests []test) {
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) { c.run(t, s.newDatabase(t)) })
	}
}
