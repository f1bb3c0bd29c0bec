package pglite_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/capture"
	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// TestPowerCutsOfFeed cuts the power while sessions write and a subscriber reads, at
// calls of the file system chosen by the seed. What the subscriber had before the cut
// must be committed in the database that comes up, and the feed that comes up with it
// must have exactly what the database has, and what the subscriber had among it.
func TestPowerCutsOfFeed(t *testing.T) {
	cuts := need.Size(200)
	if testing.Short() {
		cuts = 4
	}
	for _, d := range []struct {
		name string
		o    vfs.CrashOptions
	}{
		{"names-need-their-own-sync", vfs.CrashOptions{}},
		{"disk-writes-back-early", vfs.CrashOptions{WriteBack: 256 << 10}},
	} {
		t.Run(d.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(pickSeed(t), 1))
			for left := cuts / 2; left > 0 && !t.Failed(); left -= 10 {
				cutFeeds(t, rng, d.o, min(left, 10))
			}
		})
	}
}

// fed is a cluster with a feed, all of it on one disk.
type fed struct {
	capture *capture.Capture
	cluster *pglite.Cluster

	mu    sync.Mutex
	given []given
}

// given is a set that a subscriber has got: its position and the rows of it.
type given struct {
	lsn  wal.LSN
	rows []string
}

// openFed opens the cluster that a disk holds, with the feed in its folder howdah.
func openFed(ctx context.Context, disk vfs.FS) (*fed, error) {
	f := &fed{}
	f.capture = capture.New(capture.Options{
		FS: below{disk, "/howdah/capture"},
		Feed: func(id feed.ID, start wal.LSN) (*feed.Log, error) {
			return feed.Open(feed.Options{FS: disk, Dir: "/howdah/feed", ID: id, Start: start})
		},
	})
	var err error
	f.cluster, err = pglite.OpenOn(ctx, pglite.Options{Settings: crashSettings, NoHousekeeping: true, Watcher: f.capture}, disk)
	if err != nil {
		return nil, errors.Join(err, f.capture.Close())
	}
	return f, nil
}

// end ends it as a process ends that is killed. Nobody writes to its disk any more.
func (f *fed) end(t testing.TB) {
	pglite.Kill(f.cluster)
	if err := errors.Join(f.capture.Close(), f.capture.Feed().Close()); err != nil {
		t.Error(err)
	}
}

// follow collects what the feed gives from its beginning on, until ctx ends.
func (f *fed) follow(ctx context.Context) error {
	s, err := f.capture.Feed().Subscribe(ctx, feed.SubscribeOptions{Database: "postgres", From: feed.Start})
	if err != nil {
		return err
	}
	defer s.Close()
	for set, err := range s.All(ctx) {
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.given = append(f.given, given{set.LSN, rowsOf(set)})
		f.mu.Unlock()
	}
	return nil
}

// all gives what the feed has. Nobody writes.
func (f *fed) all(ctx context.Context) (all []given, err error) {
	log := f.capture.Feed()
	s, err := log.Subscribe(ctx, feed.SubscribeOptions{Database: "postgres", From: feed.Start})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for last := log.Last(); s.Position() < last; {
		// Position gets where no set is, too, but within a call of Next.
		now, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		set, err := s.Next(now)
		cancel()
		switch {
		case err == nil:
			all = append(all, given{set.LSN, rowsOf(set)})
		case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
			return nil, err
		}
	}
	return all, nil
}

// had is what the subscriber has got so far.
func (f *fed) had() []given {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.given)
}

func rowsOf(set *change.Set) (rows []string) {
	for _, c := range set.Changes {
		switch {
		case c.Kind == change.Insert && c.Table.Name == "kept":
			rows = append(rows, fmt.Sprint("+", c.New[0], " ", c.New[1]))
		case c.Kind == change.Delete && c.Table.Name == "kept":
			rows = append(rows, fmt.Sprint("-", c.Old[0], " ", c.Old[1]))
		}
	}
	return rows
}

// cutFeeds is one life, with some cuts in it.
func cutFeeds(t *testing.T, rng *rand.Rand, o vfs.CrashOptions, cuts int) {
	tree, err := pglite.Fresh(t.Context())
	if err == nil {
		err = errors.Join(tree.Mkdir("/howdah", 0o700), tree.Mkdir("/howdah/capture", 0o700), tree.Mkdir("/howdah/feed", 0o700))
	}
	if err != nil {
		t.Fatal(err)
	}
	disk := vfs.NewCrash(tree, o)
	defer disk.Close()
	calls := vfs.NewFault(disk)
	f, err := openFed(t.Context(), slowDisk{calls})
	if err != nil {
		t.Fatal(err)
	}
	defer f.end(t)
	ctx, stop := context.WithCancel(t.Context())
	var all, checks sync.WaitGroup
	defer checks.Wait()
	defer all.Wait()
	defer stop()
	all.Go(func() {
		if err := f.follow(ctx); err != nil {
			t.Error(err)
		}
	})
	conn := connect(t, f.cluster, nil)
	exec(t, conn, "create table kept (client int, n int, pad text, primary key (client, n))")

	var writers []*fedWriter
	for id := range 4 {
		writers = append(writers, &fedWriter{id: id, rng: rand.New(rand.NewPCG(rng.Uint64(), 2)), conn: connect(t, f.cluster, nil)})
	}
	images := make(chan *fedImage, cuts)
	var mu sync.Mutex // of what follows, and of rng
	count, next := 0, 1+rng.IntN(20)
	done := make(chan struct{})
	calls.SetRule(func(call vfs.Call) vfs.Break {
		if !changes(call.Op) {
			return vfs.Break{}
		}
		mu.Lock()
		defer mu.Unlock()
		if call.Op == vfs.OpWrite && rng.IntN(100) > 0 {
			return vfs.Break{} // most calls are: a new segment is written page by page
		}
		if next--; next == 0 && count < cuts {
			had := f.had() // before the cut: all of it has left
			images <- &fedImage{disk.CrashClone(rng), had, fmt.Sprintf("cut %d before %v %s", count, call.Op, call.Path)}
			next = 1 + rng.IntN(60)
			if count++; count == cuts {
				close(done)
			}
		}
		return vfs.Break{}
	})
	for _, w := range writers {
		all.Go(func() {
			if err := w.run(ctx); err != nil {
				t.Errorf("session %d: %v", w.id, err)
			}
		})
	}
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("the writers are stuck")
	}
	stop()
	all.Wait()
	calls.SetRule(nil)
	close(images)
	for i := range images {
		if err := i.check(t); err != nil {
			t.Errorf("%s: %v", i.name, err)
		}
	}
}

// fedWriter is a session that counts up its own rows.
type fedWriter struct {
	id, n int
	rng   *rand.Rand
	conn  *pgx.Conn
}

func (w *fedWriter) run(ctx context.Context) error {
	exec := func(sql string, args ...any) error {
		_, err := w.conn.Exec(context.WithoutCancel(ctx), sql, args...)
		return err
	}
	if w.id == 0 {
		if err := exec("set synchronous_commit = off"); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		sqls := []string{fmt.Sprintf("insert into kept select %d, g, repeat('x', %d) from generate_series(%d, %d) g", w.id, w.rng.IntN(3000), w.n, w.n+w.rng.IntN(3))}
		w.n += 3
		switch w.rng.IntN(12) {
		case 0:
			sqls = []string{"begin", sqls[0], "savepoint a", fmt.Sprintf("delete from kept where client = %d and n %% 5 = %d", w.id, w.rng.IntN(5)), []string{"rollback to a", "release a"}[w.rng.IntN(2)], "commit"}
		case 1:
			sqls = []string{"begin", sqls[0], "rollback"}
		case 2:
			sqls = append(sqls, "checkpoint")
		}
		if w.rng.IntN(200) == 0 {
			sqls = append(sqls, "select pg_switch_wal()")
		}
		for _, sql := range sqls {
			if err := exec(sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
	}
	return nil
}

// fedImage is what a cut has left on the disk, and what had left before.
type fedImage struct {
	tree *vfs.Memory
	had  []given
	name string
}

func (i *fedImage) check(t *testing.T) (err error) {
	defer func() { err = errors.Join(err, i.tree.Close()) }()
	f, err := openFed(t.Context(), vfs.NewFault(i.tree))
	if err != nil {
		return fmt.Errorf("does not open: %w", err)
	}
	defer f.end(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	rows, err := f.cluster.AsHost(ctx, "select client, n from kept")
	if err != nil && len(i.had) > 0 {
		return err
	}
	if err := f.capture.Drain(ctx); err != nil {
		return err
	}
	now, err := f.all(ctx)
	if err != nil {
		return err
	}
	t.Logf("%s: %d sets had left, %d are there, %d rows", i.name, len(i.had), len(now), len(rows))
	return i.compare(now, rows)
}

// compare compares the feed with the table, and with what had left before the cut.
func (i *fedImage) compare(now []given, rows [][]string) error {
	table, fed := map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		table[r[0]+" "+r[1]] = true
	}
	there := map[wal.LSN]given{}
	for k, g := range now {
		if k > 0 && g.lsn <= now[k-1].lsn {
			return fmt.Errorf("the set at %v comes after that at %v", g.lsn, now[k-1].lsn)
		}
		there[g.lsn] = g
		for _, r := range g.rows {
			if r[0] == '+' {
				fed[r[1:]] = true
			} else {
				delete(fed, r[1:])
			}
		}
	}
	for _, g := range i.had {
		if n, ok := there[g.lsn]; !ok || !slices.Equal(n.rows, g.rows) {
			return fmt.Errorf("the set at %v, with %d rows, had left before, and is %v now", g.lsn, len(g.rows), n)
		}
	}
	if !maps.Equal(table, fed) {
		return fmt.Errorf("the feed has %d rows and the table %d", len(fed), len(table))
	}
	return nil
}

// slowDisk is a disk on which a sync of the log takes so long that what leaves too early
// has left when the power is cut in the midst of it.
type slowDisk struct{ vfs.FS }

func (s slowDisk) Open(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	f, err := s.FS.Open(name, flag, perm)
	if err == nil && strings.HasPrefix(name, "/pg_wal/") {
		f = slowFile{f}
	}
	return f, err
}

type slowFile struct{ vfs.File }

func (f slowFile) Sync() error {
	time.Sleep(2 * time.Millisecond)
	return f.File.Sync()
}

func (f slowFile) Datasync() error {
	time.Sleep(2 * time.Millisecond)
	return f.File.Datasync()
}

// below is a folder of a file system as one of its own, as far as a capture needs it.
type below struct {
	vfs.FS
	dir string
}

func (b below) Open(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	return b.FS.Open(b.dir+name, flag, perm)
}
func (b below) Stat(name string) (vfs.Info, error) { return b.FS.Stat(b.dir + name) }
func (b below) Unlink(name string) error           { return b.FS.Unlink(b.dir + name) }
func (b below) Rename(from, to string) error       { return b.FS.Rename(b.dir+from, b.dir+to) }
func (b below) SyncDir(name string) error          { return b.FS.SyncDir(b.dir + name) }
