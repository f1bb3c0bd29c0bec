package replication_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/replication"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
	"github.com/howdahdb/howdah/pglite/pgtest"
	"github.com/howdahdb/howdah/pglite/wire"
)

// served is a cluster that listens, with a log that the test appends to.
type served struct {
	cluster *pglite.Cluster
	log     *feed.Log
	addr    *net.TCPAddr
}

// adapter is what ties the two interfaces together.
type adapter struct{ server *replication.Server }

func (a adapter) ServeReplication(ctx context.Context, s *pglite.Session, client pglite.Client) error {
	return a.server.Serve(ctx, replication.Session{
		Client: client, PID: s.PID(),
		Serve: func(ctx context.Context, c replication.Client) error { return s.Serve(ctx, c) },
	})
}

func connector(cluster *pglite.Cluster) func(string) (*sql.DB, error) {
	return func(database string) (*sql.DB, error) {
		config, err := driver.ConnConfig(cluster)
		if err != nil {
			return nil, err
		}
		config.Database = database
		config.RuntimeParams["log_min_messages"] = "fatal"
		return stdlib.OpenDB(*config), nil
	}
}

func serve(t *testing.T) *served {
	t.Helper()
	cluster := pgtest.New(t).Cluster()
	s := &served{cluster: cluster}
	var err error
	if s.log, err = feed.Open(feed.Options{Start: s.position(t)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.log.Close() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().(*net.TCPAddr)
	server, err := wire.New(wire.Options{
		Cluster: cluster, MaxClients: 100,
		Replication: adapter{replication.New(replication.Options{Log: s.log, Connect: connector(cluster), Drain: func(context.Context) error { return nil }})},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(t.Context(), l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // at once
		_ = server.Shutdown(ctx)
		<-done
	})
	return s
}

// position is the end of the cluster's log.
func (s *served) position(t *testing.T) wal.LSN {
	t.Helper()
	db, err := driver.OpenDB(s.cluster)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var text string
	if err := db.QueryRowContext(t.Context(), "select pg_current_wal_insert_lsn()").Scan(&text); err != nil {
		t.Fatal(err)
	}
	lsn, err := wal.ParseLSN(text)
	if err != nil {
		t.Fatal(err)
	}
	return lsn
}

func (s *served) url() string { return address(s.addr.Port) }

func address(port int) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: "127.0.0.1:" + strconv.Itoa(port), Path: "/postgres", RawQuery: "sslmode=disable"}
	return u.String()
}

// connect makes a connection, in replication mode or not.
func connect(t *testing.T, url, mode string) *pgconn.PgConn {
	t.Helper()
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	if mode != "" {
		config.RuntimeParams["replication"] = mode
	}
	conn, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// follow takes the log's end along with the cluster's, which changes nothing that is
// published, until the test ends.
func (s *served) follow(t *testing.T) {
	db, err := driver.OpenDB(s.cluster)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			var text string
			if db.QueryRowContext(ctx, "select pg_current_wal_flush_lsn()").Scan(&text) == nil {
				if lsn, err := wal.ParseLSN(text); err == nil {
					s.log.Advance(lsn)
				}
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done; db.Close() })
}
