package history_test

import (
	"testing"

	"github.com/howdahdb/howdah/pglite/history/internal/elle"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// clients is how many there are at once.
var clients = need.Choose(12, 32)

// TestHistories records what clients see of a server while a nemesis disturbs
// them, and looks for what no correct one shows.
func TestHistories(t *testing.T) {
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			srv := s.start(t, quickDeadlocks)
			newFleet(t, srv).prepareCrash()
			t.Run("crash", func(t *testing.T) { testCrash(t, srv) })
			t.Run("bank", func(t *testing.T) { testBank(t, srv) })
			for _, l := range []elle.Level{elle.ReadCommitted, elle.RepeatableRead, elle.Serializable} {
				t.Run("list-append "+string(l), func(t *testing.T) { testListAppend(t, srv, l, false) })
				t.Run("list-append "+string(l)+" under a nemesis", func(t *testing.T) { testListAppend(t, srv, l, true) })
			}
			for name, test := range map[string]func(*testing.T, *server){"registers": testRegisters, "torn registers": testTornRegisters} {
				t.Run(name, func(t *testing.T) {
					if s.name == "directory" { // in the small run bank and list-append do for recovery
						need.Soak(t)
					}
					test(t, srv)
				})
			}
		})
	}
}
