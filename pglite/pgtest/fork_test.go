package pgtest_test

import (
	"fmt"
	"testing"

	"github.com/howdahdb/howdah/pglite/pgtest"
)

// TestFork: subtests begin with what their test has committed, side by side, and
// the test goes on with its own.
func TestFork(t *testing.T) {
	db := pgtest.New(t, migrated)
	if _, err := db.SQL().Exec(insertBook, "Kipling", "Kim"); err != nil {
		t.Fatal(err)
	}
	open, err := db.SQL().Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open.Exec(insertBook, "Sterne", "Tristram Shandy"); err != nil {
		t.Fatal(err)
	}
	t.Run("side by side", func(t *testing.T) {
		for k := range 4 {
			t.Run(fmt.Sprint(k), func(t *testing.T) {
				t.Parallel()
				fork := db.Fork(t)
				for range k {
					if _, err := fork.SQL().Exec(insertBook, fmt.Sprint("author ", k), "x"); err != nil {
						t.Fatal(err)
					}
				}
				if n := count(t, fork.Fork(t).SQL(), "books"); n != 1+k {
					t.Errorf("%d books in a fork of the fork, not %d", n, 1+k)
				}
				if n := count(t, fork.SQL(), "books"); n != 1+k {
					t.Errorf("%d books, not %d", n, 1+k)
				}
			})
		}
	})
	if err := open.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db.SQL(), "books"); n != 2 {
		t.Errorf("%d books, not 2", n)
	}
}
