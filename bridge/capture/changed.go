package capture

import "github.com/howdahdb/howdah/bridge/wal"

// CatalogChange is the last commit that has changed a catalog.
type CatalogChange struct {
	LSN wal.LSN // where its record ends
	// XID is the newest of all transactions and subtransactions that have.
	XID uint32
}

// CatalogChange tells whether a catalog may have changed since it was asked before:
// if not, it gives the same as then. It says so before the sets of later commits are
// in the feed. Who reads a catalog by SQL then may still not see the change, until
// XID is below what pg_current_snapshot() has as xmin: a transaction is in the log
// before it has ended for others.
func (c *Capture) CatalogChange() CatalogChange {
	if last := c.catalogs.Load(); last != nil {
		return *last
	}
	return CatalogChange{}
}

func (c *Capture) noteCatalogs(at wal.LSN, xids []uint32) {
	next := CatalogChange{LSN: at, XID: c.CatalogChange().XID}
	for _, xid := range xids {
		if next.XID == 0 || int32(xid-next.XID) > 0 { // they wrap around
			next.XID = xid
		}
	}
	c.catalogs.Store(&next)
}
