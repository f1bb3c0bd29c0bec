package pglite

import "iter"

// Figure is one of the [Stats] as people and programs are shown it: in the
// view howdah_stat, and by the admin endpoint under its name with "howdah_"
// before it and, when it is counted, "_total" behind it.
type Figure struct {
	Name    string
	Counted bool   // it only grows
	Unit    string // "", "seconds" or "bytes"
	Help    string
	Value   float64
}

// figures are all but the histogram's buckets.
var figures = [...]struct {
	name    string
	counted bool
	unit    string
	help    string
	of      func(*Stats) float64
}{
	{"sessions", false, "", "connected clients", func(s *Stats) float64 { return float64(s.Sessions) }},
	{"sessions_served", false, "", "sessions that hold a backend", func(s *Stats) float64 { return float64(s.SessionsServed) }},
	{"sessions_waiting", false, "", "sessions that wait for a backend", func(s *Stats) float64 { return float64(s.SessionsWaiting) }},
	{"sessions_opened", true, "", "sessions that have begun", func(s *Stats) float64 { return float64(s.SessionsOpened) }},
	{"sessions_refused", true, "", "clients that were refused: too many, not allowed, or without a backend", func(s *Stats) float64 { return float64(s.SessionsRefused) }},
	{"pool_waits", true, "", "times that a session has waited for a backend", func(s *Stats) float64 { return float64(s.PoolWaits) }},
	{"pool_wait_seconds", true, "seconds", "time that sessions have waited for a backend", func(s *Stats) float64 { return s.PoolWaited.Seconds() }},
	{"pool_timeouts", true, "", "waits for a backend that ended with error 53300", func(s *Stats) float64 { return float64(s.PoolTimeouts) }},
	{"backends", false, "", "backends that run, the host's included", func(s *Stats) float64 { return float64(s.Backends) }},
	{"backends_booted", true, "", "backends that were started", func(s *Stats) float64 { return float64(s.BackendsBooted) }},
	{"turns", true, "", "times that a backend was let run", func(s *Stats) float64 { return float64(s.Turns) }},
	{"turn_wait_seconds", true, "seconds", "time that backends have waited for their turn, at lightweight locks too", func(s *Stats) float64 { return s.TurnsWaited.Seconds() }},
	{"slices", true, "", "turns that ended by time, for others", func(s *Stats) float64 { return float64(s.Slices) }},
	{"lock_sleeps", true, "", "turns that ended at a lightweight lock", func(s *Stats) float64 { return float64(s.LockSleeps) }},
	{"commits", true, "", "transactions of clients that were committed", func(s *Stats) float64 { return float64(s.Commits) }},
	{"rollbacks", true, "", "transactions of clients that were rolled back", func(s *Stats) float64 { return float64(s.Rollbacks) }},
	{"wal_bytes", true, "bytes", "WAL written to its files", func(s *Stats) float64 { return float64(s.WALBytes) }},
	{"wal_since_checkpoint_bytes", false, "bytes", "WAL since the last checkpoint", func(s *Stats) float64 { return float64(s.WALSinceCheckpoint) }},
	{"syncs", true, "", "fsyncs of files and directories", func(s *Stats) float64 { return float64(s.Syncs.Count()) }},
	{"sync_seconds", true, "seconds", "time that fsyncs have taken", func(s *Stats) float64 { return s.Syncs.Sum.Seconds() }},
	{"checkpoints", true, "", "completed checkpoints", func(s *Stats) float64 { return float64(s.Checkpoints) }},
	{"checkpoints_by_volume", true, "", "checkpoints that max_wal_size has made due", func(s *Stats) float64 { return float64(s.CheckpointsByVolume) }},
	{"checkpoints_by_time", true, "", "checkpoints that checkpoint_timeout has made due", func(s *Stats) float64 { return float64(s.CheckpointsByTime) }},
	{"checkpoints_failed", true, "", "checkpoints that were due and could not be made", func(s *Stats) float64 { return float64(s.CheckpointsFailed) }},
	{"checkpoint_seconds", true, "seconds", "time that due checkpoints have taken", func(s *Stats) float64 { return s.CheckpointTime.Seconds() }},
	{"autovacuums", true, "", "tables that autovacuum has vacuumed", func(s *Stats) float64 { return float64(s.Autovacuums) }},
	{"autoanalyzes", true, "", "tables that autovacuum has analyzed", func(s *Stats) float64 { return float64(s.Autoanalyzes) }},
	{"autovacuums_canceled", true, "", "tables that autovacuum has left to who waited for them", func(s *Stats) float64 { return float64(s.AutovacuumsCanceled) }},
	{"autovacuums_failed", true, "", "tables where autovacuum has failed", func(s *Stats) float64 { return float64(s.AutovacuumsFailed) }},
	{"autovacuum_seconds", true, "seconds", "time that autovacuum has spent on tables", func(s *Stats) float64 { return s.AutovacuumTime.Seconds() }},
	{"crashes", true, "", "backends that have crashed and ended all sessions", func(s *Stats) float64 { return float64(s.Crashes) }},
	{"recoveries", true, "", "starts that had to recover from WAL", func(s *Stats) float64 { return float64(s.Recoveries) }},
	{"rewinds", true, "", "returns to a mark", func(s *Stats) float64 { return float64(s.Rewinds) }},
	{"memory_private_bytes", false, "bytes", "memory that backends have for themselves", func(s *Stats) float64 { return float64(s.PrivateMemory) }},
	{"memory_shared_bytes", false, "bytes", "memory that backends share", func(s *Stats) float64 { return float64(s.SharedMemory) }},
	{"memory_files_bytes", false, "bytes", "memory of files that are kept there", func(s *Stats) float64 { return float64(s.FileMemory) }},
}

// Figures are all of them but the histogram of syncs, of which there are
// number and sum.
func (s *Stats) Figures() iter.Seq[Figure] {
	return func(yield func(Figure) bool) {
		for _, f := range figures {
			if !yield(Figure{f.name, f.counted, f.unit, f.help, f.of(s)}) {
				return
			}
		}
	}
}
