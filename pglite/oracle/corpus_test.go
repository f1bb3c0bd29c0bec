// Package oracle_test holds Howdah against a native PostgreSQL 18, whose initdb
// is given the view howdah_stat, too (package catalog): what it
// answers on the wire, what initdb leaves in its catalogs, and whether the
// programs that come with Postgres can work with it.
package oracle_test

import (
	"flag"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/pglite"
)

// A deviation is a step whose answers are known to differ. It is found by
// file and by a piece of the step's text, and has a reason; one that no longer
// differs fails the test.
type deviation struct{ file, piece, reason string }

// deviations may have ten entries, no more.
var deviations = []deviation{
	{"numbers", "cbrt(27)", "the last bit of a libm function: musl's against glibc's"},
	{"encodings", "upper('straße')", "towupper of ß: musl gives ẞ, glibc leaves it"},
	{"encodings", "client_encoding = 'LATIN1'", "the conversion modules of PGlite cannot be linked"},
	{"errors", "locale = 'xx_NOSUCH'", "musl's newlocale accepts every name"},
	{"errors", "set work_mem = 1;", "32 bits: the highest value is 2 GB"},
	{"arrays_ranges", "array[100000, 100000]", "32 bits: a Datum has 4 bytes, so an array may have twice the elements"},
	{"introspection", "float8_pass_by_value", "32 bits: a float8 does not fit into a Datum"},
	{"introspection", "datcollate", "musl's setlocale gives C for LC_COLLATE=C.UTF-8"},
	{"copy", "to program", "there are no processes to run"},
	{"geometry_net", "inet_client_addr()", "the backend sees no socket"},
}

var answers = flag.Bool("answers", false, "print what the native server answers")

const corpusSize = 320 // fewer statements than this are no corpus

// TestCorpus plays every script against both servers, each script in a new
// database, and requires the same bytes.
func TestCorpus(t *testing.T) {
	if len(deviations) > 10 {
		t.Errorf("%d deviations are listed, at most ten may be", len(deviations))
	}
	files, err := filepath.Glob("testdata/corpus/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	native, howdah := startNative(t), startHowdah(t, pglite.Options{})
	statements := 0
	seen := make([]int, len(deviations))
	for _, file := range files {
		s, err := readScript(file)
		if err != nil {
			t.Fatal(err)
		}
		statements += s.statements
		t.Run(s.name, func(t *testing.T) {
			db := "corpus_" + s.name
			prepare(t, native, howdah, db)
			compare(t, s, &conn{addr: native, database: db}, &conn{addr: howdah, database: db}, seen)
			for _, addr := range []string{native, howdah} {
				admin(t, addr, "drop database "+db)
			}
		})
	}
	t.Logf("%d statements in %d files", statements, len(files))
	if statements < corpusSize {
		t.Errorf("the corpus has %d statements, want at least %d", statements, corpusSize)
	}
	if t.Failed() {
		return
	}
	for i, d := range deviations {
		if seen[i] == 0 {
			t.Logf("deviation %s: %q is not in this run", d.file, d.piece)
		}
	}
}

func compare(t *testing.T, s *script, native, howdah *conn, seen []int) {
	defer native.close()
	defer howdah.close()
	steps := append([]step{{until: untilStarted, text: "start"}}, s.steps...)
	for _, st := range steps {
		want, err := native.play(st)
		if err != nil {
			t.Fatalf("native: %s:%d: %s: %v", s.name, st.line, st.text, err)
		}
		got, err := howdah.play(st)
		if err != nil {
			t.Fatalf("howdah: %s:%d: %s: %v", s.name, st.line, st.text, err)
		}
		if *answers {
			t.Logf("%s.sql:%d: %s\n%s", s.name, st.line, st.text, diff(want, nil, false))
		}
		delta := diff(want, got, st.until == untilStarted)
		known := find(s.name, st.text)
		switch {
		case known >= 0 && delta == "":
			t.Errorf("%s.sql:%d: %s\n    no longer differs: %s", s.name, st.line, st.text, deviations[known].reason)
		case known >= 0:
			seen[known]++
		case delta != "":
			t.Errorf("%s.sql:%d: %s\n%s", s.name, st.line, st.text, delta)
		}
	}
}

func find(file, text string) int {
	for i, d := range deviations {
		if d.file == file && strings.Contains(text, d.piece) {
			return i
		}
	}
	return -1
}

// prepare creates the database on both servers after making their OID counters
// equal, so that the OIDs of what a script creates are equal as well, also if
// an earlier script failed half way on one of them.
func prepare(t *testing.T, native, howdah, db string) {
	t.Helper()
	for {
		n, h := nextOID(t, native), nextOID(t, howdah)
		if n == h {
			break
		}
		addr, gap := native, h-n
		if gap < 0 {
			addr, gap = howdah, -gap
		}
		// The probe above takes one more on both sides.
		admin(t, addr, fmt.Sprintf("select count(lo_unlink(lo_create(0))) from generate_series(1, %d)", gap))
	}
	for _, addr := range []string{native, howdah} {
		admin(t, addr, "create database "+db+" template template0")
	}
}

// nextOID takes an OID from the server's counter.
func nextOID(t *testing.T, addr string) int {
	t.Helper()
	oid := admin(t, addr, "select lo_create(0)")[0][0]
	admin(t, addr, "select lo_unlink("+oid+")")
	n, err := strconv.Atoi(oid)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// admin runs one statement in database postgres on a connection of its own.
func admin(t *testing.T, addr, sql string) [][]string {
	t.Helper()
	c := &conn{addr: addr, database: "postgres"}
	defer c.close()
	if _, err := c.start(nil); err != nil {
		t.Fatal(err)
	}
	rows, err := c.rows(sql)
	if err != nil {
		t.Fatalf("%s: %v", addr, err)
	}
	return rows
}
