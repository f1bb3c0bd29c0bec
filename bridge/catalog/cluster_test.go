package catalog_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

var le = binary.LittleEndian

// segmentName is the name of the file that has a position of the log, on timeline 1.
func segmentName(l wal.LSN) string {
	return fmt.Sprintf("%08X%08X%08X", 1, uint64(l)>>32, uint64(l)>>24&0xff)
}

// server is a cluster whose data directory can be looked at.
type server struct {
	dir    string
	config func(t *testing.T, database string) *pgx.ConnConfig
}

// servers are those that a test is done with: in a soak run also one of 64 bits, of
// another minor version and with processes of its own.
func servers() map[string]func(*testing.T) *server {
	all := map[string]func(*testing.T) *server{"howdah": howdah}
	if need.Choose(0, 1) == 1 {
		all["native"] = native
	}
	return all
}

func howdah(t *testing.T) *server {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	return &server{dir, start(t, dir)}
}

// start opens a cluster for the length of the test.
func start(t *testing.T, dir string) func(*testing.T, string) *pgx.ConnConfig {
	t.Helper()
	c, err := pglite.Open(t.Context(), pglite.Options{
		Dir: dir, MaxBackends: 4, NoHousekeeping: true,
		Settings: []pglite.Setting{
			{Name: "wal_keep_size", Value: "2GB"}, {Name: "max_wal_size", Value: "4GB"}, {Name: "max_prepared_transactions", Value: "20"}, {Name: "fsync", Value: "off"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error("close:", err)
		}
	})
	return func(t *testing.T, database string) *pgx.ConnConfig {
		t.Helper()
		cfg, err := driver.ConnConfig(c)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Database = database
		return cfg
	}
}

func native(t *testing.T) *server {
	t.Helper()
	n := need.StartNative(t, "wal_keep_size=2GB", "max_wal_size=4GB", "max_prepared_transactions=20", "checkpoint_timeout=1h", "autovacuum=off")
	return &server{n.DataDir, func(t *testing.T, database string) *pgx.ConnConfig {
		t.Helper()
		cfg, err := pgx.ParseConfig(n.URL(database))
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}}
}

func (s *server) open(t *testing.T, database string) *pgx.Conn {
	t.Helper()
	cfg := s.config(t, database)
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// flush has everything that was logged written.
func flush(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	exec(t, conn, "select pg_logical_emit_message(false, '', '', true)")
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// step is one of a script: a statement, or several that make one message.
type step struct {
	sql     string
	session string // whose; "" is the first
}

// script reads testdata: a statement ends with a semicolon at the end of a line, and
// "--" begins a line that is a remark. "\one" at the end of a remark takes all lines
// up to the next remark as one message, and "\in NAME" makes it another session's.
func script(t *testing.T, name string) []step {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	var sql strings.Builder
	session, one := "", false
	end := func() {
		if s := strings.TrimSpace(sql.String()); s != "" {
			steps = append(steps, step{s, session})
		}
		sql.Reset()
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if remark, ok := strings.CutPrefix(line, "--"); ok {
			end()
			session, one = "", strings.HasSuffix(remark, `\one`)
			if _, in, ok := strings.Cut(remark, `\in `); ok {
				session = in
			}
			continue
		}
		sql.WriteString(line + "\n")
		if !one && strings.HasSuffix(line, ";") {
			end()
		}
	}
	end()
	return steps
}
