package pglite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// worker is a backend that was booted as an autovacuum worker, beside those of
// the pool: for Postgres it is one. Its VACUUMs are
// counted as autovacuum's, and who waits for a lock of its has it cancelled after
// deadlock_timeout (src/backend/storage/lmgr/deadlock.c, proc.c). Its settings
// for cost make it sleep, and others run.
type worker struct {
	*backend
	c  *Cluster
	db string
}

// vacuumDatabase does what is due in one database.
func (c *Cluster) vacuumDatabase(ctx context.Context, db database) error {
	b, err := c.boot(ctx, login{role: hostLogin.role, db: db.name, worker: true, override: !db.connect})
	if err != nil {
		return err
	}
	w := &worker{b, c, db.name}
	defer c.retire(b, false)
	defer context.AfterFunc(ctx, func() { b.raise(b.addr.queryCancelPending) })()
	if err := w.prepare(ctx); err != nil {
		return err
	}
	due, err := w.due(ctx, "true")
	if err != nil {
		return err
	}
	for _, t := range due {
		if err := w.table(ctx, t.oid); err != nil {
			return err
		}
	}
	if len(due) > 0 || db.forced {
		_, err = w.run(ctx, "vacuum (only_database_stats)", false)
	}
	return err
}

// prepare overrides what a database or role may have set (AutoVacWorkerMain).
func (w *worker) prepare(ctx context.Context) error {
	_, err := w.run(ctx, `set search_path = ''; set zero_damaged_pages = off; set statement_timeout = 0; set transaction_timeout = 0;
		set lock_timeout = 0; set idle_in_transaction_session_timeout = 0; set default_transaction_isolation = 'read committed';
		set default_transaction_read_only = off; set stats_fetch_consistency = none; set client_encoding = 'UTF8'`, false)
	return err
}

// due lists what is to be done, of the tables that a condition on c leaves.
func (w *worker) due(ctx context.Context, condition string) (due []dueTable, err error) {
	rows, err := w.run(ctx, fmt.Sprintf(tablesSQL, condition), false)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		t, err := readDue(r)
		if err != nil {
			return nil, err
		}
		due = append(due, t)
	}
	return due, nil
}

// table vacuums or analyzes a table, if that is still due. An error of the
// statement's own is logged, and the next table's turn comes.
func (w *worker) table(ctx context.Context, oid string) error {
	again, err := w.due(ctx, "c.oid = "+oid)
	if err != nil || len(again) == 0 {
		return err
	}
	t := again[0]
	var set []string
	for k, name := range workerSettings {
		set = append(set, "set_config('"+name+"', "+quoteLiteral(t.settings[k])+", false)")
	}
	if _, err := w.run(ctx, "select "+strings.Join(set, ", "), false); err != nil {
		return err
	}
	began := time.Now()
	_, err = w.run(ctx, t.statement(), !t.forced)
	w.book(&t, time.Since(began), err)
	if e := (*Error)(nil); errors.As(err, &e) && e.Severity != "FATAL" {
		return ctx.Err()
	}
	return err
}

// book counts and logs what was done.
func (w *worker) book(t *dueTable, took time.Duration, err error) {
	n := &w.c.counters.vacuum
	n.took.Add(int64(took))
	const canceled = "57014"
	e := (*Error)(nil)
	switch {
	case err == nil && t.vacuum && t.analyze:
		n.vacuums.Add(1)
		n.analyzes.Add(1)
	case err == nil && t.vacuum:
		n.vacuums.Add(1)
	case err == nil:
		n.analyzes.Add(1)
	case errors.As(err, &e) && e.Code == canceled:
		n.canceled.Add(1)
	default:
		n.failed.Add(1)
	}
	event := w.c.log.Debug()
	if err != nil || t.logFrom >= 0 && took >= t.logFrom {
		event = w.c.log.Info()
	}
	event.Err(err).Str("database", w.db).Str("table", t.name).Bool("vacuum", t.vacuum).Bool("analyze", t.analyze).Bool("wraparound", t.forced).
		Str("dead", t.dead).Str("inserted", t.inserted).Str("modified", t.modified).Dur("took", took).Msg("autovacuum")
}

// run runs a statement, which gives way to others or not. What was to cancel
// another one does not reach it.
func (w *worker) run(ctx context.Context, sql string, yielding bool) (rows [][]string, err error) {
	b := w.backend
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer func() { b.leave(err) }()
	b.signals.And(^uint32(1 << sigInt))
	b.inst.PutUint32(b.addr.queryCancelPending, 0)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.inst.PutUint32(b.addr.myBackendType, backendTypeAutovacWorker)
	b.inst.PutUint32(b.inst.Uint32(beEntryAddr)+beEntryTypeAt, backendTypeAutovacWorker)
	b.giveWay(yielding)
	return b.queryAsHost(sql)
}

// giveWay sets PROC_IS_AUTOVACUUM, in MyProc->statusFlags and in its mirror in
// ProcGlobal, or takes it away. REQUIRES: entered.
func (b *backend) giveWay(yes bool) {
	proc, global := b.inst.Uint32(b.addr.myProc), b.inst.Uint32(procGlobalAddr)
	flags := b.inst.Bytes(proc+procStatusFlags, 1)
	flags[0] &^= procIsAutovacuum
	if yes {
		flags[0] |= procIsAutovacuum
	}
	mirror := b.inst.Uint32(global+globalStatusFlags) + b.inst.Uint32(proc+procArrayIndex)
	b.inst.Bytes(mirror, 1)[0] = flags[0]
}
