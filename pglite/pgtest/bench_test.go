package pgtest_test

import (
	"testing"

	"github.com/howdahdb/howdah/pglite/pgtest"
)

// BenchmarkNew is a migrated database from New to the end of its test, with two
// statements in between.
func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	one := func(t testing.TB) {
		db := pgtest.New(t, migrated).SQL()
		if _, err := db.Exec(insertBook, "Kipling", "Kim"); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, "books"); n != 1 {
			t.Fatalf("%d books", n)
		}
	}
	if said, failed := runFake("first", one); failed { // makes or reads the template
		b.Fatal(said)
	}
	for b.Loop() {
		if said, failed := runFake(b.Name(), one); failed {
			b.Fatal(said)
		}
	}
}
