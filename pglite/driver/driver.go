package driver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/howdahdb/howdah/pglite"
)

func init() { sql.Register("howdah", Driver{}) }

// Driver is the database/sql driver "howdah".
type Driver struct{}

var (
	_ driver.DriverContext = Driver{}
	_ driver.Connector     = (*Connector)(nil)
)

// Open is not supported: a connection alone has nobody who closes its cluster.
// database/sql does not call it.
func (Driver) Open(string) (driver.Conn, error) {
	return nil, errors.New("howdah: use OpenConnector")
}

// OpenConnector reads a data source name. Nothing is opened yet.
func (Driver) OpenConnector(name string) (driver.Connector, error) { return NewConnector(name) }

// Connector connects to the cluster of one data source name, for
// [database/sql.OpenDB]. It opens the cluster at the first Connect and owns it.
// Its methods may be called on any goroutine.
type Connector struct {
	dsn *dsn
	// turn holds one token; whoever has it may touch the fields below.
	turn    chan struct{}
	cluster *pglite.Cluster
	inner   driver.Connector
	closed  bool
}

// NewConnector reads a data source name. Nothing is opened yet.
func NewConnector(name string) (*Connector, error) {
	d, err := parseDSN(name)
	if err != nil {
		return nil, err
	}
	c := &Connector{dsn: d, turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c, nil
}

// Driver returns the driver.
func (c *Connector) Driver() driver.Driver { return Driver{} }

// Connect makes a connection, and opens the cluster if that has not been done
// or has failed before.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	return inner.Connect(ctx)
}

func (c *Connector) open(ctx context.Context) (driver.Connector, error) {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { c.turn <- struct{}{} }()
	switch {
	case c.closed:
		return nil, sql.ErrConnDone
	case c.inner != nil:
		return c.inner, nil
	}
	cluster, err := pglite.Open(ctx, pglite.Options{Dir: c.dsn.dir, Extensions: c.dsn.extensions})
	if err != nil {
		return nil, fmt.Errorf("open cluster: %w", err)
	}
	config, err := ConnConfig(cluster)
	if err != nil {
		return nil, errors.Join(err, cluster.Close(ctx))
	}
	c.dsn.apply(config)
	c.cluster, c.inner = cluster, stdlib.GetConnector(*config)
	return c.inner, nil
}

func (d *dsn) apply(config *pgx.ConnConfig) {
	config.User, config.Database = d.user, d.database
	config.RuntimeParams = d.params
}

// Close closes the cluster; database/sql calls it when the DB is closed. Rows
// and transactions that are still open fail.
func (c *Connector) Close() error {
	<-c.turn
	defer func() { c.turn <- struct{}{} }()
	if c.closed {
		return nil
	}
	c.closed = true
	if c.cluster == nil {
		return nil
	}
	return c.cluster.Close(context.Background())
}
