package replication_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// variable is what differs from server to server.
var variable = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`\b[0-9A-F]+/[0-9A-F]+\b`), "LSN"},
	{regexp.MustCompile(`\b[0-9A-F]{8}-[0-9A-F]{8}-[0-9]+\b`), "SNAPSHOT"},
	{regexp.MustCompile(`\b[0-9]{19}\b`), "SYSTEM"},
	{regexp.MustCompile(`\bPID [0-9]+\b`), "PID"},
}

// ask runs a statement and tells all that the server answers.
func ask(ctx context.Context, conn *pgconn.PgConn, sql string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n", sql)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	results, err := conn.Exec(ctx, sql).ReadAll()
	for _, r := range results {
		for _, f := range r.FieldDescriptions {
			fmt.Fprintf(&out, "  %s %d %d %d", f.Name, f.DataTypeOID, f.DataTypeSize, f.TypeModifier)
		}
		for _, row := range r.Rows {
			fmt.Fprintf(&out, "\n  %q", row)
		}
		fmt.Fprintf(&out, "\n  %s\n", r.CommandTag)
	}
	var e *pgconn.PgError
	switch {
	case errors.As(err, &e):
		fmt.Fprintf(&out, "  %s %s %s detail %q hint %q\n", e.Severity, e.Code, e.Message, e.Detail, e.Hint)
	case err != nil:
		fmt.Fprintf(&out, "  %v\n", err)
	}
	fmt.Fprintf(&out, "  %c\n", conn.TxStatus())
	s := out.String()
	for _, v := range variable {
		s = v.what.ReplaceAllString(s, v.by)
	}
	return s
}

// TestCommands: the answers to replication commands are Postgres' own, to the byte
// but for what names the server.
func TestCommands(t *testing.T) {
	native := need.StartNative(t)
	ours := serve(t)
	script, err := os.ReadFile("testdata/commands.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{native.URL("postgres"), ours.url()} {
		if _, err := connect(t, url, "").Exec(t.Context(), "create publication p for all tables; create role app login; create role rep login replication").ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	theirs, mine := connect(t, native.URL("postgres"), "database"), connect(t, ours.url(), "database")
	for line := range strings.Lines(string(script)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "--") {
			continue
		}
		want, got := ask(t.Context(), theirs, line), ask(t.Context(), mine, line)
		if got != want {
			t.Errorf("got\n%s\nexpected\n%s", got, want)
		}
	}
}
