package pglite

import (
	"errors"
	"strings"
)

// carried is what a session takes along from backend to backend. It is
// complete whenever the session holds none.
type carried struct {
	statements map[string]statement // by name; "" is the unnamed one
	fresh      []string             // names of statements prepared in this transaction
	settings   []Setting            // what SET has changed, in the guest's order
	customs    customNames          // parameters that exist because it has named them
	sequences  sequences            // what currval and lastval know
	random     random               // where random() is
	recount    bool                 // a DEALLOCATE has run
	libs       []string             // files of libraries it has loaded
	loaded     bool                 // a LOAD has run
}

func (c *carried) init() { c.statements = map[string]statement{} }

// GucContext and GucSource of src/include/utils/guc.h.
const (
	pgcBackend   = 4
	pgcSClient   = 9
	pgcSSession  = 13
	gucNoReset   = 0x000008 // GUC_NO_RESET
	maxNondefGUC = 4096
)

// Offsets in struct config_generic, and in config_string, which begins with one
// (src/include/utils/guc_tables.h); and of a parameter in an entry of the hash
// table of all.
const (
	gucFlags       = 20
	gucPlaceholder = 0x000200 // GUC_CUSTOM_PLACEHOLDER of flags
	gucSource      = 32
	gucNondef      = 64 // nondef_link
	gucSourceFile  = 84
	gucVariable    = 92
	gucResetVal    = 112

	gucEntryVarAt = 4
)

// maxForeign bounds the statements of other clients that a backend keeps, in
// case those are gone.
const maxForeign = 256

// adopt makes the backend s's: what others left goes, what s has comes. An
// *Error is a startup parameter that Postgres refuses.
func (b *backend) adopt(s *Session) error {
	if b.last == s { // only s can have changed that
		return nil
	}
	return b.do(func() error { return b.takeOver(s) })
}

// takeOver is adopt for who has entered.
func (b *backend) takeOver(s *Session) error {
	b.signals.And(^uint32(1 << sigInt)) // came too late for the last one's statement
	b.vacate()
	if b.last != nil && b.last.isClosed() {
		if err := b.discardState(); err != nil {
			return err
		}
	} else if b.altered {
		if err := b.reset(); err != nil {
			return err
		}
	}
	if len(b.prepared) > len(s.statements)+maxForeign {
		if _, err := b.query("deallocate all"); err != nil {
			return err
		}
		clear(b.prepared)
	}
	b.last, b.altered = nil, false
	if err := b.restoreLibraries(s); err != nil {
		return err
	}
	if err := b.startup(s.startup); err != nil {
		return err
	}
	if err := b.alignCustoms(s); err != nil {
		return err
	}
	if len(s.settings) > 0 {
		if err := b.restore(s.settings); err != nil {
			return err
		}
		b.altered = true
	}
	if err := b.restoreSequences(&s.sequences); err != nil {
		return err
	}
	b.restoreRandom(&s.random)
	b.become(s)
	b.last = s
	return nil
}

// reset undoes SET.
func (b *backend) reset() error {
	for _, sql := range [...]string{"set session authorization default", "reset all"} {
		if _, err := b.query(sql); err != nil {
			return err
		}
	}
	return nil
}

// dropOwnSlots drops the temporary replication slots of a session that is over, as
// the end of its process would.
const dropOwnSlots = `select pg_catalog.pg_drop_replication_slot(slot_name) from pg_catalog.pg_replication_slots
	where temporary and active_pid = pg_catalog.pg_backend_pid()`

// discardState forgets everything of a session that is over. It is DISCARD ALL
// but for the sequence caches, which are swapped (see sequences).
func (b *backend) discardState() error {
	for _, sql := range [...]string{
		"close all", "set session authorization default", "reset all", "deallocate all", "unlisten *",
		"select pg_catalog.pg_advisory_unlock_all()", "discard plans", "discard temp", dropOwnSlots,
	} {
		if _, err := b.query(sql); err != nil {
			return err
		}
	}
	clear(b.prepared)
	return nil
}

// startup makes the startup parameters of the session the guest's: as of
// source "client", so that RESET goes back to them, with the values of before
// for those that only the last session had given.
func (b *backend) startup(params []Setting) error {
	changed := false
	want := map[string]string{}
	for _, p := range params {
		want[strings.ToLower(p.Name)] = p.Value
	}
	for name, value := range b.base {
		if _, ok := want[name]; ok {
			continue
		}
		if err := b.setOption(name, value); err != nil {
			return err
		}
		delete(b.base, name)
		delete(b.given, name)
		changed = true
	}
	for _, p := range params {
		name := strings.ToLower(p.Name)
		if v, ok := b.given[name]; ok && v == p.Value && want[name] == p.Value {
			continue
		}
		was, err := b.option(name)
		if err != nil {
			return err
		}
		if err := b.setOption(name, p.Value); err != nil {
			return err
		}
		if _, ok := b.base[name]; !ok {
			b.base[name] = was
		}
		b.given[name] = p.Value
		changed = true
	}
	if !changed {
		return nil
	}
	return b.swallowReports()
}

// swallowReports lets Postgres report the parameters that the host has
// changed, which the next ReadyForQuery would do, to nobody: the client was
// told its own values when it connected. REQUIRES: entered.
func (b *backend) swallowReports() error {
	_, err := b.query("")
	return err
}

// setOption is SetConfigOption as process_startup_options calls it.
// REQUIRES: entered.
func (b *backend) setOption(name, value string) error {
	return b.inTransaction(func() error {
		n, err := b.inst.PushString(name)
		if err != nil {
			return err
		}
		v, err := b.inst.PushString(value)
		if err != nil {
			return err
		}
		_, err = b.inst.Call("SetConfigOption", uint64(n), uint64(v), pgcBackend, pgcSClient)
		return err
	})
}

// option is a parameter's value, "" for one that does not exist. REQUIRES: entered.
func (b *backend) option(name string) (value string, err error) {
	err = b.protect(func() error {
		n, err := b.inst.PushString(name)
		if err != nil {
			return err
		}
		const missingOK, restrict = 1, 0
		p, err := b.inst.Call("GetConfigOption", uint64(n), missingOK, restrict)
		if err == nil && p != 0 {
			value = b.inst.LongString(uint32(p))
		}
		return err
	})
	return value, err
}

// inTransaction runs calls that look into catalogs. REQUIRES: entered.
func (b *backend) inTransaction(do func() error) error {
	return b.protect(func() error {
		if _, err := b.inst.Call("StartTransactionCommand"); err != nil {
			return err
		}
		if err := do(); err != nil {
			return err
		}
		_, err := b.inst.Call("CommitTransactionCommand")
		return err
	})
}

// reported reads the parameters that Postgres reports to clients, as they are.
func (b *backend) reported() (now []Setting, err error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer func() { b.leave(err) }()
	now = make([]Setting, len(b.params))
	for k, p := range b.params {
		v, err := b.option(p.Name)
		if err != nil {
			return nil, err
		}
		now[k] = Setting{p.Name, v}
	}
	return now, nil
}

// setSettings lists what SET has changed: the parameters on the guest's list of
// those that are not at their default (guc_nondef_list in
// src/backend/utils/misc/guc.c) whose source is the session. Without a change
// it costs some thirty loads. REQUIRES: entered, outside a transaction.
func (b *backend) setSettings() ([]Setting, error) {
	i := b.inst
	var out []Setting
	node := i.Uint32(nondefListAddr + 4)
	for n := 0; node != nondefListAddr && node != 0; n++ {
		if n > maxNondefGUC {
			return nil, errors.New("pglite: the list of parameters does not end")
		}
		guc := node - gucNondef
		if i.Uint32(guc+gucSource) == pgcSSession && i.Uint32(guc+gucFlags)&gucNoReset == 0 {
			name := i.LongString(i.Uint32(guc))
			value, err := b.option(name)
			if err != nil {
				return nil, err
			}
			out = append(out, Setting{name, value})
		}
		node = i.Uint32(node + 4)
	}
	return out, nil
}

// restore sets what setSettings listed; the role last, since it may take away
// the right to set the others.
func (b *backend) restore(settings []Setting) error {
	var first, last []string
	for _, p := range settings {
		call := "pg_catalog.set_config(" + quoteLiteral(p.Name) + "," + quoteLiteral(p.Value) + ",false)"
		if p.Name == "role" || p.Name == "session_authorization" {
			last = append(last, call)
		} else {
			first = append(first, call)
		}
	}
	_, err := b.query("select " + strings.Join(append(first, last...), ","))
	return err
}

// quoteLiteral writes an SQL string that means the same whatever
// standard_conforming_strings is.
func quoteLiteral(s string) string {
	s = strings.ReplaceAll(s, "'", "''")
	if strings.Contains(s, `\`) {
		return " E'" + strings.ReplaceAll(s, `\`, `\\`) + "'"
	}
	return "'" + s + "'"
}

// discard ends what a session that goes away has left in the backend it
// holds: a batch without its Sync, a transaction, and all else by DISCARD ALL.
func (b *backend) discard(s *Session) (err error) {
	if err := b.enter(); err != nil {
		return err
	}
	defer func() { b.leave(err) }()
	if s.status != 'I' {
		if err := b.protect(func() error {
			_, err := b.inst.Call("AbortCurrentTransaction")
			return err
		}); err != nil {
			return err
		}
		if err := b.execute(&bytesFeed{message('S')}, &replySink{}); err != nil {
			return err
		}
		in, err := b.inst.Call("IsTransactionBlock")
		if err != nil {
			return err
		}
		if in != 0 {
			if _, err := b.query("rollback"); err != nil {
				return err
			}
		}
	}
	b.last, b.altered = nil, false
	if b.inst.Uint32(tempNamespaceAddr) != 0 {
		// The temporary schema is the backend's for good: it goes with it.
		return b.exit(false)
	}
	if err := b.discardState(); err != nil {
		return err
	}
	b.become(nil)
	return nil
}

// alive tells whether the backend can still be used.
func (b *backend) alive() bool {
	if b.srv != nil && b.srv.crashedNow() {
		return false
	}
	b.live.Lock()
	defer b.live.Unlock()
	return !b.live.ended
}

func (s *Session) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.closed
}
