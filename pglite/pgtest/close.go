package pgtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite/driver"
)

const (
	// farewell is how long a client over TCP may need until the server has read
	// that it has left.
	farewell = 2 * time.Second
	// patience is how long a statement that was terminated may need to end.
	patience = 20 * time.Second
)

// close is the end of the test.
func (db *DB) close() {
	db.t.Helper()
	if err := db.disconnect(); err != nil {
		db.t.Errorf("pgtest: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	if db.t.Failed() && db.config.keepIn != "" {
		err = db.keep(ctx)
	} else {
		err = db.cluster.Close(ctx)
	}
	if err != nil {
		db.t.Errorf("pgtest: %v", err)
	}
}

// disconnect closes pools and listener. The error names what was still in use,
// one line each.
func (db *DB) disconnect() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	var errs []error
	if db.sql != nil {
		errs = append(errs, db.sql.Close())
	}
	// Close waits for connections that are in use. A pool with such stays open.
	if db.pool != nil && db.pool.Stat().AcquiredConns() == 0 {
		db.pool.Close()
	}
	left := db.open.all()
	for _, c := range left {
		errs = append(errs, fmt.Errorf("a connection is still in use, taken %s", c.place()))
	}
	if db.front != nil {
		errs = append(errs, db.clientsLeft(len(left)), db.front.close())
	}
	for _, c := range left {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// clientsLeft names the clients that came over TCP and have not left. known are
// sessions of this process.
func (db *DB) clientsLeft(known int) error {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	for db.cluster.Stats().Sessions > known {
		select {
		case <-time.After(time.Millisecond):
			continue
		case <-ctx.Done():
		}
		return db.nameClients(known)
	}
	return nil
}

// nameClients asks Postgres.
func (db *DB) nameClients(known int) error {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	err := fmt.Errorf("%d clients of DSN() are still connected", db.cluster.Stats().Sessions-known)
	config, cerr := driver.ConnConfig(db.cluster)
	if cerr != nil {
		return errors.Join(err, cerr)
	}
	conn, cerr := pgx.ConnectConfig(ctx, config)
	if cerr != nil {
		return errors.Join(err, cerr)
	}
	defer conn.Close(context.Background())
	rows, _ := conn.Query(ctx, `select format('application %L, %s, last statement: %s', application_name, state, left(query, 200))
		from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend' order by backend_start`)
	names, qerr := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		err = fmt.Errorf("%w; %s", err, name)
	}
	return errors.Join(err, qerr)
}
