// Package capture turns what Postgres writes to its log into change sets, in the
// order of the commits, without running anything in Postgres for it.
//
// A Capture sees every change of a cluster's files. From what is written to pg_wal
// it learns how far the log goes, and from the syncs how far it is durable; a
// goroutine of its own reads the log so far out of the files, follows the catalogs
// with it, keeps what each transaction logs until it ends, and at its commit reads
// the rows with the catalogs as they were at each of them. A set is appended to the
// feed's log only when the record of its commit is durable, for nothing else is read.
//
// # What is promised
//
// Every transaction that was committed since the capture began is in the feed,
// once, and in the order of the commit records: after a crash of the server or of
// the machine, too. The capture saves now and then (at checkpoints, and at the end)
// where it is, and goes on from there; what it finds again is in the feed already
// and is left out by its position. Postgres can't remove a segment of its log that
// is needed for that: the file system refuses it, and Postgres tries again after its
// next checkpoint. There is a bound to that (Options.MaxBehind). Beyond it commits
// go on and the log is let go, the feed tells its subscribers that there is a gap,
// and the capture begins anew: with the catalogs from the files, while the server
// runs, and when all transactions have ended that were under way.
//
// Bytes amid the log that are no record end the capture with an error that says where,
// and the feed with it: nothing behind them is guessed. At its end they are not told
// from what will be written.
//
// # Locks and goroutines
//
// Before and After are called by whoever changes a file and take only tap's lock.
// Everything else belongs to the capture's goroutine, which Files starts and Close
// ends and waits for.
package capture
