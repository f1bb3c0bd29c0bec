package pglite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// ledgers are sessions that commit at the same time, and share syncs: each
// counts up in rows of its own. Others checkpoint, and make and drop tables.
type ledgers struct {
	t       *testing.T
	disk    *vfs.Crash
	calls   *vfs.Fault
	c       *pglite.Cluster
	conns   []*pgx.Conn
	started []atomic.Int64 // last number that a session has sent,
	acked   []atomic.Int64 // and that was acknowledged
}

const ledgerSessions = 8

func openLedgers(t *testing.T, o vfs.CrashOptions) *ledgers {
	t.Helper()
	tree, err := pglite.Fresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l := &ledgers{t: t, disk: vfs.NewCrash(tree, o), started: make([]atomic.Int64, ledgerSessions), acked: make([]atomic.Int64, ledgerSessions)}
	l.calls = vfs.NewFault(l.disk)
	if l.c, err = pglite.OpenOn(t.Context(), pglite.Options{Settings: crashSettings}, l.calls); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pglite.Kill(l.c)
		if err := l.disk.Close(); err != nil {
			t.Error(err)
		}
	})
	setup := connect(t, l.c, nil)
	exec(t, setup, "create extension amcheck; create table ledger (who int, n int, pad text, primary key (who, n)); checkpoint")
	for range ledgerSessions + 2 {
		l.conns = append(l.conns, connect(t, l.c, nil))
	}
	return l
}

// run lets all of them work until stop.
func (l *ledgers) run(stop func() bool) {
	var wg sync.WaitGroup
	do := func(conn *pgx.Conn, sql string) bool {
		if _, err := conn.Exec(context.WithoutCancel(l.t.Context()), sql); err != nil {
			l.t.Errorf("%s: %v", sql, err)
			return false
		}
		return true
	}
	for who := range ledgerSessions {
		wg.Go(func() {
			for n := int64(1); !stop(); n++ {
				l.started[who].Store(n)
				sql := fmt.Sprintf("insert into ledger values (%d, %d, repeat('x', %d))", who, n, n%700)
				if n%5 == 0 {
					sql = fmt.Sprintf("begin; savepoint s; %s; release s; update ledger set pad = 'y' where who = %d and n = %d; commit", sql, who, n-1)
				}
				if !do(l.conns[who], sql) {
					return
				}
				l.acked[who].Store(n)
			}
		})
	}
	wg.Go(func() {
		for !stop() && do(l.conns[ledgerSessions], "select pg_sleep(0.02); checkpoint") {
		}
	})
	wg.Go(func() {
		for k := 1; !stop() && do(l.conns[ledgerSessions+1], fmt.Sprintf("create table junk%d as select g from generate_series(1, 500) g; drop table if exists junk%d", k, k-1)); k++ {
			if !do(l.conns[ledgerSessions+1], "vacuum ledger") {
				return
			}
		}
	})
	wg.Wait()
}

// cut is what a loss of power leaves, with what each session was told before
// it and could have committed after it.
type ledgerCut struct {
	tree     *vfs.Memory
	from, to [ledgerSessions]int64
}

func (l *ledgers) cut(rng *rand.Rand) *ledgerCut {
	i := &ledgerCut{}
	for who := range ledgerSessions {
		i.from[who] = l.acked[who].Load()
	}
	i.tree = l.disk.CrashClone(rng)
	for who := range ledgerSessions {
		i.to[who] = l.started[who].Load()
	}
	return i
}

// check opens what is left: every session's rows are 1 to a number between
// what it was told and what it had sent, and the table and its index are sound.
func (i *ledgerCut) check(ctx context.Context) error {
	c, err := pglite.OpenOn(ctx, pglite.Options{Settings: crashSettings}, vfs.NewFault(i.tree))
	if err != nil {
		return fmt.Errorf("does not open: %w", err)
	}
	defer pglite.Kill(c)
	rows, err := c.AsHost(ctx, "select who, count(*), max(n) from ledger group by who")
	if err != nil {
		return err
	}
	var have [ledgerSessions]int64
	for _, r := range rows {
		who, err := strconv.Atoi(r[0])
		if err != nil {
			return err
		}
		if r[1] != r[2] {
			return fmt.Errorf("session %d has %s rows up to %s", who, r[1], r[2])
		}
		if have[who], err = strconv.ParseInt(r[2], 10, 64); err != nil {
			return err
		}
	}
	var wrong []string
	for who, n := range have {
		if n < i.from[who] || n > i.to[who] {
			wrong = append(wrong, fmt.Sprintf("session %d has %d of %d acknowledged, %d sent", who, n, i.from[who], i.to[who]))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s", strings.Join(wrong, "; "))
	}
	bad, err := c.AsHost(ctx, "select msg from public.verify_heapam('public.ledger')")
	if err == nil && len(bad) > 0 {
		err = fmt.Errorf("verify_heapam: %s", bad[0][0])
	}
	if err == nil {
		_, err = c.AsHost(ctx, "select public.bt_index_check('public.ledger_pkey', true)")
	}
	return err
}

// TestPowerCutsOverSessions: no session loses what it was told, at whatever
// call of whichever backend the power goes.
func TestPowerCutsOverSessions(t *testing.T) {
	cuts := need.Size(300)
	for name, o := range map[string]vfs.CrashOptions{
		"names-need-their-own-sync": {},
		"disk-writes-back-early":    {WriteBack: 256 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(pickSeed(t), 3))
			l := openLedgers(t, o)
			var done atomic.Int64
			calls, next := 0, 1 // the rule is asked one call at a time
			images := make(chan *ledgerCut, 1)
			l.calls.SetRule(func(call vfs.Call) vfs.Break {
				if calls++; changes(call.Op) && calls >= next && done.Load() < int64(cuts) {
					next = calls + 1 + rng.IntN(400)
					done.Add(1)
					images <- l.cut(rng)
				}
				return vfs.Break{}
			})
			var checker sync.WaitGroup
			checker.Go(func() {
				for i := range images {
					if err := i.check(context.WithoutCancel(t.Context())); err != nil {
						t.Error(err)
						done.Store(int64(cuts))
					}
					if err := i.tree.Close(); err != nil {
						t.Error(err)
					}
				}
			})
			l.run(func() bool { return done.Load() >= int64(cuts) })
			l.calls.SetRule(nil)
			close(images)
			checker.Wait()
			var acked int64
			for who := range ledgerSessions {
				acked += l.acked[who].Load()
			}
			t.Logf("%d cuts, %d commits, %d calls, %d syncs", done.Load(), acked, calls, l.disk.Syncs())
		})
	}
}

// TestPowerCutsNeedSyncs shows that the check finds what is lost without the
// syncs of the WAL, and without those that a checkpoint of another backend
// owes.
func TestPowerCutsNeedSyncs(t *testing.T) {
	for name, prefix := range map[string]string{"wal": "/pg_wal/", "data": "/base/"} {
		t.Run(name, func(t *testing.T) {
			l := openLedgers(t, vfs.CrashOptions{})
			l.disk.DropSyncs(func(s vfs.SyncCall) bool { return strings.HasPrefix(s.Path, prefix) })
			var rounds atomic.Int64
			l.run(func() bool { return rounds.Add(1) > 400 })
			exec(t, l.conns[0], "checkpoint")
			exec(t, l.conns[0], fmt.Sprintf("insert into ledger values (0, %d, 'last')", l.started[0].Add(1)))
			l.acked[0].Add(1)
			i := l.cut(rand.New(worst{}))
			defer i.tree.Close()
			if err := i.check(t.Context()); err == nil {
				t.Error("nothing is lost without the syncs")
			} else {
				t.Log(err)
			}
		})
	}
}
