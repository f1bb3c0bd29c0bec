// Package pgtest gives every test a PostgreSQL of its own:
//
//	var migrated = pgtest.WithTemplate(os.DirFS("migrations"))
//
//	func TestOrders(t *testing.T) {
//		t.Parallel()
//		db := pgtest.New(t, migrated) // db.SQL(), db.Pool(), db.ConnConfig() or db.DSN()
//	}
//
// What New gives is a whole cluster in this process, a clone of an image: files
// are shared until one of the two writes, so a migrated database costs as much as
// an empty one. Roles, settings, sequences and crashes are the test's own, and
// nothing has to be rolled back or dropped.
//
// # Templates
//
// The image is what package [template] makes of a folder of migrations, a schema,
// a dump or a Go function. The process makes or reads it once, and other processes
// find it in the cache, until one of the files changes. An option reads its files
// once: make it once, in a variable of the package.
//
// # Subtests
//
// What a test has made the subtests can begin with: db.Fork(t) gives each of them a
// copy of its own. There is no going back, as [pglite.Cluster.Rewind] does for
// programs that have one server: it ends all connections, and nothing could run in
// parallel.
//
// # The end of a test
//
// t.Cleanup closes the pools, then the listener, then the cluster. A connection
// that is then still in use fails the test, with the place where it was taken;
// nothing waits for it. With [KeepFailed], or HOWDAH_KEEP_FAILED=DIR in the
// environment, the database of a test that has failed is written to a folder, and
// the test's log has the command that opens it.
//
// # What it costs
//
// The machine code and the images are there once in the process, some 110 MB,
// and stay to its end. A database has about 1.5 MB, 4.5 MB when a connection has
// run a statement, and a copy of what it writes, its WAL included. New takes 5 ms
// on a busy machine; to make one, use it and close it takes 20 to 30 (BenchmarkNew).
// The first in a process loads the engine: 0.3 s of a processor.
package pgtest
