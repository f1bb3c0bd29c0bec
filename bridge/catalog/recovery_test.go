package catalog_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/catalog"
)

// TestRecovered follows a cluster over a crash amid a transaction that has changed
// catalogs and begun to write one anew, and over the shutdown of the next server.
func TestRecovered(t *testing.T) {
	s := howdah(t)
	conn := s.open(t, "postgres")
	exec(t, conn, "create table kept (id int primary key)")
	f := follow(t, s.dir)
	exec(t, conn, "create table too (id int primary key, v text)")
	// More than wal_buffers has, so that the log is written before a commit is.
	exec(t, conn, "begin; create table lost (id int); alter table too add column lost int; cluster pg_enum using pg_enum_oid_index")
	exec(t, conn, "select pg_logical_emit_message(true, '', repeat('m', 8000000))")
	f.catchUp(t, 0)
	if len(f.pending) == 0 {
		t.Fatal("nothing of the transaction that is lost was seen")
	}
	lost := &server{dir: crashed(t, s.dir)}
	f.dir = lost.dir
	f.catchUp(t, 0)
	f.restart(t)

	t.Run("next", func(t *testing.T) {
		lost.config = start(t, lost.dir)
		conn := lost.open(t, "postgres")
		exec(t, conn, "alter table too add column after int")
		check(t, lost, f, map[string]*pgx.Conn{"": conn}, "after recovery")
		if n := len(f.pending); n != 0 {
			t.Errorf("%d transactions are under way", n)
		}
	})
	f.catchUp(t, 0)
	again, start := read(t, lost.dir)
	if at := f.reader.Position(); start.LSN != at {
		t.Errorf("after a shutdown the log ends at %v, and reading it anew at %v", at, start.LSN)
	}
	same(t, "after a shutdown, read anew", again.Dump(), f.catalogs.Dump(), "followed")
	if n := f.catalogs.Files(); n != again.Files() {
		t.Errorf("%d files are followed, and reading anew %d", n, again.Files())
	}
}

// TestPrepared begins to follow while transactions are prepared: before a checkpoint,
// after it, and with subtransactions of which some were rolled back. They are
// committed, or not, later.
func TestPrepared(t *testing.T) {
	for name, begin := range servers() {
		t.Run(name, func(t *testing.T) {
			s := begin(t)
			conn := s.open(t, "postgres")
			exec(t, conn, "create table a (id int primary key, v text); create table b (id int primary key, v text); create table c (id int); create table d (id int)")
			exec(t, conn, "begin; alter table a add column w int; create table of_a (id int primary key); alter table a rename to aa; prepare transaction 'first'")
			exec(t, conn, "checkpoint")
			exec(t, conn, "begin; savepoint x; alter table b add column no int; rollback to x; savepoint y; alter table b drop column v; create type t as enum ('a'); prepare transaction 'second'")
			exec(t, conn, "begin; drop table c; prepare transaction 'third'")
			exec(t, conn, "begin; drop table d; prepare transaction 'fourth'")
			flush(t, conn)
			c, start := read(t, s.dir)
			if len(start.Prepared) != 4 {
				t.Errorf("%d transactions are prepared", len(start.Prepared))
			}
			f := follow(t, s.dir)
			same(t, "read twice", f.catalogs.Dump(), c.Dump(), "the first time")
			f.prepare(start)
			check(t, s, f, map[string]*pgx.Conn{"": conn}, "while they are prepared")
			for i, end := range []string{"commit prepared 'first'", "rollback prepared 'third'", "commit prepared 'second'", "create table e (v t)", "commit prepared 'fourth'"} {
				exec(t, conn, end)
				check(t, s, f, map[string]*pgx.Conn{"": conn}, fmt.Sprint("after ", end))
				if i == 1 {
					f.restart(t)
				}
			}
			if n := len(f.pending); n != 0 {
				t.Errorf("%d transactions are under way", n)
			}
		})
	}
}

// prepare takes over what prepared transactions have done before.
func (f *follower) prepare(start *catalog.Start) {
	for xid, ops := range start.Prepared {
		for i := range ops {
			f.pending[xid] = append(f.pending[xid], entry{op: ops[i].Append(nil)})
		}
	}
}

// TestTablespaces moves databases and catalogs to another tablespace and back.
func TestTablespaces(t *testing.T) {
	s := native(t)
	conns := map[string]*pgx.Conn{"": s.open(t, "postgres")}
	conn := conns[""]
	exec(t, conn, "create database before")
	exec(t, conn, "set allow_in_place_tablespaces = on")
	exec(t, conn, "create tablespace elsewhere location ''")
	f := follow(t, s.dir)
	exec(t, conn, "create table here (id int primary key); create table there (id int primary key) tablespace elsewhere")
	exec(t, conn, "alter database before set tablespace elsewhere")
	exec(t, conn, "create database born tablespace elsewhere")
	exec(t, conn, "create database copied tablespace elsewhere template before strategy file_copy")
	exec(t, conn, "alter table here set tablespace elsewhere")
	for _, database := range []string{"before", "born", "copied"} {
		conns[database] = s.open(t, database)
		exec(t, conns[database], "create table t (id int primary key, v text); create type e as enum ('"+database+"')")
		exec(t, conns[database], "vacuum full pg_class")
		if database != "before" { // which could not be moved back then
			exec(t, conns[database], "alter table t set tablespace pg_default")
		}
	}
	check(t, s, f, conns, "moved")
	if err := conns["before"].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	delete(conns, "before")
	exec(t, conn, "alter database before set tablespace pg_default")
	conns["before"] = s.open(t, "before")
	exec(t, conns["before"], "alter table t add column w int")
	check(t, s, f, conns, "moved back")
	for _, database := range []string{"born", "copied"} {
		if err := conns[database].Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		delete(conns, database)
		exec(t, conn, "drop database "+database)
	}
	check(t, s, f, conns, "dropped")
	again, _ := read(t, s.dir)
	if n := f.catalogs.Files(); n != again.Files() {
		t.Errorf("%d files are followed, and reading anew %d", n, again.Files())
	}
}

// TestLockedRows changes rows of catalogs that are locked as well, so that tuples
// name a set of transactions (a multixact) as their end.
func TestLockedRows(t *testing.T) {
	s := native(t)
	conns := map[string]*pgx.Conn{"": s.open(t, "postgres")}
	conn, other := conns[""], s.open(t, "postgres")
	exec(t, conn, "set lock_timeout = '10s'")
	exec(t, conn, "create table m1 (id int); create table m2 (id int); create table m3 (id int); create table m4 (id int)")
	flush(t, conn)
	f := follow(t, s.dir)
	for _, checkpoint := range []bool{false, true} {
		lock := func(conn *pgx.Conn, table, how string) {
			t.Helper()
			exec(t, conn, fmt.Sprintf("select 1 from pg_class where relname = '%s' for %s", table, how))
		}
		exec(t, other, "begin")
		lock(other, "m2", "key share")
		exec(t, conn, "alter table m2 replica identity "+map[bool]string{false: "full", true: "nothing"}[checkpoint])
		if checkpoint {
			exec(t, conn, "checkpoint")
		}
		exec(t, conn, "begin; savepoint a")
		lock(conn, "m1", "key share")
		exec(t, conn, "release a; savepoint b; drop table m1; release b; savepoint c; alter table m3 add column no int; rollback to c")
		lock(conn, "m4", "share")
		exec(t, conn, "savepoint d; drop table m4; rollback to d; commit")
		exec(t, other, "commit")
		check(t, s, f, conns, fmt.Sprint("checkpoint ", checkpoint))
		exec(t, conn, "create table m1 (id int)")
	}
	exec(t, conn, "checkpoint")
	check(t, s, f, conns, "in the end")
	if n := atoi(t, ask(t, conn, "select (next_multixact_id::text::int8 - 1)::text from pg_control_checkpoint()")[0]); n == 0 {
		t.Error("there were no multixacts")
	}
}
