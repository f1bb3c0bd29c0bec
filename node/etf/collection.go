package etf

// arity reads a count of the width that small or large tags have.
func (d *decoder) arity(small bool) (uint32, error) {
	if small {
		n, err := d.uint8()
		return uint32(n), err
	}
	return d.uint32()
}

func (d *decoder) tuple() (Tuple, error) {
	n, err := d.arity(d.tag == smallTupleExt)
	if err != nil {
		return nil, err
	}
	if err := d.claim(uint64(n)); err != nil {
		return nil, err
	}
	t := make(Tuple, n)
	for k := range t {
		if t[k], err = d.claimedTerm(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// string appends the integers of a STRING_EXT. Go keeps values below 256 ready as
// interfaces, so they take no memory besides the list's.
func (d *decoder) string(l List) (List, error) {
	n, err := d.uint16()
	if err != nil {
		return nil, err
	}
	p, err := d.take(int(n))
	if err != nil {
		return nil, err
	}
	if l == nil {
		l = make(List, 0, len(p))
	}
	for _, c := range p {
		l = append(l, int64(c))
	}
	return l, nil
}

// list reads a LIST_EXT. A tail that is a list again goes on with this one. None at
// all before a tail is that tail, as OTP has it.
func (d *decoder) list() (Term, error) {
	var l List
	for {
		n, err := d.uint32()
		if err != nil {
			return nil, err
		}
		if err := d.claim(uint64(n) + 1); err != nil {
			return nil, err
		}
		if l == nil {
			l = make(List, 0, n)
		}
		for range n {
			t, err := d.claimedTerm()
			if err != nil {
				return nil, err
			}
			l = append(l, t)
		}
		d.claimed--
		switch d.b[d.off] { // claimed, so it is there
		case nilExt:
			d.off++
			return l, nil
		case stringExt:
			if err := d.begin(); err != nil {
				return nil, err
			}
			return boxed(d.string(l))
		case listExt:
			if err := d.begin(); err != nil {
				return nil, err
			}
			continue
		}
		tail, err := d.term()
		if err != nil || len(l) == 0 {
			return tail, err
		}
		return ImproperList{Elems: l, Tail: tail}, nil
	}
}

func (d *decoder) mapping() (Map, error) {
	at, tag := d.at, d.tag
	n, err := d.uint32()
	if err != nil {
		return nil, err
	}
	if err := d.claim(2 * uint64(n)); err != nil {
		return nil, err
	}
	m := make(Map, n)
	for k := range m {
		if d.keys == 0 {
			return nil, d.fail("maps in keys of maps too deep")
		}
		d.keys--
		m[k].Key, err = d.claimedTerm()
		d.keys++
		if err != nil {
			return nil, err
		}
		if m[k].Value, err = d.claimedTerm(); err != nil {
			return nil, err
		}
	}
	if k, ok := m.duplicate(); ok {
		d.at, d.tag = at, tag
		return nil, d.fail("pair %d has the key of another", k)
	}
	return m, nil
}

func (d *decoder) bitstring() (Term, error) {
	n, err := d.uint32()
	if err != nil {
		return nil, err
	}
	bits, err := d.uint8()
	if err != nil {
		return nil, err
	}
	if bits > 8 || (bits == 0) != (n == 0) {
		return nil, d.fail("%d bits in the last of %d bytes", bits, n)
	}
	p, err := d.takeLong(n)
	if err != nil {
		return nil, err
	}
	if bits%8 == 0 {
		return p, nil
	}
	return Bitstring{Bytes: cleared(p, bits), Bits: bits}, nil
}
