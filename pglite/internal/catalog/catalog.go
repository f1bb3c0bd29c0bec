// Package catalog is what Howdah adds to the catalogs that initdb makes: the
// view howdah_stat. The native servers of tests are given the same, so that
// whatever counts or lists catalogs can be compared.
//
// It is made where initdb makes the system's own views, before it notes initial
// privileges and copies template1: so it is in pg_catalog of every database,
// readable by all, in no dump, and takes no OID that an object of a user's would
// get.
package catalog

import _ "embed"

// View is the SQL that makes the view.
//
//go:embed howdah_stat.sql
var View string

// SystemViews is the name of the file in Postgres' share folder that initdb
// runs for the system's views.
const SystemViews = "system_views.sql"

// Extend returns a copy of that file with the view.
func Extend(systemViews []byte) []byte {
	b := make([]byte, 0, len(systemViews)+1+len(View))
	return append(append(append(b, systemViews...), '\n'), View...)
}
