package clients_test

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// Statements around each query of the sandbox (mode: :savepoint).
const (
	savepoint = "SAVEPOINT postgrex_query"
	release   = "RELEASE SAVEPOINT postgrex_query"
	restore   = "ROLLBACK TO SAVEPOINT postgrex_query;RELEASE SAVEPOINT postgrex_query"
)

// query runs a statement once, without a name.
func (p *postgrex) query(sql string, args ...any) result {
	p.c.t.Helper()
	return p.execute("", sql, args...)
}

// execute runs a statement under a name, and prepares it unless this connection
// has done so: prepare_execute the first time, rebind_execute then.
func (p *postgrex) execute(name, sql string, args ...any) result {
	p.c.t.Helper()
	return p.start(name, sql, args...)()
}

// start sends a statement whose answer is read by the function it returns.
func (p *postgrex) start(name, sql string, args ...any) (finish func() result) {
	p.c.t.Helper()
	if p.queries == nil {
		name = ""
	}
	st, cached := p.queries[name], true
	if st == nil || st.sql != sql {
		var failed *pgproto3.ErrorResponse
		if st, failed = p.prepare(name, sql); failed != nil {
			return func() result { return result{err: failed} }
		}
		cached = false
	}
	var messages []pgproto3.FrontendMessage
	if p.savepoint && cached {
		messages = append(messages, &pgproto3.Query{String: savepoint})
	}
	messages = append(messages, p.bind(st, "", args), &pgproto3.Execute{})
	closing := name == "" && !p.savepoint
	if closing {
		messages = append(messages, &pgproto3.Close{ObjectType: 'S'})
	}
	p.send(append(messages, p.end())...)
	return func() result {
		p.c.t.Helper()
		if p.savepoint && cached {
			p.recvTransaction()
		}
		if _, failed := expect[*pgproto3.BindComplete](p); failed != nil {
			return p.failed(st, failed)
		}
		r := p.recvExecute(st)
		if r.err != nil {
			return p.failed(st, r.err)
		}
		if closing {
			must[*pgproto3.CloseComplete](p)
		}
		p.recvEnd()
		return r
	}
}

// prepare sends Parse and Describe and flushes them (close_parse_describe_flush).
func (p *postgrex) prepare(name, sql string) (*prepared, *pgproto3.ErrorResponse) {
	p.c.t.Helper()
	var messages []pgproto3.FrontendMessage
	if p.savepoint {
		messages = append(messages, &pgproto3.Query{String: savepoint})
	}
	if name != "" {
		messages = append(messages, &pgproto3.Close{ObjectType: 'S', Name: name})
	}
	p.send(append(messages, &pgproto3.Parse{Name: name, Query: sql}, &pgproto3.Describe{ObjectType: 'S', Name: name}, &pgproto3.Flush{})...)
	if p.savepoint {
		p.recvTransaction()
	}
	if name != "" {
		must[*pgproto3.CloseComplete](p)
		delete(p.queries, name)
	}
	st := &prepared{name: name, sql: sql}
	if _, failed := expect[*pgproto3.ParseComplete](p); failed != nil {
		return nil, p.flushed(failed)
	}
	params, failed := expect[*pgproto3.ParameterDescription](p)
	if failed != nil {
		return nil, p.flushed(failed)
	}
	st.params = append(st.params, params.ParameterOIDs...)
	switch m := p.receive().(type) {
	case *pgproto3.RowDescription:
		for _, f := range m.Fields {
			f.Name = append([]byte{}, f.Name...)
			st.columns = append(st.columns, f)
		}
	case *pgproto3.NoData:
	default:
		p.c.t.Fatalf("%s: Describe gives %T", p.name, m)
	}
	if unknown := p.unknownTypes(st); len(unknown) > 0 {
		p.reload(st, unknown)
		return p.prepare(name, sql)
	}
	if name != "" {
		p.queries[name] = st
	}
	return st, nil
}

// bind gives all values and asks for all columns in the binary format.
func (p *postgrex) bind(st *prepared, portal string, args []any) *pgproto3.Bind {
	p.c.t.Helper()
	b := &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: st.name}
	if len(args) != len(st.params) {
		p.c.t.Fatalf("%s: %s has %d parameters, %d are given", p.name, st.sql, len(st.params), len(args))
	}
	for i, oid := range st.params {
		value, err := encodeValue(p.types, oid, args[i])
		if err != nil {
			p.c.t.Fatalf("%s: %s: parameter %d: %v", p.name, st.sql, i+1, err)
		}
		b.Parameters = append(b.Parameters, value)
		b.ParameterFormatCodes = append(b.ParameterFormatCodes, pgtype.BinaryFormatCode)
	}
	for range st.columns {
		b.ResultFormatCodes = append(b.ResultFormatCodes, pgtype.BinaryFormatCode)
	}
	return b
}

// encodeValue encodes as Postgrex' extension for the type does. Of a user's type
// the value is given as it is sent.
func encodeValue(types *pgtype.Map, oid uint32, value any) ([]byte, error) {
	if _, known := types.TypeForOID(oid); known {
		return types.Encode(oid, pgtype.BinaryFormatCode, value, []byte{})
	}
	switch value := value.(type) {
	case string:
		return []byte(value), nil
	case []byte:
		return value, nil
	}
	return nil, fmt.Errorf("%T for a type that is not built in", value)
}

// end is the message that ends a query: in the sandbox a simple query does what
// Sync does elsewhere.
func (p *postgrex) end() pgproto3.FrontendMessage {
	if p.savepoint {
		return &pgproto3.Query{String: release}
	}
	return &pgproto3.Sync{}
}

func (p *postgrex) recvEnd() {
	p.c.t.Helper()
	if p.savepoint {
		p.recvTransaction()
		return
	}
	must[*pgproto3.ReadyForQuery](p)
}

func (p *postgrex) recvTransaction() {
	p.c.t.Helper()
	if r := p.recvSimple(); r.err != nil {
		p.c.t.Fatalf("%s: %s %s", p.name, r.err.Code, r.err.Message)
	}
}

// recvExecute reads the answer to Execute, which may be that of COPY TO.
func (p *postgrex) recvExecute(st *prepared) (r result) {
	p.c.t.Helper()
	r = result{columns: st.columns, types: p.types}
	for {
		switch m := p.receive().(type) {
		case *pgproto3.DataRow:
			r.rows = append(r.rows, cloneValues(m.Values))
		case *pgproto3.CopyData:
			r.rows = append(r.rows, cloneValues([][]byte{m.Data}))
		case *pgproto3.CommandComplete:
			r.tag = string(m.CommandTag)
			return r
		case *pgproto3.PortalSuspended, *pgproto3.EmptyQueryResponse:
			return r
		case *pgproto3.ErrorResponse:
			e := *m
			r.err = &e
			return r
		case *pgproto3.CopyOutResponse, *pgproto3.CopyDone, *pgproto3.NoticeResponse, *pgproto3.ParameterStatus, *pgproto3.NotificationResponse:
		default:
			p.c.t.Fatalf("%s: Execute gives %T", p.name, m)
		}
	}
}

// failed ends a query after an error of Bind or Execute, behind which the end of
// the query has been sent already. A plan that no longer fits its statement's
// result is prepared anew at the next use.
func (p *postgrex) failed(st *prepared, e *pgproto3.ErrorResponse) result {
	p.c.t.Helper()
	if e.Code == "0A000" {
		delete(p.queries, st.name)
	}
	if p.savepoint {
		return result{err: p.flushed(e)} // the server has skipped the RELEASE
	}
	must[*pgproto3.ReadyForQuery](p)
	return result{err: e}
}

// flushed ends a query after an error behind which no Sync has been sent.
func (p *postgrex) flushed(e *pgproto3.ErrorResponse) *pgproto3.ErrorResponse {
	p.c.t.Helper()
	if !p.savepoint {
		p.send(&pgproto3.Sync{})
		must[*pgproto3.ReadyForQuery](p)
		return e
	}
	p.send(&pgproto3.Sync{}, &pgproto3.Query{String: restore})
	must[*pgproto3.ReadyForQuery](p)
	p.recvTransaction()
	return e
}

// close forgets a named statement.
func (p *postgrex) close(name string) {
	p.c.t.Helper()
	p.send(&pgproto3.Close{ObjectType: 'S', Name: name}, &pgproto3.Sync{})
	must[*pgproto3.CloseComplete](p)
	must[*pgproto3.ReadyForQuery](p)
	delete(p.queries, name)
}

// A cursor is a named portal.
type cursor struct {
	p      *postgrex
	st     *prepared
	portal string
}

// declare binds an unnamed statement to a portal.
func (p *postgrex) declare(portal, sql string, args ...any) *cursor {
	p.c.t.Helper()
	st, failed := p.prepare("", sql)
	if failed != nil {
		p.c.t.Fatalf("%s: %s: %s %s", p.name, sql, failed.Code, failed.Message)
	}
	p.send(p.bind(st, portal, args), p.end())
	must[*pgproto3.BindComplete](p)
	p.recvEnd()
	return &cursor{p, st, portal}
}

// fetch gives the next rows; Postgrex asks for 500 unless told otherwise.
func (c *cursor) fetch(rows uint32) result {
	p := c.p
	p.c.t.Helper()
	execute := &pgproto3.Execute{Portal: c.portal, MaxRows: rows}
	if p.savepoint {
		p.send(&pgproto3.Query{String: savepoint}, execute, p.end())
		p.recvTransaction()
	} else {
		p.send(execute, p.end())
	}
	r := p.recvExecute(c.st)
	if r.err != nil {
		return p.failed(c.st, r.err)
	}
	p.recvEnd()
	return r
}

func (c *cursor) deallocate() {
	c.p.c.t.Helper()
	c.p.send(&pgproto3.Close{ObjectType: 'P', Name: c.portal}, &pgproto3.Sync{})
	must[*pgproto3.CloseComplete](c.p)
	must[*pgproto3.ReadyForQuery](c.p)
}

// copyIn sends chunks of COPY data to a portal without waiting for the server
// to ask for them.
func (c *cursor) copyIn(chunks ...string) result {
	p := c.p
	p.c.t.Helper()
	execute := &pgproto3.Execute{Portal: c.portal}
	if p.savepoint {
		p.send(&pgproto3.Query{String: savepoint}, execute, &pgproto3.CopyData{Data: []byte(chunks[0])})
		p.recvTransaction()
	} else {
		p.send(execute, &pgproto3.CopyData{Data: []byte(chunks[0])})
	}
	for _, chunk := range chunks[1:] {
		p.send(&pgproto3.CopyData{Data: []byte(chunk)})
	}
	p.send(&pgproto3.CopyDone{}, p.end())
	if _, failed := expect[*pgproto3.CopyInResponse](p); failed != nil {
		return p.failed(c.st, failed)
	}
	done, failed := expect[*pgproto3.CommandComplete](p)
	if failed != nil {
		return p.failed(c.st, failed)
	}
	r := result{tag: string(done.CommandTag)}
	p.recvEnd()
	return r
}

// listen is what Postgrex.Notifications sent up to version 0.15: all of the
// extended protocol at once, and the unnamed statement closed.
func (p *postgrex) listen(sql string) {
	p.c.t.Helper()
	p.send(&pgproto3.Parse{Query: sql}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Close{ObjectType: 'S'}, &pgproto3.Sync{})
	must[*pgproto3.ParseComplete](p)
	must[*pgproto3.BindComplete](p)
	must[*pgproto3.CommandComplete](p)
	must[*pgproto3.CloseComplete](p)
	must[*pgproto3.ReadyForQuery](p)
}

// hear reads n notifications and returns their payloads.
func (p *postgrex) hear(n int) string {
	p.c.t.Helper()
	var payloads []string
	for len(payloads) < n {
		if m, ok := p.receive().(*pgproto3.NotificationResponse); ok {
			payloads = append(payloads, m.Payload)
		}
	}
	return strings.Join(payloads, " ")
}
