package pglite_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/howdahdb/howdah/pglite"
)

// TestStatementsInFailedBatch: while the guest skips to Sync, nothing is done
// in it on behalf of the client's statements.
func TestStatementsInFailedBatch(t *testing.T) {
	c := openCluster(t, shortQueue)
	a, b := rawConnect(t, c), rawConnect(t, c)
	for _, x := range []*rawConn{a, b} { // b's takes the place of a's
		x.send(parse("s", "select "+map[*rawConn]string{a: "1", b: "2, 3"}[x]), &pgproto3.Sync{})
		x.expect('Z', "1ZI")
	}
	a.send(parse("", "no sql"), &pgproto3.Flush{})
	a.expect('E', "E(42601)")
	a.send(bind("s"), &pgproto3.Execute{}, parse("new", "select 1"), &pgproto3.Sync{})
	a.expect('Z', "ZI")
	a.send(bind("s"), &pgproto3.Execute{}, &pgproto3.Sync{})
	a.expect('Z', "2D(1)CZI")
	b.send(bind("s"), &pgproto3.Execute{}, &pgproto3.Sync{})
	b.expect('Z', "2D(2,3)CZI")
}

// TestAnswersBeforeAgreement: what the guest has answered of a batch but not
// sent is not lost when a statement has to be prepared again.
func TestAnswersBeforeAgreement(t *testing.T) {
	c := openCluster(t, shortQueue)
	a, b := rawConnect(t, c), rawConnect(t, c)
	for range 2 {
		for _, x := range []*rawConn{a, b} {
			x.send(parse("s", "select "+map[*rawConn]string{a: "1", b: "2, 3"}[x]), &pgproto3.Sync{})
			x.expect('Z', "1ZI")
		}
		for _, x := range []*rawConn{a, b} {
			x.send(parse("", "select 0"), bind(""), &pgproto3.Execute{},
				bind("s"), &pgproto3.Execute{},
				&pgproto3.Close{ObjectType: 'S', Name: "s"}, parse("s", "select 4"), bind("s"), &pgproto3.Execute{},
				&pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{})
			x.expect('Z', "12D(0)C2D("+map[*rawConn]string{a: "1", b: "2,3"}[x]+")C312D(4)C3ZI")
		}
	}
}

// TestParseOfTakenName: a name that the client uses is refused, whatever the
// guest holds.
func TestParseOfTakenName(t *testing.T) {
	c := openCluster(t, shortQueue)
	a, b := rawConnect(t, c), rawConnect(t, c)
	a.send(parse("s", "select 1"), &pgproto3.Sync{})
	a.expect('Z', "1ZI")
	b.send(parse("s", "select 2"), &pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{})
	b.expect('Z', "13ZI")
	a.send(parse("s", "select 3"), &pgproto3.Sync{})
	a.expect('Z', "E(42P05)ZI")
}

// TestStaleStatementAndSQL: a statement that can't be prepared again does not
// keep SQL about statements from being answered.
func TestStaleStatementAndSQL(t *testing.T) {
	c := openCluster(t, shortQueue)
	a, b := rawConnect(t, c), rawConnect(t, c)
	stale := func() {
		a.send(query("create table t(a int)"))
		a.expect('Z', "CZI")
		a.send(parse("s", "select a from t"), &pgproto3.Sync{})
		a.expect('Z', "1ZI")
		b.send(parse("s", "select 1"), &pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{})
		b.expect('Z', "13ZI")
		b.send(query("drop table t"))
		b.expect('Z', "CZI")
	}
	stale()
	a.send(query("deallocate all"))
	a.expect('Z', "CZI")
	stale()
	a.send(query("begin"))
	a.expect('Z', "CZT")
	a.send(query("discard all"))
	a.expect('Z', "E(42P01)ZE")
	a.send(query("execute s"))
	a.expect('Z', "E(25P02)ZE")
	a.send(query("rollback"))
	a.expect('Z', "CZI")
	a.send(query("discard all"))
	a.expect('Z', "CZI")
}

// TestHiddenDeallocate: statements that SQL within SQL has dropped are gone
// for the client that did it, and no other.
func TestHiddenDeallocate(t *testing.T) {
	c := openCluster(t, shortQueue)
	a, b := rawConnect(t, c), rawConnect(t, c)
	a.send(parse("s", "select 1"), &pgproto3.Sync{})
	a.expect('Z', "1ZI")
	b.send(query("create function f() returns void language plpgsql as $$ begin execute 'deallocate all'; end $$"))
	b.expect('Z', "CZI")
	for range 2 {
		a.send(bind("s"), &pgproto3.Execute{}, &pgproto3.Sync{})
		a.expect('Z', "2D(1)CZI")
		b.send(query("do $$ begin perform f(); end $$"))
		b.expect('Z', "CZI")
	}
	a.send(bind("s"), &pgproto3.Execute{}, &pgproto3.Sync{})
	a.expect('Z', "2D(1)CZI")
	a.send(query("do $$ begin perform f(); end $$"))
	a.expect('Z', "CZI")
	a.send(bind("s"), &pgproto3.Execute{}, &pgproto3.Sync{})
	a.expect('Z', "E(26000)ZI")
}

// TestLoneFlushAndSync hold no backend.
func TestLoneFlushAndSync(t *testing.T) {
	c := openCluster(t, shortQueue)
	a, b := rawConnect(t, c), connect(t, c, nil)
	a.send(&pgproto3.Sync{}, &pgproto3.Flush{})
	a.expect('Z', "ZI")
	for range 10 {
		value(t, b, "select 1")
		time.Sleep(5 * time.Millisecond) // nothing tells when the Flush has arrived
	}
	exec(t, b, "begin")
	a.send(&pgproto3.Sync{})
	a.expect('Z', "ZI")
}

// TestSlowMessageHoldsNoBackend: a message waits for its rest before it takes
// a backend.
func TestSlowMessageHoldsNoBackend(t *testing.T) {
	c := openCluster(t, shortQueue)
	a, b := rawConnect(t, c), connect(t, c, nil)
	a.write([]byte("Q\x00\x00\x00\x0dsele"))
	for range 10 {
		value(t, b, "select 1")
		time.Sleep(5 * time.Millisecond) // nothing tells when the part has arrived
	}
	a.write([]byte("ct 1\x00"))
	a.expect('Z', "TD(1)CZI")
}

// TestBatchIsOneTurn: what has come together runs together, and a batch that
// comes in pieces does not wait for its end.
func TestBatchIsOneTurn(t *testing.T) {
	c := openCluster(t, nil)
	r := rawConnect(t, c)
	r.send(parse("s", "select 1"), &pgproto3.Sync{})
	r.expect('Z', "1ZI")
	batch := []pgproto3.FrontendMessage{bind("s"), &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{}}
	before := c.Stats().Turns
	r.send(batch...)
	r.expect('Z', "2TD(1)CZI")
	if n := c.Stats().Turns - before; n != 1 {
		t.Errorf("a batch took %d turns", n)
	}
	r.send(bind("s"), &pgproto3.Execute{}, &pgproto3.Flush{}, bind("s"))
	r.expect('C', "2D(1)C")
	r.send(&pgproto3.Execute{}, &pgproto3.Sync{})
	r.expect('Z', "2D(1)CZI")
}

// TestAnswerBeforeNextStatement: a client that sends ahead has the answer to one
// statement while the next one runs.
func TestAnswerBeforeNextStatement(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.MaxBackends = 2 })
	r, other := rawConnect(t, c), connect(t, c, nil)
	for _, long := range []string{"select pg_sleep(1e6)", "select count(*) from generate_series(1, 1e5) a, generate_series(1, 1e5) b"} {
		r.send(query("select pg_backend_pid()"), query(long))
		pid := strings.TrimSuffix(strings.TrimPrefix(r.until('Z'), "TD("), ")CZI")
		for value(t, other, "select count(pg_cancel_backend(pid)) from pg_stat_activity where state = 'active' and query = '"+long+"' and pid = "+pid) == "0" {
			time.Sleep(time.Millisecond) // it has the answer before the next statement begins
		}
		if got := r.until('Z'); !strings.HasSuffix(got, "E(57014)ZI") {
			t.Errorf("%s: got %q", long, got)
		}
	}
}
