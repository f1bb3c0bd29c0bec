package pglite_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
	"github.com/howdahdb/howdah/runtime/vfs"
)

var seedFlag = flag.Uint64("seed", 0, "seed of randomised tests, as an earlier run has logged it")

func pickSeed(t testing.TB) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %#x", seed)
	return seed
}

// crashSettings make much happen in little time: pages are evicted between
// checkpoints, and old WAL goes soon.
var crashSettings = []pglite.Setting{
	{Name: "shared_buffers", Value: "400kB"},
	{Name: "wal_buffers", Value: "64kB"},
	{Name: "min_wal_size", Value: "32MB"},
	{Name: "max_wal_size", Value: "32MB"},
	{Name: "max_prepared_transactions", Value: "4"},
	{Name: "max_files_per_process", Value: "64"},
}

// rig is a cluster on a disk that can lose its power, with the one client that
// knows what is committed. Nobody else writes, so that rules are asked on the client's
// goroutine and what it does can be repeated call by call.
type rig struct {
	t     testing.TB
	disk  *vfs.Crash
	calls *vfs.Fault // over disk
	c     *pglite.Cluster
	conn  *pgx.Conn
	w     *workload

	// allowed are the digests that a cut at this moment may leave: what is
	// acknowledged, and what the statement that runs may come to.
	allowed []string
	last    string // the last statement of step
}

func newRig(t testing.TB, rng *rand.Rand, o vfs.CrashOptions) *rig {
	t.Helper()
	tree, err := pglite.Fresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, w: &workload{rng: rng, model: newModel()}}
	r.allow(r.w.model)
	r.insert(tree, o)
	t.Cleanup(func() {
		if r.c != nil {
			r.kill()
		}
		if err := r.disk.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// insert puts a disk with this tree into the machine.
func (r *rig) insert(tree *vfs.Memory, o vfs.CrashOptions) {
	r.disk = vfs.NewCrash(tree, o)
	r.calls = vfs.NewFault(r.disk)
}

func (r *rig) allow(models ...*model) {
	r.allowed = nil
	for _, m := range models {
		r.allowed = append(r.allowed, m.digest())
	}
}

// start opens the cluster as a new process does.
func (r *rig) start() error {
	c, err := pglite.OpenOn(r.t.Context(), pglite.Options{Settings: crashSettings, NoHousekeeping: true}, r.calls)
	if err != nil {
		return err
	}
	r.c, r.conn = c, connect(r.t, c, nil)
	return nil
}

// boot is start and setup of a first life.
func (r *rig) boot() {
	r.t.Helper()
	if err := r.start(); err != nil {
		r.t.Fatal(err)
	}
	for _, sql := range setup {
		exec(r.t, r.conn, sql)
	}
}

// step sends the next step of the workload.
func (r *rig) step() error {
	s := r.w.step()
	for k, sql := range s.sql {
		r.last = sql
		next := r.w.model.clone()
		if k == len(s.sql)-1 {
			s.apply(next)
			r.allow(r.w.model, next)
		}
		if _, err := r.conn.Exec(r.t.Context(), sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
		r.w.model = next
	}
	r.allow(r.w.model)
	return nil
}

// kill ends the process, and leaves what it wrote to the kernel.
func (r *rig) kill() {
	_ = r.conn.Close(context.Background())
	pglite.Kill(r.c)
	r.c = nil
}

// shutdown ends the process in order.
func (r *rig) shutdown() error {
	_ = r.conn.Close(context.Background())
	err := r.c.Close(context.Background())
	r.c = nil
	return err
}

// image is what a cut has left on the disk, and what must be in it.
type image struct {
	tree    *vfs.Memory
	allowed []string
	name    string // of the cut, for messages
	deep    bool   // look into every page and index entry
}

func (r *rig) cut(name string, rng *rand.Rand) *image {
	return &image{tree: r.disk.CrashClone(rng), allowed: r.allowed, name: name}
}

// open starts a cluster on the image, which stays the caller's.
func (i *image) open(ctx context.Context) (*pglite.Cluster, error) {
	c, err := pglite.OpenOn(ctx, pglite.Options{Settings: crashSettings}, vfs.NewFault(i.tree))
	if err != nil {
		err = fmt.Errorf("does not open: %w", err)
	}
	return c, err
}

// check opens the image and compares.
func (i *image) check(ctx context.Context) (digest string, err error) {
	c, err := i.open(ctx)
	if err != nil {
		return "", fmt.Errorf("%s: %w", i.name, err)
	}
	defer pglite.Kill(c)
	query := func(sql string) ([][]string, error) { return c.AsHost(ctx, sql) }
	if digest, err = digestOf(query); err != nil {
		return "", fmt.Errorf("%s: %w", i.name, err)
	}
	if err := i.compare(digest); err != nil {
		return digest, fmt.Errorf("%s: %w", i.name, err)
	}
	if !i.deep {
		return digest, nil
	}
	for _, sql := range [...]string{
		`select bt_index_check(c.oid, true) from pg_class c join pg_am a on a.oid = c.relam
			where a.amname = 'btree' and c.relkind = 'i' and c.relpersistence = 'p'`,
		`select * from pg_class c, verify_heapam(c.oid) where c.relkind in ('r', 't', 'm') and c.relpersistence = 'p'`,
		"select count(*) from fleeting",
		"create table after_the_crash as select 1; drop table after_the_crash; checkpoint",
	} {
		rows, err := query(sql)
		if err == nil && strings.Contains(sql, "verify_heapam") && len(rows) > 0 {
			err = fmt.Errorf("verify_heapam: %q", rows[0])
		}
		if err != nil {
			return digest, fmt.Errorf("%s: %s: %w", i.name, sql, err)
		}
	}
	if err := databasesRead(ctx, c); err != nil {
		return digest, fmt.Errorf("%s: %w", i.name, err)
	}
	return digest, nil
}

// databasesRead reads catalogs of the databases that a workload has made.
func databasesRead(ctx context.Context, c *pglite.Cluster) error {
	dbs, err := c.AsHost(ctx, "select datname from pg_database where datname like 'd%' and datconnlimit <> -2")
	if err != nil {
		return err
	}
	for _, db := range dbs {
		cfg, err := driver.ConnConfig(c)
		if err != nil {
			return err
		}
		cfg.Database = db[0]
		conn, err := pgx.ConnectConfig(ctx, cfg)
		if err == nil {
			_, err = conn.PgConn().Exec(ctx, "select sum(hashtext(x::text)) from pg_class x; select sum(hashtext(x::text)) from pg_proc x; select sum(hashtext(x::text)) from pg_attribute x").ReadAll()
			err = errors.Join(err, conn.Close(ctx))
		}
		if err != nil {
			return fmt.Errorf("database %s: %w", db[0], err)
		}
	}
	return nil
}

func (i *image) compare(digest string) error {
	for _, a := range i.allowed {
		if a == digest {
			return nil
		}
	}
	return fmt.Errorf("a commit is lost or half there: %s", firstDifference(i.allowed[0], digest))
}

// firstDifference says where two digests part.
func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for k := 0; ; k++ {
		switch {
		case k == len(a) && k == len(b):
			return "none"
		case k == len(a):
			return fmt.Sprintf("line %d is %q, want the end", k, b[k])
		case k == len(b):
			return fmt.Sprintf("line %d is the end, want %q", k, a[k])
		case a[k] != b[k]:
			return fmt.Sprintf("line %d is %q, want %q", k, b[k], a[k])
		}
	}
}

// checkers open images, two at a time, while the workload goes on.
type checkers struct {
	t     testing.TB
	slots chan struct{}
	wg    sync.WaitGroup
	count int
}

func newCheckers(t testing.TB) *checkers {
	c := &checkers{t: t, slots: make(chan struct{}, 2)}
	t.Cleanup(c.wg.Wait)
	return c
}

// check waits until few others are being checked.
func (c *checkers) check(i *image) {
	c.count++
	c.slots <- struct{}{}
	c.wg.Go(func() {
		defer func() { <-c.slots }()
		if _, err := i.check(context.WithoutCancel(c.t.Context())); err != nil {
			c.t.Error(err)
		}
		if err := i.tree.Close(); err != nil {
			c.t.Error(err)
		}
	})
}
