package replication_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// TestPublicationChanges: what a stream publishes changes with the publication, from
// the next transaction on.
func TestPublicationChanges(t *testing.T) {
	s := serve(t)
	conn, repl := connect(t, s.url(), ""), connect(t, s.url(), "database")
	run(t, conn, "create table t (a int primary key)", "create table u (a int primary key, b int)", "create publication p for table t")
	run(t, repl, "CREATE_REPLICATION_SLOT s LOGICAL pgoutput (SNAPSHOT 'nothing')")
	sub, r := subscribe(t, repl, "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')"), newReader()
	marks := 0
	// arrived are the rows that come up to a new row of t.
	arrived := func() (rows []string) {
		marks++
		run(t, conn, fmt.Sprintf("insert into t values (%d)", marks))
		for {
			m, err := r.message(sub.next())
			if err != nil {
				t.Fatal(err)
			}
			if m == fmt.Sprintf(`I public.t N: a=t"%d"`, marks) {
				return rows
			}
			if strings.HasPrefix(m, "I public.u") {
				rows = append(rows, m[len("I public.u N: "):])
			}
		}
	}
	for _, step := range []struct {
		sql  string
		want []string
	}{
		{"insert into u values (1, 1)", nil},
		{"alter publication p add table u", nil},
		{"insert into u values (2, 2)", []string{`a=t"2" b=t"2"`}},
		{"alter publication p set table t, u (a)", nil},
		{"insert into u values (3, 3)", []string{`a=t"3"`}},
		{"alter publication p set table t, u where (a > 4)", nil},
		{"insert into u values (4, 4), (5, 5)", []string{`a=t"5" b=t"5"`}},
		{"begin; alter publication p drop table u; insert into u values (6, 6); commit", nil},
		{"alter publication p rename to q; create publication p for all tables; insert into u values (7, 7)", []string{`a=t"7" b=t"7"`}},
		{"alter table u add c text default 'x'; insert into u values (8, 8)", []string{`a=t"8" b=t"8" c=t"x"`}},
	} {
		run(t, conn, step.sql)
		if got := arrived(); !slices.Equal(got, step.want) {
			t.Errorf("after %s came %q, expected %q", step.sql, got, step.want)
		}
	}
	sub.stop()
}

// TestLarge: a transaction that comes in parts is one to the subscriber.
func TestLarge(t *testing.T) {
	s := serve(t)
	conn, repl := connect(t, s.url(), ""), connect(t, s.url(), "database")
	rows := need.Choose(20000, 500000)
	run(t, conn, "create table t (a int primary key, b text)", "create publication p for all tables")
	run(t, repl, "CREATE_REPLICATION_SLOT s LOGICAL pgoutput (SNAPSHOT 'nothing')")
	run(t, conn, fmt.Sprintf("insert into t select g, 'row ' || g from generate_series(1, %d) g", rows))
	sub := subscribe(t, repl, "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '4', publication_names 'p', streaming 'parallel')")
	count := map[byte]int{}
	for count['C'] == 0 {
		count[sub.next()[0]]++
	}
	if got, want := fmt.Sprint(count), fmt.Sprint(map[byte]int{'B': 1, 'C': 1, 'I': rows, 'R': 1}); got != want {
		t.Errorf("messages by their type: %s, expected %s", got, want)
	}
	sub.stop()
}
