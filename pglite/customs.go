package pglite

import (
	"slices"
	"strings"
)

// A parameter such as app.tenant exists in a session from the first SET of it
// on: current_setting('app.tenant', true) is NULL before, '' after a RESET. The
// guest keeps such placeholders for as long as it lives (add_placeholder_variable
// in src/backend/utils/misc/guc.c), so their names are carried like what they
// are set to: those that others have brought go, the session's own come.

// customNames is a sorted list of names in lower case, never changed in place.
type customNames []string

func (c customNames) has(name string) bool {
	_, ok := slices.BinarySearch(c, name)
	return ok
}

// noteCustoms reads the placeholders anew when the guest has more or fewer
// parameters than last time. REQUIRES: entered.
func (b *backend) noteCustoms() error {
	n, err := b.entries(gucTableAddr)
	if err != nil || n == b.gucs {
		return err
	}
	var names customNames
	err = b.eachEntry(gucTableAddr, func(entry uint32) {
		guc := b.inst.Uint32(entry + gucEntryVarAt)
		if b.inst.Uint32(guc+gucFlags)&gucPlaceholder != 0 {
			names = append(names, strings.ToLower(b.inst.LongString(b.inst.Uint32(guc))))
		}
	})
	if err != nil {
		return err
	}
	slices.Sort(names)
	b.customs, b.gucs = names, n
	return nil
}

// alignCustoms makes the guest have the placeholders that s has, besides those
// that it has booted with, and those that the startup parameters of s, which
// have been set, have just made. REQUIRES: entered, outside a transaction, with
// nothing set.
func (b *backend) alignCustoms(s *Session) error {
	if err := b.noteCustoms(); err != nil {
		return err
	}
	if slices.Equal(b.customs, s.customs) {
		return nil
	}
	keep := slices.Clone(s.customs)
	for _, p := range s.startup {
		keep = append(keep, strings.ToLower(p.Name))
	}
	slices.Sort(keep)
	for _, name := range b.customs {
		if !keep.has(name) && !b.born.has(name) {
			if err := b.dropCustom(name); err != nil {
				return err
			}
		}
	}
	for _, name := range s.customs {
		if b.customs.has(name) || slices.ContainsFunc(s.settings, func(p Setting) bool { return strings.EqualFold(p.Name, name) }) {
			continue
		}
		for _, sql := range [...]string{
			"select pg_catalog.set_config(" + quoteLiteral(name) + ", '', false)", "reset " + quoteName(name),
		} {
			if _, err := b.query(sql); err != nil {
				return err
			}
		}
	}
	b.gucs = 0
	return b.noteCustoms()
}

// quoteName writes the name of a parameter, whose parts are identifiers.
func quoteName(name string) string {
	parts := strings.Split(name, ".")
	for k, p := range parts {
		parts[k] = `"` + strings.ReplaceAll(p, `"`, `""`) + `"`
	}
	return strings.Join(parts, ".")
}

// dropCustom removes a placeholder, as MarkGUCPrefixReserved does, and frees
// it, as that does not: struct config_string of
// src/include/utils/guc_tables.h.
func (b *backend) dropCustom(name string) error {
	i := b.inst
	sp := i.StackPointer()
	defer i.SetStackPointer(sp)
	text, err := i.PushString(name)
	if err != nil {
		return err
	}
	key, err := i.Call("_emscripten_stack_alloc", 16)
	if err != nil {
		return err
	}
	i.PutUint32(uint32(key), text)
	const find, remove = 0, 2 // HASHACTION
	table := uint64(i.Uint32(gucTableAddr))
	entry, err := i.Call("hash_search", table, key, find, 0)
	if err != nil || entry == 0 {
		return err
	}
	guc := i.Uint32(uint32(entry) + gucEntryVarAt)
	if i.Uint32(guc+gucFlags)&gucPlaceholder == 0 {
		return nil // an extension has come that has it
	}
	if _, err := i.Call("hash_search", table, key, remove, 0); err != nil {
		return err
	}
	if i.Uint32(guc+gucSource) != 0 { // it is on the list of those that are set
		before, after := i.Uint32(guc+gucNondef), i.Uint32(guc+gucNondef+4)
		i.PutUint32(before+4, after)
		i.PutUint32(after, before)
	}
	free := []uint32{i.Uint32(i.Uint32(guc + gucVariable)), i.Uint32(guc + gucResetVal), i.Uint32(guc + gucSourceFile), i.Uint32(guc), guc}
	for k, p := range free {
		if p == 0 || slices.Contains(free[:k], p) {
			continue
		}
		if _, err := i.Call("guc_free", uint64(p)); err != nil {
			return err
		}
	}
	return nil
}
