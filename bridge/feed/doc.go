// Package feed is a durable, ordered log of change sets, and what reads from it.
//
// # What is guaranteed
//
// A subscriber gets the sets of a database in the order of their commits, each once,
// and none is missing between two of them. It says where it wants to begin: with
// what is committed from now on, with the oldest set that there is, after a position,
// or with a snapshot of the tables that joins the stream without a gap and without a
// duplicate. What it has acknowledged it names when it comes again; sets above that
// it may get a second time. Nothing is taken out of the middle: a subscriber whose
// position the log no longer reaches is told so (ErrRefetch) and never just goes on
// at a later one.
//
// The log does not hold commits up. Append waits for no subscriber, and one that is
// slow reads from the log's files what others have had from memory, until retention
// has taken it away.
//
// A set that Append has taken is with the subscribers at once and in the files at
// the next Sync. A crash loses what was appended since; whoever appends has it from
// the database's own log and appends it again, so it keeps that log from Last, as it
// was at the last Sync, on. Sets at or below Last are not taken a second time.
//
// # Positions
//
// A position is an LSN: that of a set is where its commit record ends. Subscribers
// resume after one. Positions of different clusters, or of one that has gone back in
// time, do not compare: the log keeps an ID, and refuses to be opened with another.
package feed
