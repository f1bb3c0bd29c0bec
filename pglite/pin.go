package pglite

// pinned tells, after a transaction, whether something of the session lives in
// the backend that can't be carried over: a temporary schema, LISTEN, session
// locks, cursors WITH HOLD, statements prepared by SQL. It also takes down
// what SET has changed, which can. The addresses are static variables of the
// backend; hash tables are asked for their number of entries. REQUIRES: entered.
func (b *backend) pinned(s *Session) (bool, error) {
	prepared, err := b.entries(preparedQueriesAddr)
	if err != nil {
		return false, err
	}
	if s.recount || prepared < b.named() { // SQL within SQL shows only like this
		if err := s.recounted(); err != nil {
			return false, err
		}
	}
	if err := s.settleRowTypes(b); err != nil {
		return false, err
	}
	settings, err := b.setSettings()
	if err != nil {
		return false, err
	}
	s.settings, b.altered = settings, len(settings) > 0
	if err := b.noteCustoms(); err != nil {
		return false, err
	}
	s.customs = b.customs
	b.noteLibraries(s)
	if err := b.saveSequences(&s.sequences); err != nil {
		return false, err
	}
	b.saveRandom(&s.random)
	if b.inst.Uint32(tempNamespaceAddr) != 0 || b.inst.Uint32(listenChannelsAddr) != 0 {
		return true, nil
	}
	for _, table := range [...]uint32{localLocksAddr, portalsAddr} {
		n, err := b.entries(table)
		if err != nil || n > 0 {
			return err == nil, err
		}
	}
	return prepared > b.named(), nil
}

// named counts the protocol-level statements that have an entry in the
// guest's table; the unnamed one has none.
func (b *backend) named() int {
	n := len(b.prepared)
	if _, ok := b.prepared[""]; ok {
		n--
	}
	return n
}

// eachEntry calls f with every entry of the hash table that a variable points
// to. REQUIRES: entered.
func (b *backend) eachEntry(addr uint32, f func(entry uint32)) error {
	n, err := b.entries(addr)
	if err != nil || n == 0 {
		return err
	}
	sp := b.inst.StackPointer()
	defer b.inst.SetStackPointer(sp)
	const statusSize = 64 // room for a HASH_SEQ_STATUS
	scan, err := b.inst.Call("_emscripten_stack_alloc", statusSize)
	if err != nil {
		return err
	}
	if _, err := b.inst.Call("hash_seq_init", scan, uint64(b.inst.Uint32(addr))); err != nil {
		return err
	}
	for {
		p, err := b.inst.Call("hash_seq_search", scan)
		if err != nil || p == 0 {
			return err
		}
		f(uint32(p))
	}
}

// entries counts what the hash table has that a variable points to.
func (b *backend) entries(addr uint32) (int, error) {
	table := b.inst.Uint32(addr)
	if table == 0 {
		return 0, nil
	}
	n, err := b.inst.Call("hash_get_num_entries", uint64(table))
	return int(int64(n)), err
}
