// Package elle finds isolation anomalies in what clients have seen.
//
// It is a checker in the manner of Elle (Kingsbury, Alvaro: Elle: Inferring
// Isolation Anomalies from Experimental Observations, VLDB 2020). Clients run
// transactions that read lists and append to them elements that are unique per
// key. A list that was read is then the history of its own versions: it tells
// which transaction wrote each version, and in which order. From that, and
// from nothing the database says about itself, follows Adya's graph of
// dependencies (Weak Consistency, MIT 1999):
//
//	ww  a → b   b's element stands right behind a's
//	wr  a → b   b has read a list that ends with a's element
//	rw  a → b   a has read a list that b's element was appended to next
//	rt  a → b   a was acknowledged before b began
//
// A cycle is an anomaly, named by its edges:
//
//	G0             ww only: writes of two transactions interleave
//	G1c            ww and wr: information flows in a circle
//	G-single       one rw: lost update, read skew
//	G-nonadjacent  several rw, never two in a row
//	G2-item        two rw in a row: write skew
//
// A cycle that needs an rt edge has "-realtime" behind its name. What a list
// shows without a graph has names as well: G1a (an aborted transaction's element
// was read), G1b (a list was read that its writer went on to change), and those
// that no level of isolation allows, see the constants of [Anomaly].
//
// # Which level forbids what
//
// Postgres takes a snapshot of what has committed by then, at each statement
// (read committed) or at the first one (repeatable read and serializable), and
// a row lock makes a writer wait for the end of the other. Each edge therefore
// says which of two moments came first, and a cycle of such moments can't be:
//
//		                 ww, wr                      rt                  rw
//		read committed   a's commit < b's commit     a's commit < b's    a's begin < b's
//		                                             begin               commit
//		repeatable read  a's commit < b's snapshot   a's commit < b's    a's snapshot <
//		                                             snapshot            b's commit
//
//	  - Read committed thus forbids G0 and G1c, with real-time edges too, and
//	    cycles in which an rt edge leads to every rw edge: a reader that began after
//	    another was acknowledged, and does not see it ("stale read"). Others with
//	    an rw edge are allowed.
//	  - Repeatable read is snapshot isolation. It forbids all cycles in which no two
//	    rw follow each other, with real-time edges too. With two in a row the way
//	    leads back in time: G2-item is allowed.
//	  - Serializable forbids G2-item besides. It doesn't promise that the serial
//	    order is that of time, so a cycle with two rw in a row and an rt edge is not
//	    held against it; those without two in a row would still break the promise
//	    of its snapshots.
//
// # What is certain
//
// A transaction whose COMMIT got no answer has committed if anybody has read an
// element of it; without that it counts for nothing. It is never the source of
// an rt edge. Every key should be read by a transaction that begins when all
// others have ended: only then is a lost append sure to be found.
package elle
