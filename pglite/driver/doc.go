// Package driver gives Go programs a cluster without a network.
//
// With database/sql, the data source name says which cluster; it is opened at
// the first use and closed with the [database/sql.DB]:
//
//	sql.Open("howdah", "")                                  // in memory, for this DB alone
//	sql.Open("howdah", "dir=/var/lib/app user=app")         // a data directory
//	sql.Open("howdah", "file:///var/lib/app?user=app")      // the same
//
// A name is a list of key=value, in single quotes where a value has spaces, or
// a file: URL with the keys in its query. The keys are
//
//	dir         data directory, "" is memory
//	user        role, postgres if not given
//	database    (or dbname) postgres if not given
//	extensions  npm extension packages, separated by commas
//
// and every other key is a run-time parameter of the sessions, such as
// search_path.
//
// A program that has a [pglite.Cluster] uses [OpenDB] for database/sql, and
// [ConnConfig], [PoolConfig] or [Dial] for pgx.
//
// Under all of them is pgx, which speaks the wire protocol with a session of
// the cluster through a pipe in memory. The bytes are those that a client over TCP
// sends, so a program moves between the two without a change in behaviour.
package driver
