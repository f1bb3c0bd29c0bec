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
// instance holds is all of its state. The backends of a cluster map the same
// pages as Postgres' shared memory, and one of them runs at a time: the one that
// holds the baton (server.go, baton.go). It passes it on where it waits, at the
// end of its message, and after a slice where Postgres lets itself be
// interrupted.
//
// A session runs on a backend from a pool: it takes one for a message, gives it
// back when Postgres says that it is idle and outside a transaction, and keeps
// it as long as something lives in the backend that can't be carried over (a
// transaction, a temporary table, LISTEN, …; see pin.go). While there are fewer
// sessions than backends each keeps coming back to its own. Beyond that a
// backend is cleaned between two clients, and what the next one had set is put
// back (carry.go, statements.go). A session that waits too long for a backend
// fails with SQLSTATE 53300.
//
// # Goroutines
//
// A session is served by the goroutine that calls Serve, which runs the guest.
// Each backend has one more, for signals and timers that come between messages
// (pump.go). Who may touch a guest's memory is said in baton.go.
//
// Locks are taken in this order, and most are leaves: backend.mu (held by who
// has entered the backend, also while it waits for the baton), server.entry
// (given up before the baton is asked for), Session.out (held
// while a client is written to, never with the baton), Session.mu, backend.live.
// Cluster.mu, pool.mu, server.mu and baton.mu (but for backend.live) are leaves.
package pglite
