package capture_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/capture"
	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// captured is a cluster whose writes are captured.
type captured struct {
	t       *testing.T
	dir     string
	cluster *pglite.Cluster
	capture *capture.Capture
	config  *pgx.ConnConfig
}

// openCaptured opens a cluster, in memory if dir is "", until the test ends.
func openCaptured(t *testing.T, dir string, more ...func(*pglite.Options, *capture.Options)) *captured {
	t.Helper()
	c := &captured{t: t, dir: dir}
	o := pglite.Options{Dir: dir}
	co := capture.Options{Feed: func(id feed.ID, start wal.LSN) (*feed.Log, error) {
		return feed.Open(feed.Options{ID: id, Start: start, RingBytes: 1 << 30, RingSets: 1 << 30})
	}}
	if dir != "" {
		co.Dir = filepath.Join(dir, "howdah", "capture")
	}
	for _, f := range more {
		f(&o, &co)
	}
	c.capture = capture.New(co)
	o.Watcher = c.capture
	var err error
	if c.cluster, err = pglite.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	if c.config, err = driver.ConnConfig(c.cluster); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *captured) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if c.cluster == nil {
		return
	}
	if err := c.cluster.Close(ctx); err != nil {
		c.t.Error(err)
	}
	if err := c.capture.Close(); err != nil {
		c.t.Error(err)
	}
	if err := c.capture.Feed().Close(); err != nil {
		c.t.Error(err)
	}
	c.cluster = nil
}

func (c *captured) connect() *pgx.Conn {
	c.t.Helper()
	conn, err := pgx.ConnectConfig(c.t.Context(), c.config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// exec runs statements, each in a message of its own.
func exec(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// sets gives all sets of the database that are in the feed when what was committed
// before is.
func (c *captured) sets(database string, after wal.LSN) (sets []*change.Set) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	if err := c.capture.Drain(ctx); err != nil {
		c.t.Fatal(err)
	}
	log := c.capture.Feed()
	from := feed.Start
	if after > 0 {
		from = feed.After(after)
	}
	s, err := log.Subscribe(ctx, feed.SubscribeOptions{Database: database, From: from})
	if err != nil {
		c.t.Fatal(err)
	}
	defer s.Close()
	last := log.Last()
	ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	for {
		// What is there comes at once.
		next, stop := context.WithTimeout(ctx, 200*time.Millisecond)
		set, err := s.Next(next)
		stop()
		if err != nil {
			if next.Err() != nil && ctx.Err() == nil {
				return sets
			}
			c.t.Fatal(err)
		}
		if len(set.Changes) > 0 {
			sets = append(sets, set)
		}
		if s.Position() >= last {
			return sets
		}
	}
}

// describe writes sets for people, without what differs from run to run.
func describe(sets []*change.Set) string {
	var b strings.Builder
	for _, s := range sets {
		if s.Part == 0 {
			b.WriteString("begin")
			if s.Origin != "" {
				fmt.Fprintf(&b, " origin %s %v", s.Origin, s.OriginLSN)
			}
			if s.GID != "" {
				fmt.Fprintf(&b, " prepared as %s", s.GID)
			}
			b.WriteString("\n")
		}
		for i := range s.Changes {
			fmt.Fprintf(&b, "  %s\n", describeChange(&s.Changes[i]))
		}
		if !s.More {
			b.WriteString("commit\n")
		}
	}
	return b.String()
}

func describeChange(c *change.Change) string {
	var b strings.Builder
	b.WriteString(c.Kind.String())
	if m := c.Message; m != nil {
		fmt.Fprintf(&b, " transactional %v prefix %q content %q", m.Transactional, m.Prefix, m.Content)
		return b.String()
	}
	fmt.Fprintf(&b, " %s.%s", c.Table.Schema, c.Table.Name)
	switch c.Kind {
	case change.DDL:
		fmt.Fprintf(&b, " %v identity %c", c.Command, c.Table.Identity)
		for _, col := range c.Table.Columns {
			key := ""
			if col.Key {
				key = "!"
			}
			fmt.Fprintf(&b, " %s%s:%s", col.Name, key, col.Type.Name)
		}
	case change.Truncate:
		fmt.Fprintf(&b, " cascade %v restart %v", c.Cascade, c.RestartIdentity)
	default:
		if c.Old != nil {
			b.WriteString(" old" + describeRow(c.Table, c.Old, true))
		}
		if c.New != nil {
			b.WriteString(" new" + describeRow(c.Table, c.New, false))
		}
		if c.Changed != nil {
			fmt.Fprintf(&b, " changed %v", c.Changed)
		}
	}
	return b.String()
}

func describeRow(t *change.Table, row []any, skipNulls bool) string {
	var b strings.Builder
	for i, v := range row {
		switch v := v.(type) {
		case nil:
			if !skipNulls {
				fmt.Fprintf(&b, " %s=null", t.Columns[i].Name)
			}
		case value.Unchanged:
			fmt.Fprintf(&b, " %s unchanged", t.Columns[i].Name)
		case value.Raw:
			fmt.Fprintf(&b, " %s raw %x", t.Columns[i].Name, []byte(v))
		default:
			text := string(value.AppendText(nil, t.Columns[i].Type, v))
			if len(text) > 60 {
				text = fmt.Sprintf("%s…(%d)", text[:20], len(text))
			}
			fmt.Fprintf(&b, " %s=%q", t.Columns[i].Name, text)
		}
	}
	return b.String()
}

// golden compares with testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
		for i := range max(len(g), len(w)) {
			var a, b string
			if i < len(g) {
				a = g[i]
			}
			if i < len(w) {
				b = w[i]
			}
			if a != b {
				t.Fatalf("%s, line %d:\ngot      %s\nexpected %s", file, i+1, a, b)
			}
		}
	}
}
