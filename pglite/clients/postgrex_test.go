package clients_test

import (
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// A postgrex is a connection that sends what Postgrex sends, which groups
// messages and flushes them like no other client: it waits after Parse,
// Describe, Flush, because it encodes parameters by the types that the server
// names, and in Ecto's sandbox it mixes simple queries with the extended
// protocol and leaves Sync out. This follows lib/postgrex/protocol.ex of
// github.com/elixir-ecto/postgrex at 672d6f5; functions of the same name are
// there, without the state that an Elixir process keeps.
//
// A connection never says goodbye (Terminate): it closes its socket and then
// sends a CancelRequest for whatever may still run.
type postgrex struct {
	c    *conversation
	name string
	net  net.Conn
	fe   *pgproto3.Frontend
	pid  uint32
	key  uint32

	status    byte                 // of the last ReadyForQuery: I, T or E
	queries   map[string]*prepared // nil with prepare: :unnamed
	savepoint bool                 // mode: :savepoint, as in the sandbox
	types     *pgtype.Map
}

// prepared is what the server has said of a statement.
type prepared struct {
	name, sql string
	params    []uint32
	columns   []pgproto3.FieldDescription
}

// result is what a query has given; rows are in the binary format.
type result struct {
	tag     string
	columns []pgproto3.FieldDescription
	rows    [][][]byte
	err     *pgproto3.ErrorResponse
	types   *pgtype.Map
}

// state is the SQLSTATE of the query's error, "" if there is none.
func (r result) state() string {
	if r.err == nil {
		return ""
	}
	return r.err.Code
}

// connect logs in; parameters are keys and values in turn.
func (c *conversation) connect(name string, parameters ...string) *postgrex {
	c.t.Helper()
	return c.connectTo(c.db.name, name, parameters...)
}

func (c *conversation) connectTo(database, name string, parameters ...string) *postgrex {
	c.t.Helper()
	p := c.login(database, name, parameters...)
	p.queries = make(map[string]*prepared)
	if c.known == nil {
		p.bootstrap()
	}
	return p
}

// login is a connection that does not ask for types, as Postgrex.Notifications
// has it.
func (c *conversation) login(database, name string, parameters ...string) *postgrex {
	c.t.Helper()
	p := &postgrex{c: c, name: name, types: pgtype.NewMap()}
	p.dial()
	params := map[string]string{"user": "postgres", "database": database}
	for i := 0; i < len(parameters); i += 2 {
		params[parameters[i]] = parameters[i+1]
	}
	p.send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: params})
	for p.status == 0 {
		if e, ok := p.receive().(*pgproto3.ErrorResponse); ok {
			c.t.Fatalf("%s: %s: %s", name, e.Code, e.Message)
		}
	}
	c.pids[p.pid] = name
	c.t.Cleanup(p.disconnect)
	return p
}

func (p *postgrex) dial() {
	p.c.t.Helper()
	nc, err := net.Dial("tcp", p.c.db.addr)
	if err != nil {
		p.c.t.Fatal(err)
	}
	p.net, p.fe = nc, pgproto3.NewFrontend(nc, nc)
}

// send writes messages in one piece.
func (p *postgrex) send(messages ...pgproto3.FrontendMessage) {
	p.c.t.Helper()
	var wire []byte
	for _, m := range messages {
		p.c.sent(p.name, m)
		var err error
		if wire, err = m.Encode(wire); err != nil {
			p.c.t.Fatal(err)
		}
	}
	if err := p.net.SetDeadline(time.Now().Add(patience)); err != nil {
		p.c.t.Fatal(err)
	}
	if _, err := p.net.Write(wire); err != nil {
		p.c.t.Fatalf("%s: write: %v", p.name, err)
	}
}

// receive returns the next message, which lives until the next call.
func (p *postgrex) receive() pgproto3.BackendMessage {
	p.c.t.Helper()
	if err := p.net.SetDeadline(time.Now().Add(patience)); err != nil {
		p.c.t.Fatal(err)
	}
	m, err := p.fe.Receive()
	if err != nil {
		p.c.t.Fatalf("%s: read: %v", p.name, err)
	}
	switch m := m.(type) {
	case *pgproto3.BackendKeyData:
		p.pid, p.key = m.ProcessID, m.SecretKey
	case *pgproto3.ReadyForQuery:
		p.status = m.TxStatus
	}
	p.c.heard(p.name, m)
	return m
}

// expect reads one message of T, and before it what may come at any time. An
// error of the server is returned; anything else ends the test, as it makes
// Postgrex disconnect.
func expect[T pgproto3.BackendMessage](p *postgrex) (m T, failed *pgproto3.ErrorResponse) {
	p.c.t.Helper()
	for {
		switch got := p.receive().(type) {
		case T:
			return got, nil
		case *pgproto3.ErrorResponse:
			e := *got
			return m, &e
		case *pgproto3.NoticeResponse, *pgproto3.ParameterStatus, *pgproto3.NotificationResponse:
		default:
			p.c.t.Fatalf("%s: received %T, expected %T", p.name, got, m)
		}
	}
}

// must is expect where Postgrex takes an error for the end of the connection.
func must[T pgproto3.BackendMessage](p *postgrex) T {
	p.c.t.Helper()
	m, failed := expect[T](p)
	if failed != nil {
		p.c.t.Fatalf("%s: %s: %s", p.name, failed.Code, failed.Message)
	}
	return m
}

// simple sends one simple query, which may have several statements, and returns
// the last result.
func (p *postgrex) simple(sql string) (r result) {
	p.c.t.Helper()
	p.send(&pgproto3.Query{String: sql})
	return p.recvSimple()
}

func (p *postgrex) recvSimple() (r result) {
	p.c.t.Helper()
	for {
		switch m := p.receive().(type) {
		case *pgproto3.CommandComplete:
			r.tag = string(m.CommandTag)
		case *pgproto3.ErrorResponse:
			e := *m
			r.err = &e
		case *pgproto3.DataRow:
			r.rows = append(r.rows, cloneValues(m.Values))
		case *pgproto3.ReadyForQuery:
			return r
		}
	}
}

// transaction is a simple query that must succeed, or Postgrex disconnects.
func (p *postgrex) transaction(sql string) {
	p.c.t.Helper()
	if r := p.simple(sql); r.err != nil {
		p.c.t.Fatalf("%s: %s: %s %s", p.name, sql, r.err.Code, r.err.Message)
	}
}

func (p *postgrex) begin() { p.c.t.Helper(); p.transactional("BEGIN", "SAVEPOINT postgrex_savepoint") }
func (p *postgrex) commit() {
	p.c.t.Helper()
	p.transactional("COMMIT", "RELEASE SAVEPOINT postgrex_savepoint")
}
func (p *postgrex) rollback() {
	p.c.t.Helper()
	p.transactional("ROLLBACK", "ROLLBACK TO SAVEPOINT postgrex_savepoint;RELEASE SAVEPOINT postgrex_savepoint")
}

func (p *postgrex) transactional(plain, savepoint string) {
	p.c.t.Helper()
	if p.savepoint {
		plain = savepoint
	}
	p.transaction(plain)
}

// ping is what an idle connection sends.
func (p *postgrex) ping() {
	p.c.t.Helper()
	p.send(&pgproto3.Sync{})
	must[*pgproto3.ReadyForQuery](p)
}

// disconnect closes the socket, whatever is under way, and then cancels that.
func (p *postgrex) disconnect() {
	p.c.t.Helper()
	if p.net == nil {
		return
	}
	if err := p.net.Close(); err != nil {
		p.c.t.Errorf("%s: close: %v", p.name, err)
	}
	p.net = nil
	p.cancel()
}

// cancel sends a CancelRequest, which the server answers by closing.
func (p *postgrex) cancel() {
	p.c.t.Helper()
	nc, err := net.Dial("tcp", p.c.db.addr)
	if err != nil {
		p.c.t.Errorf("%s: dial to cancel: %v", p.name, err)
		return
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	request, err := (&pgproto3.CancelRequest{ProcessID: p.pid, SecretKey: p.key}).Encode(nil)
	if err == nil {
		_, err = nc.Write(request)
	}
	if err != nil {
		p.c.t.Errorf("%s: cancel: %v", p.name, err)
		return
	}
	if n, err := io.Copy(io.Discard, nc); err != nil || n > 0 {
		p.c.t.Errorf("%s: the answer to a cancel request has %d bytes, %v", p.name, n, err)
	}
}

func cloneValues(values [][]byte) [][]byte {
	out := make([][]byte, len(values))
	for i, v := range values {
		if v != nil {
			out[i] = append([]byte{}, v...)
		}
	}
	return out
}

// scan decodes one row's columns.
func (r result) scan(row int, dst ...any) error {
	if r.err != nil {
		return fmt.Errorf("%s: %s", r.err.Code, r.err.Message)
	}
	if row >= len(r.rows) || len(dst) != len(r.rows[row]) {
		return fmt.Errorf("no row %d with %d columns in %d rows", row, len(dst), len(r.rows))
	}
	for i, d := range dst {
		f := r.columns[i]
		if err := r.types.Scan(f.DataTypeOID, pgtype.BinaryFormatCode, r.rows[row][i], d); err != nil {
			return fmt.Errorf("column %s: %w", f.Name, err)
		}
	}
	return nil
}
