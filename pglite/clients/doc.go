// Package clients has tests only: the client libraries that applications use,
// unmodified, against Howdah and against a native PostgreSQL. What a library's
// test demands is what the native server does; a test that only Howdah passes
// would prove nothing.
//
//   - pgxpool, and database/sql pools over pgx and over pglite/driver, run in the
//     test's own process.
//   - npm's pg, pg-cursor, postgres, knex and kysely run on Node. The programs
//     are in testdata/node, where package.json pins the versions; npm installs
//     them once per machine, with the user's own configuration.
//   - What Postgrex and Ecto send is played message by message, because neither
//     can be installed without hex.pm: see postgrex_test.go. There the two
//     servers' answers are compared.
//
// Each test has a database of its own. One that needs a session to be waiting for
// a lock does not wait for a time to pass, but reads pg_locks until it is.
package clients
