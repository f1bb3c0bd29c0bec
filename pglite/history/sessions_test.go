package history_test

import (
	"sync"
	"testing"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// TestSessions lets many clients, each with a life of a few statements, share
// few backends. What each sees is what it would see alone in a session of its
// own: the native server shows that the model is one of Postgres.
func TestSessions(t *testing.T) {
	const backends, worlds = 4, 2
	for _, s := range []struct {
		name  string
		small int
		whole int
		start func(testing.TB) *server
	}{
		{"native", 160, 10_000, func(t testing.TB) *server { return startNative(t) }},
		{"memory", 160, 100_000, func(t testing.TB) *server { return serve(t, pglite.Options{MaxBackends: backends}) }},
		{"directory", 60, 100_000, func(t testing.TB) *server {
			return serve(t, pglite.Options{Dir: t.TempDir(), MaxBackends: backends})
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			srv := s.start(t)
			newFleet(t, srv).must(sessionSchema)
			seed, clients := pickSeed(t), need.Choose(s.small, s.whole)
			var all []*world
			var wg sync.WaitGroup
			numbers := &sync.Map{}
			for n := range worlds {
				w := newWorld(t, srv.address(), n, (backends-1+n)/worlds, seed, numbers)
				all = append(all, w)
				var ids []int
				for id := n; id < clients; id += worlds {
					ids = append(ids, id)
				}
				wg.Go(func() { w.run(ids, need.Choose(60, 150)) })
			}
			wg.Wait()
			steps := 0
			for _, w := range all {
				steps += w.steps
			}
			t.Logf("%d clients, %d steps", clients, steps)
			if !t.Failed() {
				audit(t, all)
			}
		})
	}
}
