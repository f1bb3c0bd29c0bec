package pglite

import (
	"bytes"
	"errors"
	"regexp"
)

// Prepared statements belong to a client, the guest's table of them to a
// backend. A client's names stay as they are: before a message that names a
// statement runs, the guest's table is made to agree with the client's about
// that name, by a Close or a Parse of the host's own whose answers the client
// does not see. Clients that prepare the same text under the same name, as
// pools do, share the guest's.

// statement is what Parse gave: the query and the parameter types, as they
// stand in the message behind the name, and the row type that came of it.
type statement struct {
	def  string
	rows rowType
}

// is tells whether both are the same for a client.
func (x statement) is(y statement) bool {
	return x.def == y.def && (x.rows == y.rows || x.rows == "" || y.rows == "")
}

// pendingStatement is a Parse or Close whose completion has not come yet.
type pendingStatement struct {
	typ  byte // 'P' or 'C'
	name string
	def  statement
	stmt bool // for Close: a statement, not a portal
}

// maxName bounds what is read ahead to find a statement's name.
const maxName = 64 << 10

// sqlOnStatements finds SQL that may name prepared statements.
var sqlOnStatements = regexp.MustCompile(`(?i)\b(execute|deallocate|prepare|pg_prepared_statements?|discard)\b`)

// nameSize is how many bytes of a name count: Postgres finds statements in a
// hash table of C strings of NAMEDATALEN (src/backend/commands/prepare.c).
const nameSize = 63

// statementName reads the C string that b begins with as a statement's name. It may
// be cut off, at more than nameSize.
func statementName(b []byte) string {
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	return string(b[:min(len(b), nameSize)])
}

// errAnswered means that a message has been answered without being run.
var errAnswered = errors.New("pglite: message answered")

// readAhead reads what inspect looks at of the current message.
func (s *Session) readAhead() error {
	if s.aborted {
		return nil
	}
	_, err := s.in.prefix(s.inspected())
	return err
}

// inspected is how many bytes that are at most.
func (s *Session) inspected() int {
	switch s.in.typ {
	case 'Q', 'D', 'C':
		return maxName
	case 'P':
		return s.in.size()
	case 'B':
		return 2 * maxName
	}
	return 0
}

// inspect looks at the current message before it runs, and makes the guest agree.
// REQUIRES: entered, and read ahead.
func (s *Session) inspect() error {
	if s.aborted {
		return nil // the guest drops it
	}
	body, err := s.in.prefix(s.inspected())
	if err != nil {
		return err
	}
	switch typ := s.in.typ; typ {
	case 'Q':
		delete(s.statements, "") // exec_simple_query drops it
		delete(s.b.prepared, "")
		if !s.agrees(s.b) && (s.in.size() > len(body) || sqlOnStatements.Match(body)) {
			return s.agreeForQuery()
		}
	case 'P':
		_, def, ok := cut(body)
		if !ok {
			return nil // Postgres will say what is wrong
		}
		if !s.agrees(s.b) && sqlOnStatements.Match(def) {
			if err := s.agreeAll(); err != nil {
				return err
			}
		}
		n := statementName(body)
		if n != "" {
			if err := s.agree(n); err != nil {
				return err
			}
		}
		s.pending = append(s.pending, pendingStatement{typ: 'P', name: n, def: statement{def: string(def)}})
	case 'B':
		_, rest, ok := cut(body)
		if !ok {
			return nil
		}
		return s.agree(statementName(rest))
	case 'D', 'C':
		if len(body) < 2 {
			return nil
		}
		n := statementName(body[1:])
		if typ == 'C' {
			s.pending = append(s.pending, pendingStatement{typ: 'C', name: n, stmt: body[0] == 'S'})
		}
		if typ == 'D' && body[0] == 'S' { // a Close of what is not there is no error
			return s.agree(n)
		}
	}
	return nil
}

// agrees tells whether the guest's statements are this client's.
func (s *Session) agrees(b *backend) bool {
	if len(s.statements) != len(b.prepared) {
		return false
	}
	for name, def := range s.statements {
		if theirs, has := b.prepared[name]; !has || !theirs.is(def) {
			return false
		}
	}
	return true
}

// agree makes the guest hold under name what the client holds under it.
func (s *Session) agree(name string) error {
	for _, p := range s.pending {
		if p.typ == 'P' && p.name == name {
			return nil // parsed in this batch
		}
	}
	mine, ok := s.statements[name]
	theirs, has := s.b.prepared[name]
	switch {
	case ok && has && mine.is(theirs), !ok && !has:
		return nil
	case has && name != "" || has && !ok:
		if err := s.forget(name); err != nil {
			return err
		}
	}
	if !ok || s.aborted {
		return nil
	}
	return s.parse(name, mine, &silentSink{s: s, errors: true})
}

// agreeAll does it for every name.
func (s *Session) agreeAll() error {
	if err := s.forgetOthers(); err != nil {
		return err
	}
	for name := range s.statements {
		if err := s.agree(name); err != nil {
			return err
		}
	}
	return nil
}

// agreeForQuery does it for a simple query, which may name any statement and
// most likely does not need those that can't be prepared any more. Outside a
// transaction their errors are dropped. Within one they have aborted it, and
// are the query's answer.
func (s *Session) agreeForQuery() error {
	if err := s.forgetOthers(); err != nil || s.status == 'E' {
		return err // in a failed transaction nothing can be prepared, nor run
	}
	for name, def := range s.statements {
		if _, has := s.b.prepared[name]; has {
			continue
		}
		out := &silentSink{s: s, errors: s.status != 'I'}
		if err := s.parse(name, def, out); err != nil {
			return err
		}
		if !out.failed {
			continue
		}
		if !out.errors {
			if err := s.b.interject(s, message('S'), &silentSink{s: s}); err != nil {
				return err
			}
			continue
		}
		if err := s.b.interject(s, message('S'), s); err != nil {
			return err
		}
		return errAnswered
	}
	return nil
}

// forgetOthers closes in the guest what is not the client's.
func (s *Session) forgetOthers() error {
	for name, def := range s.b.prepared {
		if mine, ok := s.statements[name]; !ok || !mine.is(def) {
			if err := s.forget(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget closes a statement in the guest.
func (s *Session) forget(name string) error {
	if _, has := s.b.prepared[name]; !has {
		return nil
	}
	delete(s.b.prepared, name)
	return s.b.interject(s, message('C', []byte{'S'}, cstring(name)), &silentSink{s: s})
}

// parse prepares a statement in the guest. What is wrong with it by now (its
// table is gone, or it was deferred and never right) the client is told, when
// out passes it on, as it would be at the message that needs the statement; the
// guest then skips to the next Sync by itself.
func (s *Session) parse(name string, def statement, out *silentSink) error {
	err := s.b.interject(s, message('P', cstring(name), []byte(def.def)), out)
	if err != nil || out.failed {
		return err
	}
	if def.rows, err = s.b.keepRowType(name, def.rows); err != nil {
		return err
	}
	s.statements[name], s.b.prepared[name] = def, def
	return nil
}

// silentSink passes on notices and, if it is to, errors; it drops all else.
type silentSink struct {
	s      *Session
	errors bool
	split  splitter
	failed bool
}

func (q *silentSink) write(p []byte) {
	if q.split.handle == nil {
		q.split.keep = func(t byte) bool { return t == 'E' || t == 'N' }
		q.split.handle = func(typ byte, body []byte) {
			q.failed = q.failed || typ == 'E'
			if typ == 'N' || q.errors {
				q.s.write(message(typ, body))
			}
		}
	}
	q.split.scan(p)
}

// deferParse answers a Parse for which no backend came in time, when nothing
// but its Sync is with it: the statement is kept and prepared at its first
// use. A client that prepares on one connection while another of its own is in
// a transaction would wait for itself otherwise; libpq's PQprepare in a
// program with one thread does.
func (s *Session) deferParse() (bool, error) {
	body, err := s.in.prefix(s.in.size())
	if err != nil {
		return false, err
	}
	_, def, ok := cut(body)
	n := statementName(body)
	if _, have := s.statements[n]; !ok || have && n != "" || !s.in.syncFollows() {
		return false, nil
	}
	s.statements[n] = statement{def: string(def)}
	if err := s.in.discard(); err != nil {
		return false, err
	}
	if err := s.in.next(); err != nil { // the Sync
		return false, err
	}
	if err := s.in.discard(); err != nil {
		return false, err
	}
	return true, s.send(append(message('1'), message('Z', []byte{'I'})...))
}

// settle books the completion of the first pending statement, or the error
// that ended them all.
func (s *Session) settle(typ byte) {
	if typ == 'E' {
		s.pending = s.pending[:0]
		return
	}
	want := byte('P')
	if typ == '3' {
		want = 'C'
	}
	for k, p := range s.pending {
		if p.typ != want {
			continue
		}
		s.pending = append(s.pending[:k], s.pending[k+1:]...)
		switch {
		case want == 'P':
			s.statements[p.name], s.b.prepared[p.name] = p.def, p.def
			s.fresh = append(s.fresh, p.name)
		case p.stmt:
			delete(s.statements, p.name)
			delete(s.b.prepared, p.name)
		}
		return
	}
}

// completed looks at the tag of a CommandComplete.
func (s *Session) completed(tag []byte) {
	switch string(bytes.TrimRight(tag, "\x00")) {
	case "DEALLOCATE ALL", "DISCARD ALL":
		clear(s.statements)
		clear(s.b.prepared)
	case "DEALLOCATE":
		s.recount = true
	case "LOAD":
		s.loaded = true
	}
}

// settleRowTypes takes down the row types of the statements that have been
// prepared since the last transaction. REQUIRES: entered.
func (s *Session) settleRowTypes(b *backend) error {
	for _, name := range s.fresh {
		def, ok := s.statements[name]
		if !ok {
			continue
		}
		var err error
		if def.rows, _, err = b.rowTypeOf(name); err != nil {
			return err
		}
		s.statements[name], b.prepared[name] = def, def
	}
	s.fresh = s.fresh[:0]
	return nil
}

// recounted reads back which of the guest's statements SQL has left: what was
// dropped, and was the client's, is the client's no more. REQUIRES: b.mu.
func (s *Session) recounted() error {
	s.recount = false
	var rows [][]string
	err := s.b.unseen(func() (err error) {
		rows, err = s.b.queryAsHost("select name from pg_catalog.pg_prepared_statements")
		return err
	})
	if err != nil {
		return err
	}
	left := map[string]bool{}
	for _, r := range rows {
		left[r[0]] = true
	}
	for name, def := range s.b.prepared {
		if name == "" || left[name] {
			continue
		}
		if s.statements[name].is(def) {
			delete(s.statements, name)
		}
		delete(s.b.prepared, name)
	}
	return nil
}
