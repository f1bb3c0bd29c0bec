package clients_test

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/pglite/wire"
)

// A server is one that clients connect to over TCP as role postgres.
type server struct {
	name    string
	addr    string          // host:port
	cluster *pglite.Cluster // nil: native
}

// A database is what one test works in.
type database struct {
	*server
	name string
}

// startNative runs the oracle until the end of t.
func startNative(t *testing.T) *server {
	t.Helper()
	n := need.StartNative(t)
	return &server{name: "native", addr: net.JoinHostPort(n.Host, strconv.Itoa(n.Port))}
}

// startHowdah serves a cluster in memory on a loopback port until the end of t;
// backends 0 is Howdah's default.
func startHowdah(t *testing.T, backends int) *server {
	t.Helper()
	log := zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.FatalLevel)
	c, err := pglite.Open(t.Context(), pglite.Options{Logger: log, MaxBackends: backends})
	if err != nil {
		t.Fatal(err)
	}
	s, err := wire.New(wire.Options{Cluster: c, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.WithoutCancel(t.Context()), l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shut down the server: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := c.Close(ctx); err != nil {
			t.Errorf("close the cluster: %v", err)
		}
	})
	h := &server{name: "howdah", addr: l.Addr().String(), cluster: c}
	// Serve may not have begun yet, and a Shutdown before it would be an error.
	database{h, "postgres"}.exec(t, "select 1")
	return h
}

// patience only ends a test whose server has stopped answering.
const patience = time.Minute

var databases atomic.Int32

// newDatabase makes a database and drops it at the end of t, which fails if t
// has left a connection behind.
func (s *server) newDatabase(t *testing.T) database {
	t.Helper()
	name := "t" + strconv.Itoa(int(databases.Add(1)))
	maintenance := database{s, "postgres"}
	maintenance.exec(t, "create database "+name)
	t.Cleanup(func() { maintenance.exec(t, "drop database "+name) })
	return database{s, name}
}

// url is the address that every client library understands.
func (db database) url(params ...string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: db.addr, Path: "/" + db.name}
	u.RawQuery = strings.Join(append(params, "sslmode=disable"), "&")
	return u.String()
}

// connect gives a connection that is closed at the end of t.
func (db database) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConn(t, conn) })
	return conn
}

func closeConn(t *testing.T, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := conn.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// exec runs statements on a connection of its own.
func (db database) exec(t *testing.T, sql ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, db.url())
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t, conn)
	for _, q := range sql {
		if _, err := conn.Exec(ctx, q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// awaitWaiters returns when n sessions wait for locks. Only one test runs at a
// time, so they are the test's own.
func (db database) awaitWaiters(t *testing.T, n int) {
	t.Helper()
	db.await(t, "select count(*) = $1 from pg_locks where not granted", n)
}

// await returns when a query's only value is true.
func (db database) await(t *testing.T, sql string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, db.url())
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t, conn)
	for {
		var ok bool
		if err := conn.QueryRow(ctx, sql, args...).Scan(&ok); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if ok {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
