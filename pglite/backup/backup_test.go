package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/backup"
	"github.com/howdahdb/howdah/pglite/driver"
	"github.com/howdahdb/howdah/runtime/snapshot"
)

func open(t *testing.T, o pglite.Options) *pglite.Cluster {
	t.Helper()
	o.MaxBackends = 8
	c, err := pglite.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func closeAtEnd(t *testing.T, c *pglite.Cluster) *pglite.Cluster {
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

func connect(t *testing.T, c *pglite.Cluster) *pgx.Conn {
	t.Helper()
	config, err := driver.ConnConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

const accounts = 1000

// fill makes accounts whose balances are 0 in all, in pages that get torn.
func fill(t *testing.T, c *pglite.Cluster) {
	t.Helper()
	conn := connect(t, c)
	exec(t, conn, fmt.Sprintf("create table account (id int primary key, balance int not null, padding text)"))
	exec(t, conn, fmt.Sprintf("insert into account select i, 0, repeat('x', 500) from generate_series(1, %d) i", accounts))
	exec(t, conn, "create table log (id bigserial primary key, amount int); create unlogged table gone (id int)")
}

// check looks at what a transfer can never change, and at the indexes.
func check(t *testing.T, c *pglite.Cluster) {
	t.Helper()
	conn := connect(t, c)
	var n, sum int
	if err := conn.QueryRow(t.Context(), "select count(*), sum(balance) from account").Scan(&n, &sum); err != nil || n != accounts || sum != 0 {
		t.Errorf("%d accounts with %d in all, %v", n, sum, err)
	}
	exec(t, conn, "create extension if not exists amcheck")
	var indexes int
	if err := conn.QueryRow(t.Context(), `select count(bt_index_check(c.oid, true)) from pg_class c join pg_am a on a.oid = c.relam
		where a.amname = 'btree' and c.relkind = 'i' and c.relpersistence = 'p'`).Scan(&indexes); err != nil || indexes < 100 {
		t.Errorf("amcheck has looked at %d indexes, %v", indexes, err)
	}
	var damaged int
	if err := conn.QueryRow(t.Context(), "select count(*) from verify_heapam('account')").Scan(&damaged); err != nil || damaged > 0 {
		t.Errorf("amcheck finds %d damages in the table, %v", damaged, err)
	}
	exec(t, conn, "insert into account values (0, 0); delete from account where id = 0")
}

// transfer moves money until the context ends.
func transfer(ctx context.Context, conn *pgx.Conn, rnd *rand.Rand) error {
	for ctx.Err() == nil {
		amount := rnd.IntN(100)
		_, err := conn.Exec(context.Background(), fmt.Sprintf(`begin; update account set balance = balance + %d where id = %d;
			update account set balance = balance - %[1]d where id = %d; insert into log (amount) values (%[1]d); commit`,
			amount, 1+rnd.IntN(accounts/2), 1+accounts/2+rnd.IntN(accounts/2)))
		if e := (*pgconn.PgError)(nil); errors.As(err, &e) && e.Code == "40P01" {
			_, err = conn.Exec(context.Background(), "rollback")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// TestSave backs servers up while others write, and starts what it got: one in
// memory in memory, one on a directory on another.
func TestSave(t *testing.T) {
	for name, dir := range map[string]string{"memory": "", "directory": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			c := closeAtEnd(t, open(t, pglite.Options{Dir: dir}))
			fill(t, c)
			ctx, stop := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for k := range 3 {
				conn := connect(t, c)
				wg.Go(func() {
					if err := transfer(ctx, conn, rand.New(rand.NewPCG(seed, uint64(k)))); err != nil {
						t.Error(err)
					}
				})
			}
			var b bytes.Buffer
			var done, total int64
			err := backup.Save(t.Context(), connect(t, c), &b, func(d, n int64) {
				if d < done || d > n {
					t.Errorf("progress %d of %d after %d", d, n, done)
				}
				done, total = d, n
			})
			stop()
			wg.Wait()
			if err != nil {
				t.Fatal(err)
			}
			if total < 20<<20 {
				t.Errorf("%d bytes in all", total)
			}
			var copied *pglite.Cluster
			if dir == "" {
				i, err := pglite.ReadImage(t.Context(), &b, pglite.Options{})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { i.Close() })
				if copied, err = i.Open(t.Context(), pglite.Options{MaxBackends: 4}); err != nil {
					t.Fatal(err)
				}
			} else {
				to := filepath.Join(t.TempDir(), "data")
				if _, err := pglite.LoadDir(&b, to); err != nil {
					t.Fatal(err)
				}
				copied = open(t, pglite.Options{Dir: to})
			}
			check(t, closeAtEnd(t, copied))
			check(t, c)
		})
	}
}

// TestSaveDir copies a directory that no server runs on.
func TestSaveDir(t *testing.T) {
	dir := t.TempDir()
	c := open(t, pglite.Options{Dir: dir})
	fill(t, c)
	var b bytes.Buffer
	if err := pglite.SaveDir(dir, &b); err == nil {
		t.Error("saved while a server runs")
	}
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	if err := pglite.SaveDir(dir, &b); err != nil {
		t.Fatal(err)
	}
	if info, err := snapshot.Inspect(bytes.NewReader(b.Bytes())); err != nil || info.Program != pglite.Program || info.Files < 900 {
		t.Errorf("%+v, %v", info, err)
	}
	to := filepath.Join(t.TempDir(), "data")
	cut := b.Bytes()[:b.Len()-100]
	if _, err := pglite.LoadDir(bytes.NewReader(cut), to); !errors.Is(err, snapshot.ErrCorrupt) {
		t.Errorf("loaded a damaged snapshot: %v", err)
	}
	if left, err := os.ReadDir(to); err != nil || len(left) > 1 {
		t.Errorf("it leaves %v, %v", left, err)
	}
	if _, err := pglite.LoadDir(bytes.NewReader(b.Bytes()), to); err != nil {
		t.Fatal(err)
	}
	check(t, closeAtEnd(t, open(t, pglite.Options{Dir: to})))
	if _, err := pglite.LoadDir(bytes.NewReader(b.Bytes()), dir); !errors.Is(err, pglite.ErrNotCluster) {
		t.Errorf("loaded over a cluster: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if err := pglite.SaveDir(missing, &b); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("saved what is not there: %v", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("and made it")
	}
}
