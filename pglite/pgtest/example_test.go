package pgtest_test

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite/pgtest"
)

//go:embed testdata/migrations
var files embed.FS

// migrated is made once, so that the files are read once.
var migrated = pgtest.WithTemplate(sub("testdata/migrations"))

func sub(dir string) fs.FS {
	f, err := fs.Sub(files, dir)
	if err != nil {
		panic(err)
	}
	return f
}

// insertBook is code to be tested, with database/sql.
const insertBook = `with a as (insert into authors (name) values ($1) returning id)
	insert into books (author_id, title) select id, $2 from a`

// A folder of migrations, as goose and sqlc have it, and database/sql.
func ExampleWithTemplate() {
	test("TestBooks", func(t testing.TB) {
		db := pgtest.New(t, migrated).SQL()
		if _, err := db.Exec(insertBook, "Kipling", "The Jungle Book"); err != nil {
			t.Fatal(err)
		}
		var author string
		if err := db.QueryRow("select author_of(books) from books").Scan(&author); err != nil {
			t.Fatal(err)
		}
		fmt.Println(author)
	})
	// Output: Kipling
}

// A schema or a dump, and a pool of pgx.
func ExampleWithTemplateFile() {
	test("TestAuthors", func(t testing.TB) {
		pool := pgtest.New(t, pgtest.WithTemplateFile("testdata/schema.sql")).Pool()
		rows, _ := pool.Query(t.Context(), "select name from authors order by id")
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(names)
	})
	// Output: [Kipling Kästner]
}

// Migrations that a library runs: goose.UpContext(ctx, db.SQL(), "migrations"),
// gorm's AutoMigrate on gorm.Open(postgres.New(postgres.Config{Conn: db.SQL()})),
// or a program that gets db.DSN().
func ExampleWithTemplateFunc() {
	migrate := func(ctx context.Context, db *pgtest.DB) error {
		_, err := db.SQL().ExecContext(ctx, "create table authors (name text)")
		return err
	}
	test("TestNone", func(t testing.TB) {
		db := pgtest.New(t, pgtest.WithTemplateFunc("authors", migrate))
		var n int
		if err := db.SQL().QueryRow("select count(*) from authors").Scan(&n); err != nil {
			t.Fatal(err)
		}
		fmt.Println(n)
	})
	// Output: 0
}

// An empty database, for a program of its own: any driver can connect to the
// address.
func ExampleNew() {
	test("TestAddress", func(t testing.TB) {
		conn, err := pgx.Connect(t.Context(), pgtest.New(t).DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		var name string
		if err := conn.QueryRow(t.Context(), "select current_database()").Scan(&name); err != nil {
			t.Fatal(err)
		}
		fmt.Println(name)
	})
	// Output: postgres
}
