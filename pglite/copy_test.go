package pglite_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/howdahdb/howdah/pglite"
)

func shortQueue(o *pglite.Options) { o.QueueTimeout = 500 * time.Millisecond }

// TestDataAfterFailedCopy: what a client sends before it learns that its COPY
// has failed is dropped, and does not hold the backend.
func TestDataAfterFailedCopy(t *testing.T) {
	c := openCluster(t, shortQueue)
	a, b := rawConnect(t, c), connect(t, c, nil)
	exec(t, b, "create table t(a int)")
	for _, end := range []pgproto3.FrontendMessage{&pgproto3.CopyDone{}, &pgproto3.CopyFail{Message: "no"}} {
		a.send(query("copy t from stdin"))
		a.expect('G', "G")
		a.send(&pgproto3.CopyData{Data: []byte("1\n")}, &pgproto3.CopyData{Data: []byte("bad\n")})
		a.expect('Z', "E(22P02)ZI")
		a.send(&pgproto3.CopyData{Data: []byte("2\n")}, end)
		for range 20 { // nothing tells when the data has arrived
			if got := value(t, b, "select count(*) from t"); got != "0" {
				t.Errorf("%s rows", got)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	a.send(query("copy t from stdin"), &pgproto3.CopyData{Data: []byte("bad\n")}, &pgproto3.CopyData{Data: []byte("2\n")}, &pgproto3.CopyDone{}, query("select 1"))
	a.expect('Z', "GE(22P02)ZI")
	a.expect('Z', "TD(1)CZI")
}

// TestCopyByExtendedQuery: Postgres ignores Sync and Flush within the data.
func TestCopyByExtendedQuery(t *testing.T) {
	c := openCluster(t, shortQueue)
	a, b := rawConnect(t, c), connect(t, c, nil)
	exec(t, b, "create table t(a int)")
	a.send(parse("", "copy t from stdin"), bind(""), &pgproto3.Execute{}, &pgproto3.Sync{})
	a.expect('G', "12G")
	a.send(&pgproto3.CopyData{Data: []byte("1\n")}, &pgproto3.Flush{}, &pgproto3.Sync{}, &pgproto3.CopyData{Data: []byte("2\n")}, &pgproto3.CopyDone{}, &pgproto3.Sync{})
	a.expect('Z', "CZI")
	a.send(parse("", "copy t from stdin"), bind(""), &pgproto3.Execute{}, &pgproto3.Sync{})
	a.expect('G', "12G")
	a.send(&pgproto3.CopyData{Data: []byte("bad\n")}, &pgproto3.CopyData{Data: []byte("3\n")}, &pgproto3.CopyDone{}, &pgproto3.Sync{})
	a.expect('Z', "E(22P02)ZI")
	if got := value(t, b, "select count(*) from t"); got != "2" {
		t.Errorf("%s rows", got)
	}
}

// TestLeaveWithinCopy: nothing of the COPY stays, and others go on.
func TestLeaveWithinCopy(t *testing.T) {
	for name, leave := range map[string]func(a *rawConn){
		"terminate":       func(a *rawConn) { a.send(&pgproto3.Terminate{}) },
		"between":         func(a *rawConn) {},
		"within-header":   func(a *rawConn) { a.write([]byte{'d', 0, 0}) },
		"within-data":     func(a *rawConn) { a.write([]byte("d\x00\x00\x00\x20" + "2\n")) },
		"invalid-length":  func(a *rawConn) { a.write([]byte{'d', 0, 0, 0, 3}) },
		"another-message": func(a *rawConn) { a.send(query("select 1")) },
	} {
		t.Run(name, func(t *testing.T) {
			c := openCluster(t, nil)
			a, b := rawConnect(t, c), connect(t, c, nil)
			exec(t, b, "create table t(a int)")
			a.send(query("copy t from stdin"))
			a.expect('G', "G")
			a.send(&pgproto3.CopyData{Data: []byte("1\n")})
			leave(a)
			_ = a.nc.Close()
			if got := value(t, b, "select count(*) from t"); got != "0" {
				t.Errorf("%s rows", got)
			}
		})
	}
}
