// Package pglite is a PostgreSQL cluster in this process.
//
// [Open] takes the stock PGlite build (package wasm), a file system (package
// runtime/vfs) and gives a [Cluster]: made by initdb if there is none, held by
// a lock, recovered if it was left without a shutdown. A [Session] is what one
// client sees of it; package wire puts sessions on the network, package driver
// gives them to Go programs.
//
// # Backends and sessions
//
// A backend is one instance of the wasm build: memory, globals, table,
// descriptors. Between two messages no guest frame is on any stack, so what an
// instance holds is all of its state. A session runs on a backend from a pool,
// whose size is one for now: it takes the backend for a message, gives it back
// when Postgres says that it is idle and outside a transaction, and keeps it
// as long as something lives in the backend that can't be carried over (a
// transaction, a temporary table, LISTEN, …; see pin.go). Between two clients
// the backend is cleaned, and what the next one had set is put back (carry.go,
// statements.go). A session that waits too long for a backend fails with
// SQLSTATE 53300.
//
// # Goroutines
//
// A session is served by the goroutine that calls Serve. Whoever holds a
// backend is the only one to touch its instance; [Session.Cancel] and the
// timers only set flags in its memory, atomically.
//
// Locks are taken in this order, and most are leaves: backend.mu (held while the
// guest runs), Session.out (held while a client is written to), Session.mu,
// backend.live. Cluster.mu and pool.mu are leaves; pool.mu is never held while
// a backend's is waited for.
package pglite
