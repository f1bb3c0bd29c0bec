package pglite_test

import (
	"testing"

	"github.com/howdahdb/howdah/pglite"
)

// TestCheckpointAfterChangeOfRoot: names that come and go in the data directory
// itself, as by ALTER SYSTEM, are synced once, and checkpoints go on.
func TestCheckpointAfterChangeOfRoot(t *testing.T) {
	dir := t.TempDir()
	c := openCluster(t, func(o *pglite.Options) { o.Dir = dir })
	conn := connect(t, c, nil)
	for range 2 {
		exec(t, conn, "alter system set work_mem = '5MB'")
		exec(t, conn, "checkpoint")
		exec(t, conn, "alter system reset all")
		exec(t, conn, "checkpoint")
	}
}
