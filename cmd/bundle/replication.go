package bundle

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/howdahdb/howdah/bridge/replication"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
	"github.com/howdahdb/howdah/pglite/wire"
)

// replicated is the feed for wire.Options.Replication.
type replicated struct{ server *replication.Server }

// ServeReplication implements wire.Replication.
func (r replicated) ServeReplication(ctx context.Context, s *pglite.Session, client pglite.Client) error {
	return r.server.Serve(ctx, replication.Session{
		Client: client, PID: s.PID(),
		Serve: func(ctx context.Context, c replication.Client) error { return s.Serve(ctx, c) },
	})
}

// Replication serves connections in replication mode from the feed; nil without one.
func (d *Database) Replication() wire.Replication {
	if d.capture == nil {
		return nil
	}
	return replicated{replication.New(replication.Options{
		Logger: d.log,
		Log:    d.Feed(), Drain: d.capture.Drain, Position: d.capture.Position, Connect: d.connect, Snapshot: d.Tables(),
		CatalogChange: func() (wal.LSN, uint32) {
			last := d.capture.CatalogChange()
			return last.LSN, last.XID
		},
	})}
}

// connect gives connections of the host's own to a database. Their errors are their
// caller's: Postgres' log is spared those, and two lines for each slot that moves on.
func (d *Database) connect(database string) (*sql.DB, error) {
	config, err := driver.ConnConfig(d.Cluster)
	if err != nil {
		return nil, err
	}
	config.Database = database
	config.RuntimeParams["application_name"] = "howdah feed"
	config.RuntimeParams["log_min_messages"] = "panic"
	return stdlib.OpenDB(*config), nil
}
