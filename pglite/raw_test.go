package pglite_test

import (
	"bytes"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/howdahdb/howdah/pglite"
)

// rawConn speaks the protocol message by message.
type rawConn struct {
	t  testing.TB
	nc net.Conn
	fe *pgproto3.Frontend
}

func rawConnect(t testing.TB, c *pglite.Cluster) *rawConn {
	t.Helper()
	h, err := connect(t, c, nil).PgConn().Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Conn.Close() })
	return &rawConn{t, h.Conn, h.Frontend}
}

// send writes messages with one Write.
func (r *rawConn) send(msgs ...pgproto3.FrontendMessage) {
	r.t.Helper()
	for _, m := range msgs {
		r.fe.Send(m)
	}
	if err := r.fe.Flush(); err != nil {
		r.t.Fatal(err)
	}
}

// write sends bytes as they are.
func (r *rawConn) write(p []byte) {
	r.t.Helper()
	if _, err := r.nc.Write(p); err != nil {
		r.t.Fatal(err)
	}
}

// until reads up to a message of the type, and returns what came: the type
// letters, with the values of rows, the SQLSTATE of errors and the status of
// ReadyForQuery.
func (r *rawConn) until(last byte) string {
	r.t.Helper()
	_ = r.nc.SetReadDeadline(time.Now().Add(20 * time.Second)) // a hang is a failure
	var got []byte
	for {
		m, err := r.fe.Receive()
		if err != nil {
			r.t.Fatalf("after %q: %v", got, err)
		}
		b, err := m.Encode(nil)
		if err != nil {
			r.t.Fatal(err)
		}
		got = append(got, b[0])
		switch m := m.(type) {
		case *pgproto3.DataRow:
			got = append(got, "("+string(bytes.Join(m.Values, []byte(",")))+")"...)
		case *pgproto3.ErrorResponse:
			got = append(got, "("+m.Code+")"...)
		case *pgproto3.ReadyForQuery:
			got = append(got, m.TxStatus)
		}
		if b[0] == last {
			return string(got)
		}
	}
}

// expect reads to a message of the type that ends want.
func (r *rawConn) expect(last byte, want string) {
	r.t.Helper()
	if got := r.until(last); got != want {
		r.t.Errorf("got %q, want %q", got, want)
	}
}

func query(sql string) *pgproto3.Query { return &pgproto3.Query{String: sql} }

func parse(name, sql string) *pgproto3.Parse { return &pgproto3.Parse{Name: name, Query: sql} }

func bind(name string) *pgproto3.Bind { return &pgproto3.Bind{PreparedStatement: name} }
