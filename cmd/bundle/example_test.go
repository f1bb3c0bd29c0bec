package bundle_test

import (
	"context"
	"fmt"
	"log"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/cmd/bundle"
	"github.com/howdahdb/howdah/pglite/driver"
)

// A database with its feed: what was there, then what is written.
func Example() {
	ctx := context.Background()
	db, err := bundle.Open(ctx, bundle.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close(ctx)
	config, err := driver.ConnConfig(db.Cluster)
	if err != nil {
		log.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create table elephant (name text primary key, seats int); insert into elephant values ('Jumbo', 8)"); err != nil {
		log.Fatal(err)
	}

	sub, err := db.Subscribe(ctx, feed.SubscribeOptions{Database: "postgres", Snapshot: db.Tables()})
	if err != nil {
		log.Fatal(err)
	}
	defer sub.Close()
	if _, err := conn.Exec(ctx, "update elephant set seats = 6 where name = 'Jumbo'"); err != nil {
		log.Fatal(err)
	}
	for set, err := range sub.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		for _, c := range set.Changes {
			fmt.Println(c.Kind, c.Table.Name, c.New)
			if !c.Snapshot {
				return
			}
		}
		sub.Ack(set.LSN)
	}
	// Output:
	// insert elephant [Jumbo 8]
	// update elephant [Jumbo 6]
}
