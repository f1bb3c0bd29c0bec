// Package catalog knows what the tables of a cluster look like, from its files and
// its log alone: no query is ever made.
//
// It keeps copies of those system catalogs that say what a row of a table means,
// for every database: pg_class, pg_attribute, pg_type, pg_enum, pg_namespace,
// pg_index and pg_range, and of the shared ones pg_database and
// pg_replication_origin. There are two layers.
//
// The physical one has the catalogs' tuples by file, page and line pointer, as they
// would be on disk with all pages written. Redo keeps it up with every record of the
// log, in the order of the log, whether the record's transaction commits or not.
// It is needed because the log has only parts of what happens to catalogs: an update
// has what differs from the row before, a delete has where it was, and after a
// checkpoint there is often an image of the page and nothing else.
//
// The logical one has the catalogs' rows by their keys as they are committed. A
// record that changes a catalog is an Op for it, "this key has this row now". Ops
// are to be kept by their transaction until it commits, with its changes of other
// rows and in the order of the log, and gone through then by a View: each row is
// read with the catalogs as its transaction saw them, whatever it did to them before
// and after. Subtransactions that were rolled back are simply left out.
//
// A relation's files change: when VACUUM FULL or CLUSTER rewrite a catalog, it gets
// a new file, which is filled by page images before anybody can know whose it will
// be. But a transient row in pg_class precedes it, whose relrewrite names the
// catalog, and from that on the new file is followed too. Which file is a mapped
// catalog's (pg_class, pg_attribute, pg_type) is in the database's relation map,
// and of the others in pg_class.relfilenode.
//
// Read begins with a data directory on which no server runs, however the last one
// ended: it does what recovery would do, for the catalogs' files and in memory, and
// finds the committed rows by their transactions' states. Catalogs.Save and Load
// keep it all over a restart.
//
// Catalogs and Views are for one goroutine; what they give out, Relations and
// Types, is not changed any more and may be kept and shared.
package catalog
