package pglite

// pinned tells, after a transaction, whether something of the session lives in
// the backend that can't be carried over: a temporary schema, LISTEN, session
// locks, cursors WITH HOLD, statements prepared by SQL. It also takes down
// what SET has changed, which can. The addresses are static variables of the
// backend; hash tables are asked for their number of entries.
func (b *backend) pinned(s *Session) (bool, error) {
	if s.recount {
		if err := s.recounted(); err != nil {
			return false, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	settings, err := b.setSettings()
	if err != nil {
		return false, err
	}
	s.settings, b.altered = settings, len(settings) > 0
	if err := b.saveSequences(&s.sequences); err != nil {
		return false, err
	}
	if b.inst.Uint32(tempNamespaceAddr) != 0 || b.inst.Uint32(listenChannelsAddr) != 0 {
		return true, nil
	}
	for _, t := range [...]struct {
		addr uint32
		free int // entries that pin nothing
	}{
		{localLocksAddr, 0},
		{portalsAddr, 0},
		{preparedQueriesAddr, b.named()},
	} {
		n, err := b.entries(t.addr)
		if err != nil || n > t.free {
			return err == nil, err
		}
	}
	return false, nil
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

// entries counts what the hash table has that a variable points to.
func (b *backend) entries(addr uint32) (int, error) {
	table := b.inst.Uint32(addr)
	if table == 0 {
		return 0, nil
	}
	n, err := b.inst.Call("hash_get_num_entries", uint64(table))
	return int(int64(n)), err
}
