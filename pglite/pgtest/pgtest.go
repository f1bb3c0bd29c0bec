package pgtest

import (
	"context"
	"database/sql"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
)

// DB is the database of one test. Its methods may be called from any goroutine
// as long as the test runs, and fail the test when they can't give what they are
// asked for, as t.Fatal does.
type DB struct {
	t       testing.TB
	cluster *pglite.Cluster
	config  *config
	open    connections

	mu    sync.Mutex
	sql   *sql.DB       // nil until it is asked for, as the others
	pool  *pgxpool.Pool //
	front *listener     //
}

// New gives a database that ends with the test.
func New(t testing.TB, options ...Option) *DB {
	t.Helper()
	c := configure(options)
	i, err := c.image(t)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return c.open(t, i)
}

// Fork gives t, most often a subtest, a database of its own that begins with what
// is committed in db at this moment; what is in the middle of a transaction is not
// in it, and unlogged tables are empty. Neither sees the other from then on, so
// subtests may run in parallel, and db and its connections go on. It takes some 25
// ms: New is faster for what a template can hold.
func (db *DB) Fork(t testing.TB) *DB {
	t.Helper()
	i, err := db.cluster.Fork(t.Context())
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	defer i.Close() // its clone keeps what it needs
	return db.config.open(t, i)
}

// open starts the database of a test.
func (c *config) open(t testing.TB, i *pglite.Image) *DB {
	t.Helper()
	cluster, err := i.Open(t.Context(), pglite.Options{Settings: c.options.Settings})
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	db := &DB{t: t, cluster: cluster, config: c}
	t.Cleanup(db.close)
	return db
}

// Cluster is the whole of it.
func (db *DB) Cluster() *pglite.Cluster { return db.cluster }

// ConnConfig is for pgx.ConnectConfig: role and database are postgres. The test
// closes what it connects.
func (db *DB) ConnConfig() *pgx.ConnConfig {
	db.t.Helper()
	config, err := driver.ConnConfig(db.cluster)
	if err != nil {
		db.t.Fatalf("pgtest: %v", err)
	}
	config.DialFunc = db.open.dial(config.DialFunc)
	return config
}

// SQL is a pool of database/sql, with pgx as its driver.
func (db *DB) SQL() *sql.DB {
	db.t.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.sql == nil {
		db.sql = stdlib.OpenDB(*db.ConnConfig(), stdlib.OptionResetSession(func(_ context.Context, conn *pgx.Conn) error {
			taken(conn)
			return nil
		}))
	}
	return db.sql
}

// Pool is a pool of pgx.
func (db *DB) Pool() *pgxpool.Pool {
	db.t.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.pool != nil {
		return db.pool
	}
	config, err := driver.PoolConfig(db.cluster)
	if err != nil {
		db.t.Fatalf("pgtest: %v", err)
	}
	config.ConnConfig.DialFunc = db.open.dial(config.ConnConfig.DialFunc)
	config.BeforeAcquire = func(_ context.Context, conn *pgx.Conn) bool {
		taken(conn)
		return true
	}
	if db.pool, err = pgxpool.NewWithConfig(context.Background(), config); err != nil {
		db.t.Fatalf("pgtest: %v", err)
	}
	return db.pool
}

// DSN is the database's address, a URL for another process or any other driver.
// It listens on a free port of 127.0.0.1, where everyone on this machine is
// trusted.
func (db *DB) DSN() string {
	db.t.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.front == nil {
		front, err := listen(db.cluster)
		if err != nil {
			db.t.Fatalf("pgtest: %v", err)
		}
		db.front = front
	}
	return db.front.url
}
