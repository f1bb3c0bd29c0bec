package pglite

import (
	"bytes"
	"regexp"
)

// Prepared statements belong to a client, the guest's table of them to a
// backend. A client's names stay as they are: before a message that names a
// statement runs, the guest's table is made to agree with the client's about
// that name, by a Close or a Parse of the host's own whose answers the client
// does not see. Clients that prepare the same text under the same name, as
// pools do, share the guest's.

// statement is what Parse gave: the query and the parameter types, as they
// stand in the message behind the name.
type statement string

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

// inspect looks at a message before it runs, and makes the guest agree.
func (s *Session) inspect(typ byte) error {
	switch typ {
	case 'Q':
		body, err := s.in.prefix(maxName)
		if err != nil {
			return err
		}
		if !s.agrees(s.b) && sqlOnStatements.Match(body) {
			if err := s.agreeAll(); err != nil {
				return err
			}
		}
		delete(s.statements, "") // exec_simple_query drops it
		delete(s.b.prepared, "")
	case 'P':
		body, err := s.in.prefix(s.in.size())
		if err != nil {
			return err
		}
		name, def, ok := cut(body)
		if !ok {
			return nil // Postgres will say what is wrong
		}
		if !s.agrees(s.b) && sqlOnStatements.Match(def) {
			if err := s.agreeAll(); err != nil {
				return err
			}
		}
		if _, mine := s.statements[name]; !mine && name != "" {
			if err := s.b.forget(name); err != nil {
				return err
			}
		}
		s.pending = append(s.pending, pendingStatement{typ: 'P', name: name, def: statement(def)})
	case 'B':
		body, err := s.in.prefix(2 * maxName)
		if err != nil {
			return err
		}
		_, rest, ok := cut(body)
		if !ok {
			return nil
		}
		name, _, ok := cut(rest)
		if !ok {
			return nil
		}
		return s.agree(name)
	case 'D', 'C':
		body, err := s.in.prefix(maxName)
		if err != nil || len(body) < 2 {
			return err
		}
		name, _, ok := cut(body[1:])
		if !ok {
			return nil
		}
		if typ == 'C' {
			s.pending = append(s.pending, pendingStatement{typ: 'C', name: name, stmt: body[0] == 'S'})
		}
		if body[0] == 'S' {
			return s.agree(name)
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
		if b.prepared[name] != def {
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
	case ok && has && mine == theirs, !ok && !has:
		return nil
	case has && name != "" || has && !ok:
		if err := s.b.forget(name); err != nil {
			return err
		}
	}
	if ok {
		return s.b.parse(s, name, mine)
	}
	return nil
}

// agreeAll does it for every name.
func (s *Session) agreeAll() error {
	for name := range s.b.prepared {
		if _, mine := s.statements[name]; !mine {
			if err := s.b.forget(name); err != nil {
				return err
			}
		}
	}
	for name := range s.statements {
		if err := s.agree(name); err != nil {
			return err
		}
	}
	return nil
}

// forget closes a statement in the guest. REQUIRES: the backend is held.
func (b *backend) forget(name string) error {
	if _, has := b.prepared[name]; !has {
		return nil
	}
	delete(b.prepared, name)
	return b.quietly(message('C', []byte{'S'}, cstring(name)))
}

// parse prepares a statement of s in the guest. What is wrong with it by now
// (its table is gone, or it was deferred and never right) s is told, as it
// would be at the message that needs the statement; the guest then skips to
// the client's Sync by itself.
func (b *backend) parse(s *Session, name string, def statement) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := &silentSink{s: s}
	if err := b.execute(&bytesFeed{message('P', cstring(name), []byte(def))}, out); err != nil {
		return err
	}
	b.feed, b.sink = &bytesFeed{}, out
	defer func() { b.feed, b.sink = nil, nil }()
	if _, err := b.call0("pgl_pq_flush", b.fn.flush); err != nil {
		return err
	}
	if !out.failed {
		b.prepared[name] = def
	}
	return nil
}

// silentSink passes on errors and notices, and drops completions.
type silentSink struct {
	s      *Session
	split  splitter
	failed bool
}

func (q *silentSink) write(p []byte) {
	if q.split.handle == nil {
		q.split.keep = func(t byte) bool { return t == 'E' || t == 'N' }
		q.split.handle = func(typ byte, body []byte) {
			q.failed = q.failed || typ == 'E'
			q.s.write(message(typ, body))
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
	name, def, ok := cut(body)
	if _, have := s.statements[name]; !ok || have && name != "" || !s.in.syncFollows() {
		return false, nil
	}
	s.statements[name] = statement(def)
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
	}
}

// recounted reads back which of the client's statements a DEALLOCATE has left.
func (s *Session) recounted() error {
	s.recount = false
	rows, err := s.b.asHost("select name from pg_catalog.pg_prepared_statements")
	if err != nil {
		return err
	}
	left := map[string]bool{}
	for _, r := range rows {
		left[r[0]] = true
	}
	for name := range s.statements {
		if name != "" && !left[name] {
			delete(s.statements, name)
			delete(s.b.prepared, name)
		}
	}
	return nil
}
