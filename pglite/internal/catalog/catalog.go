// Package catalog is what Howdah adds to the catalogs that initdb makes: the
// views howdah_stat and howdah_marks, and the functions that make marks. The
// native servers of tests are given the same, so that whatever counts or lists
// catalogs can be compared.
//
// They are made where initdb makes the system's own views, before it notes initial
// privileges and copies template1: so they are in pg_catalog of every database,
// readable by all, in no dump, and takes no OID that an object of a user's would
// get.
package catalog

import (
	_ "embed"
	"slices"
)

// View is the SQL that makes howdah_stat.
//
//go:embed howdah_stat.sql
var View string

// Marks is the SQL that makes howdah_marks and its functions.
//
//go:embed howdah_marks.sql
var Marks string

// SystemViews is the name of the file in Postgres' share folder that initdb
// runs for the system's views.
const SystemViews = "system_views.sql"

// Extend returns a copy of that file with both.
func Extend(systemViews []byte) []byte {
	return slices.Concat(systemViews, []byte("\n"+View+Marks))
}
