package bundle_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/cmd/bundle"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
)

// childVar makes the test binary a process to be killed: "folder life seed position".
const childVar = "HOWDAH_TEST_KILLED"

// TestChild is a program with a database, sessions that write to it and a subscriber
// that keeps what it gets in a journal. It says on stdout how far it is, and ends in
// order when its input does.
func TestChild(t *testing.T) {
	var c child
	var from string
	if _, err := fmt.Sscan(os.Getenv(childVar), &c.dir, &c.life, &c.seed, &from); err != nil {
		t.Skip("a process of its own, for TestKill")
	}
	position, err := wal.ParseLSN(from)
	if err == nil {
		err = c.live(t.Context(), position)
	}
	if err != nil {
		t.Fatal(err)
	}
}

type child struct {
	dir  string
	life int
	seed uint64

	db      *bundle.Database
	sub     *feed.Subscription
	journal *journal
}

func (c *child) live(ctx context.Context, from wal.LSN) (err error) {
	o := options(filepath.Join(c.dir, "data"))
	o.Settings = []pglite.Setting{ // much happens in little time, and old WAL goes soon
		{Name: "shared_buffers", Value: "400kB"}, {Name: "wal_buffers", Value: "64kB"},
		{Name: "min_wal_size", Value: "32MB"}, {Name: "max_wal_size", Value: "32MB"},
	}
	if c.db, err = bundle.Open(ctx, bundle.Options{Cluster: o}); err != nil {
		return err
	}
	if c.journal, err = openJournal(filepath.Join(c.dir, "journal")); err != nil {
		return err
	}
	position := feed.Start
	if from > 0 {
		position = feed.After(from)
	}
	if c.sub, err = c.db.Subscribe(ctx, feed.SubscribeOptions{Database: "postgres", From: position, Credit: 20000}); err != nil {
		return err
	}
	starting, started := context.WithTimeout(ctx, time.Minute)
	err = c.quiet(starting)
	started()
	if err != nil {
		return fmt.Errorf("get what was committed before: %w", err)
	}
	following, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	failed := make(chan error, 8) // one each
	all.Go(func() { failed <- c.follow(following) })
	if err := c.setUp(ctx); err != nil {
		return err
	}
	for id := range 5 {
		all.Go(func() { failed <- c.write(following, id) })
	}
	all.Go(func() { failed <- c.checkpoints(following) })
	fmt.Println("running")
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	all.Wait()
	close(failed)
	for one := range failed {
		err = errors.Join(err, one)
	}
	ending, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return errors.Join(err, c.sub.Close(), c.db.Close(ending), c.journal.file.Close())
}

// quiet gets what was committed before, and then notes what the tables have.
func (c *child) quiet(ctx context.Context) error {
	if err := c.db.Capture().Drain(ctx); err != nil {
		return err
	}
	last := c.db.Feed().Last()
	rng := rand.New(rand.NewPCG(c.seed, 1))
	for c.sub.Position() < last {
		// Position gets where no set is, too, but within a call of Next.
		now, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		err := c.next(now, rng)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	lines, err := dump(ctx, c.db)
	if err != nil {
		return err
	}
	return c.journal.text(strings.Join(lines, "\n"))
}

func (c *child) follow(ctx context.Context) error {
	rng := rand.New(rand.NewPCG(c.seed, 2))
	for {
		if err := c.next(ctx, rng); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// next notes a set, and now and then that all up to it was taken.
func (c *child) next(ctx context.Context, rng *rand.Rand) error {
	set, err := c.sub.Next(ctx)
	if err == nil {
		err = c.journal.set(set)
	}
	if err == nil && !set.More && rng.IntN(4) == 0 {
		err = c.journal.ack(set.LSN)
		c.sub.Ack(set.LSN)
	}
	return err
}

func (c *child) connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := driver.ConnConfig(c.db.Cluster)
	if err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, config)
}

// setUp makes the tables in the first life, and keeps them small in others.
func (c *child) setUp(ctx context.Context) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var there bool
	if err := conn.QueryRow(ctx, "select to_regclass('vals') is not null").Scan(&there); err != nil {
		return err
	}
	statements := []string{"begin; " + strings.Join(joined, "; ") + "; commit"}
	if there {
		statements = []string{
			fmt.Sprintf("delete from kept where abs(n) < %d", c.life*lifeRows),
			"delete from whole",
			"delete from vals where id < (select max(id) - 100 from vals)",
			"do $$ declare r regclass; begin for r in select oid from pg_class where relname like 'made%' and relkind = 'r' limit 20 loop execute 'drop table ' || r; end loop; end $$",
		}
	}
	for _, sql := range statements {
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// lifeRows is by how much what is counted up begins higher in each life.
const lifeRows = 1_000_000

// write is a session; the first changes tables, and one does not wait for the disk.
func (c *child) write(ctx context.Context, id int) error {
	conn, err := c.connect(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	if id == 3 {
		if _, err := conn.Exec(ctx, "set synchronous_commit = off"); err != nil && ctx.Err() == nil {
			return err
		}
	}
	w := &joinWriter{id: id, conn: conn, rng: rand.New(rand.NewPCG(c.seed, uint64(10+id))), n: c.life * lifeRows, ddl: id == 0, large: true}
	return w.run(ctx)
}

// checkpoints lets the log go on to other segments, and old ones be used again.
func (c *child) checkpoints(ctx context.Context) error {
	conn, err := c.connect(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	rng := rand.New(rand.NewPCG(c.seed, 3))
	for ctx.Err() == nil {
		sql := "checkpoint"
		if rng.IntN(3) == 0 {
			sql = "select pg_switch_wal()"
		}
		// What has begun is ended, as by the writers.
		if _, err := conn.Exec(context.WithoutCancel(ctx), sql); err != nil {
			return err
		}
		time.Sleep(time.Duration(rng.IntN(150)) * time.Millisecond)
	}
	return nil
}
