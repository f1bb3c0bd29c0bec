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

// BenchmarkFork is a fork of a migrated database from Fork to the end of its test, with a
// query between.
func BenchmarkFork(b *testing.B) {
	db := pgtest.New(b, migrated)
	if _, err := db.SQL().Exec(insertBook, "Kipling", "Kim"); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, failed := runFake("BenchmarkFork", func(t testing.TB) {
			if n := count(t, db.Fork(t).SQL(), "books"); n != 1 {
				t.Fatalf("%d books", n)
			}
		})
		if failed {
			b.Fatal("the fork's test has failed")
		}
	}
}
