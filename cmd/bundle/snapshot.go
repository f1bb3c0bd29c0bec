package bundle

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
)

// tables reads a cluster's tables for subscribers that begin with what is there.
type tables struct{ cluster *pglite.Cluster }

// snapshot is a transaction on a connection of its own, by the superuser: policies
// of row-level security do not apply, as they don't to the stream.
type snapshot struct{ conn *pgconn.PgConn }

// asValues makes output functions write what package value reads.
var asValues = map[string]string{
	"DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "TimeZone": "UTC", "extra_float_digits": "1",
	"bytea_output": "hex", "xmloption": "content", "client_encoding": "UTF8", "search_path": "",
	"statement_timeout": "0", "lock_timeout": "0", "transaction_timeout": "0",
	"idle_in_transaction_session_timeout": "0", "application_name": "howdah feed",
}

// Snapshot implements feed.Snapshotter.
func (t tables) Snapshot(ctx context.Context, database string) (feed.Snapshot, error) {
	config, err := driver.ConnConfig(t.cluster)
	if err != nil {
		return nil, err
	}
	config.Database = database
	for name, v := range asValues {
		config.RuntimeParams[name] = v
	}
	conn, err := pgconn.ConnectConfig(ctx, &config.Config)
	if err != nil {
		return nil, err
	}
	s := &snapshot{conn}
	if err := s.begin(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// State implements feed.Snapshot.
func (s *snapshot) State(ctx context.Context) (snapshot string, insert wal.LSN, err error) {
	// One statement after the other: the position is to be taken after the snapshot.
	if snapshot, err = s.one(ctx, "select pg_current_snapshot()"); err != nil {
		return "", 0, err
	}
	at, err := s.one(ctx, "select pg_current_wal_insert_lsn()")
	if err == nil {
		insert, err = wal.ParseLSN(at)
	}
	return snapshot, insert, err
}

func (s *snapshot) one(ctx context.Context, sql string) (string, error) {
	r, err := s.conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	return string(r[0].Rows[0][0]), nil
}

// Tables implements feed.Snapshot.
func (s *snapshot) Tables(ctx context.Context) ([]*change.Table, error) {
	return readShapes(ctx, s.conn)
}

// Rows implements feed.Snapshot.
func (s *snapshot) Rows(ctx context.Context, t *change.Table, yield func([]*string) bool) error {
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = pgx.Identifier{c.Name}.Sanitize()
	}
	// ONLY: the rows of children are theirs.
	r := s.conn.Exec(ctx, fmt.Sprintf("select %s from only %s", strings.Join(columns, ", "), pgx.Identifier{t.Schema, t.Name}.Sanitize()))
	texts, row := make([]string, len(columns)), make([]*string, len(columns))
	more := true
	for r.NextResult() {
		rows := r.ResultReader()
		for more && rows.NextRow() {
			for i, b := range rows.Values() {
				row[i] = nil
				if b != nil {
					texts[i] = string(b)
					row[i] = &texts[i]
				}
			}
			more = yield(row)
		}
		if !more { // its rest need not be read: the connection is closed
			return s.conn.Close(ctx)
		}
	}
	return r.Close()
}

// Close implements feed.Snapshot.
func (s *snapshot) Close() error { return s.conn.Close(context.Background()) }
