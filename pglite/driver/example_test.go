package driver_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
)

// A database in memory, gone when the DB is closed.
func Example() {
	db, err := sql.Open("howdah", "")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("create table elephant (name text, seats int)"); err != nil {
		log.Fatal(err)
	}
	if _, err := db.Exec("insert into elephant values ($1, $2), ('Hathi', 0)", "Jumbo", 8); err != nil {
		log.Fatal(err)
	}
	var name string
	if err := db.QueryRow("select name from elephant where seats > $1", 4).Scan(&name); err != nil {
		log.Fatal(err)
	}
	fmt.Println(name)
	// Output: Jumbo
}

// pgx on a cluster that the program has opened itself.
func ExampleConnConfig() {
	ctx := context.Background()
	cluster, err := pglite.Open(ctx, pglite.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close(ctx)
	config, err := driver.ConnConfig(cluster)
	if err != nil {
		log.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close(ctx)
	var sum int
	if err := conn.QueryRow(ctx, "select sum(i) from generate_series(1, 100) i").Scan(&sum); err != nil {
		log.Fatal(err)
	}
	fmt.Println(sum)
	// Output: 5050
}

// A pool of pgx.
func ExamplePoolConfig() {
	ctx := context.Background()
	cluster, err := pglite.Open(ctx, pglite.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close(ctx)
	config, err := driver.PoolConfig(cluster)
	if err != nil {
		log.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	var version string
	if err := pool.QueryRow(ctx, "show server_version_num").Scan(&version); err != nil {
		log.Fatal(err)
	}
	fmt.Println(version[:2])
	// Output: 18
}
