package driver

import (
	"context"
	"database/sql"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/wire"
)

// maxClients bounds the connections made through one Dial.
const maxClients = 10000

// Dial makes a function that connects to the cluster whatever address it is
// given, for pgconn.Config.DialFunc. The client is trusted to be the user it
// names. A connection's Close returns when its session has ended and what it had
// not committed is rolled back. A cancel request must be dialled by the same
// function as the connection it is for.
func Dial(cluster *pglite.Cluster) pgconn.DialFunc {
	server, err := wire.New(wire.Options{Cluster: cluster, Auth: wire.RequirePassword, MaxClients: maxClients})
	return func(context.Context, string, string) (net.Conn, error) {
		if err != nil {
			return nil, err
		}
		client, backend := newPipe()
		c := &clientConn{pipeEnd: client, served: make(chan struct{})}
		go func() {
			defer close(c.served)
			// An error has been told to the client. The session's life is the
			// connection's, not that of the context it was dialled with.
			server.ServeConn(context.Background(), backend, true)
		}()
		return c, nil
	}
}

// clientConn is the client's end of a pipe, and owns the goroutine that serves
// the other.
type clientConn struct {
	*pipeEnd
	served chan struct{}
}

func (c *clientConn) Close() error {
	c.pipeEnd.Close()
	<-c.served
	return nil
}

// ConnConfig is a configuration for pgx.ConnectConfig: user and database are
// postgres. Environment variables such as PGUSER, which mean another server, do
// not change it; the error is a PGSERVICE that pgx can't read.
func ConnConfig(cluster *pglite.Cluster) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(connString)
	if err != nil {
		return nil, fmt.Errorf("pgx configuration: %w", err)
	}
	adapt(config, Dial(cluster))
	return config, nil
}

// PoolConfig is a configuration for pgxpool.NewWithConfig, with the defaults of
// ConnConfig.
func PoolConfig(cluster *pglite.Cluster) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(connString)
	if err != nil {
		return nil, fmt.Errorf("pgx configuration: %w", err)
	}
	adapt(config.ConnConfig, Dial(cluster))
	return config, nil
}

// OpenDB is a pool of database/sql on the cluster. Closing it leaves the cluster
// open.
func OpenDB(cluster *pglite.Cluster) (*sql.DB, error) {
	config, err := ConnConfig(cluster)
	if err != nil {
		return nil, err
	}
	return stdlib.OpenDB(*config), nil
}

// connString says everything that pgx would otherwise take from the environment.
const connString = "host=howdah port=5432 user=postgres password='' database=postgres sslmode=disable target_session_attrs=any"

func adapt(config *pgx.ConnConfig, dial pgconn.DialFunc) {
	config.DialFunc = dial
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	config.ConnectTimeout = 0
	config.RuntimeParams = make(map[string]string) // those of PGOPTIONS and PGTZ
}
