package capture_test

import (
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Where lines differ from those of test_decoding on purpose:
//
//   - Virtual generated columns are no part of a table here, since their values are
//     in no row; test_decoding writes null for each. The one in the scripts is thrice.
//   - DDL is only here: test_decoding does not know of it.
//   - The rows that one statement updates or deletes come in the order of the table's
//     pages. PGlite prunes them at other moments than native, so with random
//     statements such rows are compared sorted between those two (not between native
//     and test_decoding).
//   - Transactions have no xids, and the origin of one is not in test_decoding.

// script reads messages out of testdata: paragraphs, without those of comments only.
func script(t *testing.T, name string) (messages []string) {
	t.Helper()
	b, err := os.ReadFile("testdata/oracle/" + name + ".sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range strings.Split(string(b), "\n\n") {
		if !strings.HasPrefix(m, "--") {
			messages = append(messages, m)
		}
	}
	return messages
}

// run sends messages; one may fail, and is rolled back then.
func run(t *testing.T, conn *pgx.Conn, messages []string) {
	t.Helper()
	for _, m := range messages {
		if _, err := conn.PgConn().Exec(t.Context(), m).ReadAll(); err != nil {
			if !strings.Contains(m, "is_no_statement") {
				t.Errorf("%s: %v", m, err)
			}
			exec(t, conn, "rollback")
		}
	}
}

var scripts = []string{"kinds", "shapes"}

// TestNative compares the sets of a native server's log with what its own decoder
// makes of the same log, and with those of the same statements on a cluster here.
func TestNative(t *testing.T) {
	n := startNative(t)
	conn := n.connect()
	var messages []string
	for _, name := range scripts {
		messages = append(messages, script(t, name)...)
	}
	run(t, conn, messages)
	n.flushed(conn)
	got := decoding(n.sets("postgres", 0))
	sameLines(t, "native, against test_decoding", got, withoutVirtual(n.decoded()))
	if len(got) < 1200 {
		t.Errorf("only %d lines", len(got))
	}

	here := openCaptured(t, "")
	conn = here.connect()
	run(t, conn, messages)
	exec(t, conn, "checkpoint")
	sameLines(t, "PGlite, against native", decoding(here.sets("postgres", 0)), got)
}

func withoutVirtual(lines []string) []string {
	for i, line := range lines {
		lines[i] = strings.ReplaceAll(line, " thrice[integer]:null", "")
	}
	return lines
}
