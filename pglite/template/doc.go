// Package template makes a database once and gives it many times: what a folder
// of migrations, a schema or a dump makes of a new cluster is kept as an image
// ([pglite.Image]), under a key of all that it comes from.
//
// # Sources
//
// A folder ([Dir]) holds migrations. What kind they are shows in them:
//
//	goose           -- +goose Up, Down, StatementBegin, StatementEnd, NO TRANSACTION
//	dbmate          -- migrate:up, migrate:down, with transaction:false
//	golang-migrate  NAME.up.sql; NAME.down.sql and others are left out
//	Prisma          NAME/migration.sql, where the folder has no *.sql itself
//	others          *.sql
//
// Only what goes up is run. goose's and golang-migrate's go by the number that
// their names begin with, the others by name. A migration of goose, dbmate or
// golang-migrate is a transaction, as those tools have it; in other files each
// statement is one, as for psql.
//
// A file ([File]) is a schema, or a dump of pg_dump's plain format, with COPY …
// FROM stdin and its rows. Of psql's own commands \restrict and \unrestrict,
// which newer dumps have, are ignored, and others refused. Roles that a dump
// names must be there: pg_dump --no-owner --no-privileges leaves them out.
//
// Files are UTF-8 and read into memory. Each runs as role postgres in database
// postgres, on a session that begins anew. The first statement that fails ends
// it, with an [Error] that says where.
//
// # Where templates are kept
//
// In the folder templates of the cache, as [wasm.Folder] has it: private, each
// file whole, at most 64 files and 2 GiB, of which those not used for longest go.
// The name of a file is the SHA-256 of the names and contents of the source, of
// the artifact, the extensions, the settings and the versions of the formats. A
// file that is damaged, by its own checksum, is made again. Of several callers
// that want the same, in one process or several, one makes it, and the others wait
// and read it; without a cache that can be written each makes its own.
package template
