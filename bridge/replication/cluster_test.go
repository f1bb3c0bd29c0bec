package replication_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/bridge/capture"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/replication"
	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
	"github.com/howdahdb/howdah/pglite/wire"
)

// served is a cluster whose writes are captured, and that listens.
type served struct {
	cluster *pglite.Cluster
	capture *capture.Capture
	front   *wire.Server
	addr    *net.TCPAddr
	log     journal
	done    chan error // of front
}

// journal is what the server has logged.
type journal struct {
	sync.Mutex
	bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.Lock()
	defer j.Unlock()
	return j.Buffer.Write(p)
}

func (j *journal) String() string {
	j.Lock()
	defer j.Unlock()
	return j.Buffer.String()
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

// open serves a cluster, in memory if dir is "".
func open(ctx context.Context, dir, listen string) (s *served, err error) {
	s = &served{done: make(chan error, 1)}
	o := capture.Options{Output: func(ctx context.Context, database string, t *value.Type, datum []byte) (string, error) {
		return s.cluster.Output(ctx, database, t.Output, t.ByVal, t.Length, datum)
	}}
	var logDir string
	if dir != "" {
		o.Dir, logDir = filepath.Join(dir, "howdah", "capture"), filepath.Join(dir, "howdah", "feed")
	}
	o.Feed = func(id feed.ID, start wal.LSN) (*feed.Log, error) {
		return feed.Open(feed.Options{Dir: logDir, ID: id, Start: start})
	}
	s.capture = capture.New(o)
	if s.cluster, err = pglite.Open(ctx, pglite.Options{Dir: dir, Watcher: s.capture}); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, errors.Join(err, s.cluster.Close(ctx), s.capture.Close())
	}
	s.addr = l.Addr().(*net.TCPAddr)
	server := replication.New(replication.Options{
		Logger: zerolog.New(&s.log),
		Log:    s.capture.Feed(), Drain: s.capture.Drain, Position: s.capture.Position, Connect: connector(s.cluster),
		CatalogChange: func() (wal.LSN, uint32) { c := s.capture.CatalogChange(); return c.LSN, c.XID },
	})
	s.front, err = wire.New(wire.Options{Cluster: s.cluster, MaxClients: 100, Replication: adapter{server}})
	if err != nil {
		return nil, err
	}
	go func() { s.done <- s.front.Serve(ctx, l) }()
	return s, nil
}

func (s *served) close() error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.front.Shutdown(now) // connections end at once
	<-s.done
	return errors.Join(s.cluster.Close(context.Background()), s.capture.Close(), s.capture.Feed().Close())
}

// serve serves a cluster in memory until the test ends.
func serve(t *testing.T) *served {
	t.Helper()
	s, err := open(context.WithoutCancel(t.Context()), "", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *served) url() string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: "127.0.0.1:" + strconv.Itoa(s.addr.Port), Path: "/postgres", RawQuery: "sslmode=disable"}
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
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		conn.Close(ctx)
	})
	return conn
}

// run runs statements, each in a message of its own.
func run(t *testing.T, conn *pgconn.PgConn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}
