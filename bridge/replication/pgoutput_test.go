package replication_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// variants are options of a stream, one of each version of the protocol.
var variants = []struct{ name, options string }{
	{"version 1", "proto_version '1', publication_names 'everything'"},
	{"version 2, binary", "proto_version '2', publication_names 'everything', binary 'true', streaming 'on'"},
	{"version 3, messages", "proto_version '3', publication_names 'everything', messages 'true'"},
	{"version 4, origins", "proto_version '4', publication_names 'everything', origin 'none', streaming 'parallel'"},
	{"filters", "proto_version '4', publication_names 'filtered'"},
	{"roots", "proto_version '4', publication_names 'roots,listed'"},
	{"schema", "proto_version '1', publication_names '\"In Schema\"'"},
	{"inserts only", "proto_version '1', publication_names 'inserts'"},
}

// script gives the statements of a file, one a line.
func script(t *testing.T, name string) (statements []string) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
			statements = append(statements, line)
		}
	}
	return statements
}

// asText are values that are sent as text where Postgres has a binary form.
var asText = regexp.MustCompile(` sv=[tb]"(\\.|[^"\\])*"`)

// TestPgoutput: a stream has the messages that the plugin of a native server writes
// for the same statements.
func TestPgoutput(t *testing.T) {
	native := need.StartNative(t)
	ours := serve(t)
	theirs, mine := connect(t, native.URL("postgres"), ""), connect(t, ours.url(), "")
	setup, work := script(t, "publications.sql"), script(t, "work.sql")
	for _, conn := range []*pgconn.PgConn{theirs, mine} {
		run(t, conn, setup...)
		run(t, conn, "select pg_create_logical_replication_slot('s', 'pgoutput')")
		run(t, conn, work...)
	}
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			want := nativeMessages(t, theirs, v.options)
			conn := connect(t, ours.url(), "database")
			s := subscribe(t, conn, "START_REPLICATION SLOT s LOGICAL 0/0 ("+v.options+")")
			r := newReader()
			var got []string
			for k := 0; k < len(want); k++ {
				m, err := r.message(s.next())
				if err != nil {
					t.Fatal(err)
				}
				if !r.news(m) {
					k--
					continue
				}
				got = append(got, m)
				if a, b := asText.ReplaceAllString(m, ""), asText.ReplaceAllString(want[k], ""); a != b {
					t.Fatalf("message %d is\n%s\nexpected\n%s\nbefore it\n%s", k, m, want[k], strings.Join(got[max(0, k-5):k], "\n"))
				}
			}
			if tags := fmt.Sprint(s.stop()); tags != "[CopyDone COPY 0 START_REPLICATION I]" {
				t.Errorf("the end of the stream is %s", tags)
			}
		})
	}
}

// nativeMessages are those of the native server's slot, which stays where it is.
func nativeMessages(t *testing.T, conn *pgconn.PgConn, options string) (messages []string) {
	t.Helper()
	list := strings.NewReplacer(" '", "', '", ", ", ", '", "'''", "'").Replace("'" + options)
	result := conn.ExecParams(t.Context(), "select data from pg_logical_slot_peek_binary_changes('s', null, null, "+list+")", nil, nil, nil, nil).Read()
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	r := newReader()
	for _, row := range result.Rows {
		b, err := hex.DecodeString(string(bytes.TrimPrefix(row[0], []byte(`\x`))))
		if err != nil {
			t.Fatal(err)
		}
		m, err := r.message(b)
		if err != nil {
			t.Fatal(err)
		}
		if r.news(m) {
			messages = append(messages, m)
		}
	}
	if len(messages) == 0 {
		t.Fatal("the native server has no messages")
	}
	return messages
}
