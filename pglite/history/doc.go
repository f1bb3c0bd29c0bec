// Package history has no code: its tests check what many clients at once have
// seen.
//
// TestHistories lets clients work while a nemesis cancels their statements,
// terminates them, cuts their sockets and brings the server down, and looks for
// what no correct server shows: money that was made or lost, an anomaly of
// isolation in histories of list-appends (internal/elle), a row whose operations
// have no order in time (porcupine). TestSessions lets clients share few
// backends and compares what each sees with a model of a session of its own.
// Both run on a native server, too: what fails there is the test's fault.
//
// The default run is small. HOWDAH_SOAK=1 runs the whole: 32 clients and 15,000
// transactions a history, 100,000 clients in sessions. Runs log their seeds;
// -seed repeats one, as far as concurrency lets it.
package history
